#!/usr/bin/env bash
# Runs the real program on an X server without a screen, with a new profile, and fails when no window
# comes, when it dies, or when its log tells of a panic or a call on the wrong thread.
# Quick and without root; internal/desktop has the long way through the program.
#
#   scripts/smoke.sh            the check
#   scripts/smoke.sh --bench    also prints the time to the first window, memory, and CPU when idle
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
pids=()
finish() {
  local status=$?
  for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done
  wait 2>/dev/null || true
  if [ "$status" != 0 ]; then
    echo "smoke: failed; the program's log:" >&2
    cat "$work/log" >&2 || true
  fi
  rm -rf "$work"
}
trap finish EXIT

Xvfb -displayfd 3 -screen 0 1400x900x24 -nolisten tcp 3>"$work/display" >/dev/null 2>&1 &
pids+=($!)
for _ in $(seq 100); do [ -s "$work/display" ] && break; sleep 0.1; done
DISPLAY=:$(cat "$work/display")
export DISPLAY LIBGL_ALWAYS_SOFTWARE=1
unset WAYLAND_DISPLAY
# Neither the user's own settings nor a message bus that outlives the check.
export HOME=$work/home DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent
unset XDG_CONFIG_HOME XDG_CACHE_HOME
mkdir -p "$HOME/.cache"
openbox >/dev/null 2>&1 &
pids+=($!)

began=$(date +%s%N)
./bin/peregrine --profile "$work/profile" >"$work/log" 2>&1 &
program=$!
pids+=("$program")
window=$(timeout 30 xdotool search --sync --onlyvisible --pid "$program" | head -n 1)
shown=$((($(date +%s%N) - began) / 1000000))
[ -n "$window" ] || { echo "smoke: no window within 30 s" >&2; exit 1; }

ticks() { awk '{ print $14 + $15 }' "/proc/$program/stat"; }
sleep 3
before=$(ticks)
sleep 5
after=$(ticks)
kill -0 "$program" 2>/dev/null || { echo "smoke: it ended by itself" >&2; exit 1; }

case ${1:-} in
--bench)
  echo "start to first window: $shown ms"
  awk '/^VmRSS/ { printf "memory (RSS): %.0f MB\n", $2 / 1024 }' "/proc/$program/status"
  awk -v t=$((after - before)) -v hz="$(getconf CLK_TCK)" 'BEGIN { printf "CPU when idle: %.1f %%\n", 100 * t / hz / 5 }'
  ;;
esac

kill -TERM "$program"
for _ in $(seq 50); do kill -0 "$program" 2>/dev/null || break; sleep 0.1; done
if kill -0 "$program" 2>/dev/null; then
  echo "smoke: it did not end within 5 s of SIGTERM" >&2
  exit 1
fi
# Fyne reports calls from another goroutine as "Error in Fyne call thread".
if grep -nE 'panic:|fatal error:|DATA RACE|Fyne call thread' "$work/log"; then
  echo "smoke: errors in the log" >&2
  exit 1
fi
echo "smoke: a window after $shown ms, and a clean end"
