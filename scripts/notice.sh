#!/usr/bin/env bash
# Writes NOTICE: every module of go.mod with its version, licence and copyright lines, read from the
# modules themselves, and the C code in the repository with its licences in full. Run it after a change of
# either. With --check it only compares, for CI.
set -euo pipefail
cd "$(dirname "$0")/.."

licence() { # file: the licence's SPDX name, by the words that only it has
  local text
  text=$(tr -s '[:space:]' ' ' <"$1")
  case $text in
  *"Apache License"*"Version 2.0"*) echo Apache-2.0 ;;
  *"Mozilla Public License"*"2.0"*) echo MPL-2.0 ;;
  *"GNU LESSER GENERAL PUBLIC"* | *"GNU Lesser General Public"*) echo LGPL ;;
  *"GNU GENERAL PUBLIC"* | *"GNU General Public"*) echo GPL ;;
  *"Permission is hereby granted, free of charge"*) echo MIT ;;
  *"Permission to use, copy, modify, and/or distribute"* | *"Permission to use, copy, modify, and distribute"*) echo ISC ;;
  *"Redistribution and use in source and binary forms"*"Neither the name"* | \
    *"Redistribution and use in source and binary forms"*"ames of its contributors"*) echo BSD-3-Clause ;;
  *"Redistribution and use in source and binary forms"*) echo BSD-2-Clause ;;
  *"public domain"* | *"unlicense"*) echo public-domain ;;
  *) return 1 ;;
  esac
}

write() {
  cat <<'TEXT'
Peregrine
Copyright the Peregrine authors

Licensed under the Apache License, Version 2.0 (see LICENSE).

Peregrine is built with the modules below. Each is under its own licence, whose text is in the
module's source at the version named. hraban/opus links the Opus codec (Xiph.Org and others,
BSD-3-Clause, https://opus-codec.org/license/); malgo contains miniaudio (public domain or MIT-0).

TEXT
  go mod download >&2
  go mod edit -json | sed -n 's/^[[:space:]]*"Path": "\(.*\)",$/\1/p' | sort -u | while read -r module; do
    dir=$(go list -m -f '{{.Dir}}' "$module")
    [ "$dir" != "$PWD" ] || continue
    file=$(find "$dir" -maxdepth 1 -type f \( -iname 'licen[cs]e*' -o -iname 'copying*' -o -iname unlicense \) | sort | head -n 1)
    if [ -z "$file" ] || ! name=$(licence "$file"); then
      printf 'notice: no known licence in %s\n' "$module" >&2
      exit 1
    fi
    printf '%s  %s\n' "$(go list -m -f '{{.Path}} {{.Version}}' "$module")" "$name"
    grep -iE '^[^a-z]*(\(c\)|copyright) .*[0-9]{4}' "$file" | grep -v yyyy | head -n 3 | sed 's/^[[:space:]#*/]*/    /' || true
  done
}

# vendored: C code that lies in the repository, unmodified, with its licence beside it.
vendored() {
  printf '\nIn the repository, and so in every program built from it, is C code of others:\n\n'
  while read -r dir file name version spdx; do
    [ -f "$dir/$file" ] || { printf 'notice: no licence in %s\n' "$dir" >&2; exit 1; }
    printf '%s %s in %s  %s\n' "$name" "$version" "$dir" "$spdx"
    sed 's/^/    /; s/[[:space:]]*$//' "$dir/$file"
    printf '\n'
  done <<'TABLE'
media/codec/gsm COPYRIGHT libgsm 1.0.22 TU-Berlin-2.0
media/codec/speex COPYING libspeex 1.2.1 BSD-3-Clause
media/voice/speexdsp COPYING libspeexdsp 1.2.1 BSD-3-Clause
TABLE
}

out=$(mktemp)
trap 'rm -f "$out"' EXIT
{ write; vendored; } >"$out"
if [ "${1:-}" = --check ]; then
  diff -u NOTICE "$out" && exit 0
  echo "notice: NOTICE is out of date: run scripts/notice.sh" >&2
  exit 1
fi
cp "$out" NOTICE
chmod 644 NOTICE
