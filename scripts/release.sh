#!/usr/bin/env bash
# Builds what is given to users, into dist/SYSTEM-ARCHITECTURE: the window and the command line, without a codec
# library to install. GSM, Speex and speexdsp lie in the repository; Opus is linked in from the libopus.a that
# pion/mediadevices ships for Linux, Windows and macOS. Only that file and its headers are used: the module is no
# dependency.
#
#   scripts/release.sh                  for this machine
#   GOOS=windows scripts/release.sh     across, with mingw-w64
#   scripts/release.sh peregrinectl     the command line alone (needs no OpenGL)
set -euo pipefail
cd "$(dirname "$0")/.."

module=github.com/pion/mediadevices version=v0.9.4
sum=h1:5Apc0D9PrJc37/bzAqM2AGRyiuNU+SiHACo71+dxq8E=

say() { printf 'release: %s\n' "$*" >&2; }

os=$(go env GOOS) arch=$(go env GOARCH) exe='' tags=nolibopusfile link='-s -w'
export GOOS=$os GOARCH=$arch CGO_ENABLED=1
case $os in
linux) tags="gles $tags" ;;
windows)
  exe=.exe link="$link -extldflags -static"
  [ "$(go env GOHOSTOS)" = windows ] || export CC=${CC:-x86_64-w64-mingw32-gcc}
  ;;
esac
case $arch in
amd64) library=libopus-$os-x64.a ;;
arm64) library=libopus-$os-arm64.a ;;
arm) library=libopus-$os-armv7.a ;;
*) say "no Opus for $os on $arch"; exit 1 ;;
esac

# Outside the module, so that go.mod stays as it is; the sum is checked here, and against the checksum database.
report=$(cd "$(mktemp -d)" && GO111MODULE=on GOFLAGS='' go mod download -json "$module@$version")
field() { sed -n "s/^[[:space:]]*\"$1\": \"\(.*\)\",*\$/\1/p" <<<"$report"; }
if [ "$(field Sum)" != "$sum" ]; then
  say "$module $version is not the one that was looked at: $(field Sum)"
  exit 1
fi
opus=$(field Dir)/pkg/codec/opus
[ -f "$opus/lib/$library" ] || { say "no Opus for $os on $arch"; exit 1; }

# A folder with nothing but the static library, or the linker would take a shared one beside it. Its name is in
# CGO_LDFLAGS too: Go's cache knows those, but not what pkg-config says.
static=$PWD/dist/.opus/$version/$os-$arch
rm -rf "$static"
mkdir -p "$static"
cp "$opus/lib/$library" "$static/libopus.a"
cp -r "$opus/include" "$static/include"
chmod -R u+w "$static"
math=$([ "$os" = windows ] || echo -lm)
cat >"$static/opus.pc" <<PC
Name: opus
Description: Opus, static
Version: 1.3.1
Cflags: -I$static/include
Libs: -L$static -lopus $math
PC
export PKG_CONFIG_PATH=$static${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH} CGO_LDFLAGS="-O2 -g -L$static"

dist=dist/$os-$arch
mkdir -p "$dist"
for program in ${*:-peregrine peregrinectl}; do
  case $program in
  peregrine) package=. ;;
  *) package=./cmd/$program ;;
  esac
  flags=$link
  [ "$os-$program" != windows-peregrine ] || flags="$link -H windowsgui"
  say "building $dist/$program$exe"
  go build -trimpath -tags "$tags" -ldflags "$flags" -o "$dist/$program$exe" "$package"
  if [ "$os" = linux ] && command -v readelf >/dev/null; then
    needs=$(readelf -d "$dist/$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
    if grep -E 'opus|speex|gsm' <<<"$needs"; then
      say "$program needs a codec library"
      exit 1
    fi
    say "needs: $(tr '\n' ' ' <<<"$needs")"
  fi
done
cp LICENSE NOTICE "$dist/"
cp "$opus/LICENSE" "$dist/LICENSE.opus"
chmod u+w "$dist/LICENSE.opus"
