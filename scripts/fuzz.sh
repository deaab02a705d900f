#!/usr/bin/env bash
# Runs every fuzz target for the given time each: scripts/fuzz.sh 20s
set -euo pipefail
cd "$(dirname "$0")/.."

grep -rlE '^func Fuzz' --include='*_test.go' . | sort | while read -r file; do
  sed -nE 's/^func (Fuzz[A-Za-z0-9_]*).*/\1/p' "$file" | while read -r target; do
    printf '%s %s\n' "$(dirname "$file")" "$target"
    CGO_ENABLED=0 go test -tags ci -run '^$' -fuzz "^$target\$" -fuzztime "${1:-20s}" "$(dirname "$file")" </dev/null
  done
done
