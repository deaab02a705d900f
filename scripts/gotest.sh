#!/usr/bin/env bash
# go test with the last word only: one line per package that passed, what one that failed says, and
# every skipped test, which fails the run where CI=true. VERBOSE=1 shows everything.
#
#   scripts/gotest.sh [flags of go test] PACKAGES
set -uo pipefail
cd "$(dirname "$0")/.."

go test -v "$@" 2>&1 | awk -v verbose="${VERBOSE:-}" -v ci="${CI:-}" '
  function drop() { for (i = 1; i <= n; i++) delete kept[i]; n = 0 }
  verbose { print }
  /^[ \t]*--- SKIP/ { skipped++; if (!verbose) print }
  !verbose && /^[ \t]*(=== (RUN|PAUSE|CONT|NAME)|--- PASS|PASS$)/ { next }
  /^ok[ \t]/ { if (!verbose) print; drop(); passed++; next }
  /^\?[ \t].*\[no test files\]$/ { drop(); next }
  /^FAIL[ \t]/ { if (!verbose) { for (i = 1; i <= n; i++) print kept[i]; print } drop(); failed++; next }
  { if (!verbose) kept[++n] = $0 }
  END {
    if (!verbose) for (i = 1; i <= n; i++) print kept[i]
    printf "%d packages passed, %d failed, %d tests skipped\n", passed, failed, skipped
    if (skipped && ci == "true") { print "A skipped test proves nothing: it fails here."; exit 1 }
  }'
codes=("${PIPESTATUS[@]}")
[ "${codes[0]}" = 0 ] && [ "${codes[1]}" = 0 ]
