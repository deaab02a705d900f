#!/usr/bin/env bash
# Runs every fuzz target for the given time each, one after the other, and tells at the end which failed:
#   scripts/fuzz.sh 20s              all targets
#   scripts/fuzz.sh 10m 'sip|sdp'    those of the folders that match, for 10 minutes each
#   PARALLEL=1 scripts/fuzz.sh 10m   on one core
set -euo pipefail
cd "$(dirname "$0")/.."

time="${1:-20s}" folders="${2:-.}" failed=()

while read -r file; do
  while read -r target; do
    printf '%s %s\n' "$(dirname "$file")" "$target"
    # What parses in C needs it; the rest is quicker to build without.
    cgo=0 tags=ci
    case $file in *_cgo_test.go) cgo=1 tags='gles nolibopusfile' ;; esac
    # Minimising an interesting input is bounded, or it takes a minute of the time each.
    CGO_ENABLED=$cgo go test -tags "$tags" -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 2s ${PARALLEL:+-parallel "$PARALLEL"} \
      "$(dirname "$file")" </dev/null || failed+=("$(dirname "$file") $target")
  done < <(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*).*/\1/p' "$file")
done < <(grep -rlE '^func Fuzz' --include='*_test.go' . | grep -E "$folders" | sort)

if ((${#failed[@]})); then
  printf 'failed: %s\n' "${failed[@]}"
  exit 1
fi
