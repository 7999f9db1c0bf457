#!/usr/bin/env bash
# Makes the Debian package of EdgeLlm: the program, the default model, the service.
#
#   ./publish-arm64.sh                    a native program for 64-bit Raspberry Pi OS and Debian (NativeAOT)
#   ./publish-arm64.sh --rid linux-x64    a native program for a PC (with AVX2: 2013 and later)
#   ./publish-arm64.sh --portable         for every processor; depends on Microsoft's aspnetcore-runtime-10.0, needs no cross compiler here
#   --output FOLDER                       where the package goes (default: artifacts/deb)
#
# On a workstation or on the Pi itself. It says what is missing and the line that installs it.
set -euo pipefail
root=$(cd "$(dirname "$0")" && pwd)
rid=linux-arm64 portable=false out=$root/artifacts/deb
usage() { sed -n '2,9s/^# \{0,1\}//p' "$0"; }
while (($#)); do
  case $1 in
    --portable) portable=true; shift ;;
    --rid) rid=${2:?--rid takes a runtime identifier}; shift 2 ;;
    --output) out=$(mkdir -p "${2:?--output takes a folder}" && cd "$2" && pwd); shift 2 ;;
    --help | -h) usage; exit 0 ;;
    *) echo "publish-arm64.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
  esac
done

missing() { # what, the line that installs it
  printf 'publish-arm64.sh: %s\n  %s\n' "$1" "$2" >&2
  exit 1
}
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
command -v dotnet > /dev/null || missing "there is no .NET SDK here" "curl -sSL https://dot.net/v1/dotnet-install.sh | bash -s -- --channel 10.0"
(cd "$root" && dotnet --version > /dev/null 2>&1) || missing "the .NET SDK here is older than global.json asks for" "curl -sSL https://dot.net/v1/dotnet-install.sh | bash -s -- --channel 10.0"
command -v dpkg-deb > /dev/null || missing "there is no dpkg-deb here" "sudo apt install dpkg     # Fedora: sudo dnf install dpkg"

if $portable; then
  published=$root/artifacts/publish/edgellm-portable
  dotnet publish "$root/src/EdgeLlm.Cli" -c Release -v quiet -o "$published"
  # The launcher is of this machine's processor. Published without (UseAppHost), the build would lose its own, and `dotnet run --no-build` with it.
  rm "$published/EdgeLlm.Cli"
  "$root/tools/package/build-deb" "$published" all "$out"
  exit
fi

case $rid in
  linux-arm64) architecture=arm64 triple=aarch64-linux-gnu machine=aarch64 ;;
  linux-x64) architecture=amd64 triple=x86_64-linux-gnu machine=x86_64 ;;
  *) echo "publish-arm64.sh: --rid takes linux-arm64 or linux-x64, not $rid" >&2; exit 2 ;;
esac

# NativeAOT compiles by itself and links with the system's C compiler, against the C library of the target.
command -v readelf > /dev/null || missing "there is no readelf here" "sudo apt install binutils"
native=()
if [[ $(uname -m) == "$machine" ]]; then
  command -v clang > /dev/null || command -v gcc > /dev/null || missing "there is no C compiler to link with" "sudo apt install clang zlib1g-dev"
else
  command -v clang > /dev/null || missing "linking for $architecture on $(uname -m) takes clang" "sudo apt install clang lld"
  command -v ld.lld > /dev/null || missing "linking for $architecture on $(uname -m) takes lld" "sudo apt install lld"
  command -v "$triple-objcopy" > /dev/null || missing "there is no $triple-objcopy, which takes the symbols out" "sudo apt install binutils-$triple"
  [[ -e /usr/$triple/lib/libc.so || -e /usr/lib/$triple/libc.so ]] ||
    missing "there is no C library for $architecture to link against (a sysroot)" "sudo apt install gcc-$triple libc6-dev-$architecture-cross"
  native=(-p:LinkerFlavor=lld -p:ObjCopyName="$triple-objcopy")
fi

published=$root/artifacts/publish/edgellm-$rid
if ! restored=$(dotnet restore "$root/src/EdgeLlm.Cli" -p:RuntimeIdentifier="$rid" -v quiet 2>&1); then
  grep -q 'NU1101\|NU1102\|NU1301' <<< "$restored" || { echo "$restored" >&2; exit 1; }
  echo "$restored" | grep -o 'error NU.*' | sort -u | head -3 >&2
  missing "the package source has no compiler or runtime pack of .NET 10 for $rid" "dotnet nuget add source https://api.nuget.org/v3/index.json -n nuget.org     # or: --portable"
fi
dotnet publish "$root/src/EdgeLlm.Cli" -c Release -r "$rid" ${native[@]+"${native[@]}"} --no-restore -v quiet -o "$published"
"$root/tools/package/build-deb" "$published" "$architecture" "$out"
