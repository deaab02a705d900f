#!/usr/bin/env bash
# Installs what is missing on Debian and its children, and a Go that is new enough:
#
#   scripts/deps.sh run     to build and run Peregrine (the default)
#   scripts/deps.sh test    also to test it: real SIP peers, an X server without a screen, sound tools
#
# Quick and silent when nothing is missing. Works as root and with sudo. On other systems it names what
# it cannot install and goes on.
set -euo pipefail
cd "$(dirname "$0")/.."

# A C compiler and the headers of OpenGL, X11, Wayland and Opus; software OpenGL and PulseAudio's
# library to run.
run_set="gcc libc6-dev pkg-config ca-certificates libgl1-mesa-dev xorg-dev libwayland-dev libxkbcommon-dev
  libopus-dev libgl1-mesa-dri libpulse0"
test_set="kamailio kamailio-extra-modules kamailio-tls-modules kamailio-outbound-modules
  kamailio-presence-modules coturn baresip-core linphone-cli twinkle-console sip-tester
  iproute2 iputils-ping nftables ethtool dnsmasq-base procps espeak-ng ffmpeg sox
  pulseaudio pulseaudio-utils xvfb openbox xdotool imagemagick dbus-x11"

# Fetched when no Go is found that go.mod accepts. Go 1.21 and newer fetch what they need by themselves.
go_version=1.26.8
go_home=${PEREGRINE_GO:-${XDG_DATA_HOME:-$HOME/.local/share}/peregrine/go}

say() { printf 'deps: %s\n' "$*" >&2; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else say "root is needed for: $*"; return 1; fi
}

# missing prints those of its arguments that dpkg does not know as installed.
missing() {
  local installed name
  installed=" $(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
    sed -n 's/^installed //p' | tr '\n' ' ') "
  for name; do
    case $installed in *" $name "*) ;; *) printf '%s ' "$name" ;; esac
  done
}

install_packages() {
  local want
  if ! command -v dpkg-query >/dev/null; then
    say "this is no Debian: please have these ready under your system's names: $*"
    return 0
  fi
  want=$(missing "$@")
  [ -n "$want" ] || return 0
  say "installing: $want"
  as_root apt-get update -qq
  # shellcheck disable=SC2086 # a list of words
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $want >/dev/null
}

# at_least A B: version A is not older than B.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

go_is_enough() {
  local have need
  need=$(sed -n 's/^go //p' go.mod)
  # Asked outside the module: inside it, an old Go stops at go.mod and a new one may fetch a newer.
  have=$(cd / && GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null | sed 's/^go//') || return 1
  at_least "$have" "$need" && return 0
  at_least "$have" 1.21 && [ "$(cd / && "$1" env GOTOOLCHAIN)" != local ]
}

# install_go gets the toolchain from the module proxy, checked against the checksum database as every
# module is. The zip of a module has neither executable bits nor nested go.mod files (they come as
# _go.mod): both are put right, as Go 1.21 and newer do themselves.
install_go() {
  local bootstrap arch report dir
  if command -v go >/dev/null && go_is_enough go; then return 0; fi
  if [ -x "$go_home/bin/go" ] && go_is_enough "$go_home/bin/go"; then return 0; fi
  bootstrap=$(command -v go || true)
  if [ -z "$bootstrap" ]; then
    install_packages golang-go
    bootstrap=$(command -v go)
  fi
  arch=$(cd / && "$bootstrap" env GOHOSTOS)-$(cd / && "$bootstrap" env GOHOSTARCH)
  say "fetching Go $go_version for $arch into $go_home"
  report=$(cd "$(mktemp -d)" && GO111MODULE=on GOFLAGS='' "$bootstrap" mod download -json \
    "golang.org/toolchain@v0.0.1-go$go_version.$arch") || true
  dir=$(sed -n 's/^[[:space:]]*"Dir": "\(.*\)",*$/\1/p' <<<"$report")
  if [ ! -d "$dir" ]; then
    say "Go $go_version could not be fetched; is the network there? $(sed -n 's/.*"Error": //p' <<<"$report")"
    return 1
  fi
  rm -rf "$go_home.new"
  mkdir -p "$(dirname "$go_home")"
  cp -r "$dir" "$go_home.new"
  chmod -R u+w "$go_home.new"
  chmod +x "$go_home.new"/bin/* "$go_home.new"/pkg/tool/*/*
  find "$go_home.new" -name _go.mod | while read -r f; do cp "$f" "$(dirname "$f")/go.mod"; done
  rm -rf "$go_home"
  mv "$go_home.new" "$go_home"
  "$go_home/bin/go" version >&2
}

case ${1:-run} in
run) install_packages $run_set ;;
test) install_packages $run_set $test_set ;;
*) say "usage: scripts/deps.sh [run|test]"; exit 2 ;;
esac
install_go
