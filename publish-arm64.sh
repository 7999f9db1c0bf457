#!/usr/bin/env bash
# Makes the Debian package of EdgeLlm: the program, the default model, the service.
#
#   ./publish-arm64.sh                    a native program for 64-bit Raspberry Pi OS and Debian (NativeAOT)
#   ./publish-arm64.sh --rid linux-x64    a native program for a PC (with AVX2: 2013 and later)
#   ./publish-arm64.sh --portable         for every processor; depends on Microsoft's aspnetcore-runtime-10.0, needs no cross compiler here
#   --tar                                 an archive to unpack and run instead of a package (native programs only)
#   --output FOLDER                       where it goes (default: artifacts/deb, with --tar artifacts/tar)
#
# On a workstation or on the Pi itself. It says what is missing and the line that installs it, and on standard error what it is doing; the last line of
# its output is the file that it made.
set -euo pipefail
root=$(cd "$(dirname "$0")" && pwd)
rid=linux-arm64 portable=false tar=false out=
usage() { sed -n '2,11s/^# \{0,1\}//p' "$0"; }
while (($#)); do
  case $1 in
    --portable) portable=true; shift ;;
    --tar) tar=true; shift ;;
    --rid) rid=${2:?--rid takes a runtime identifier}; shift 2 ;;
    --output) out=$(mkdir -p "${2:?--output takes a folder}" && cd "$2" && pwd); shift 2 ;;
    --help | -h) usage; exit 0 ;;
    *) echo "publish-arm64.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
  esac
done

if $portable && $tar; then echo "publish-arm64.sh: --tar takes a native program, without --portable" >&2; exit 2; fi
if [[ -z $out ]]; then if $tar; then out=$root/artifacts/tar; else out=$root/artifacts/deb; fi; fi

# Runs a command, and says what for and how long it takes: at a terminal every second, else when it ends.
step() { # what, command ...
  local what=$1 start=$SECONDS status=0 log; shift
  log=$(mktemp)
  printf '%s ...' "$what" >&2
  "$@" > "$log" 2>&1 &
  local job=$!
  trap 'kill $job 2> /dev/null; rm -f "$log"; echo >&2; exit 130' INT TERM
  while kill -0 $job 2> /dev/null; do
    sleep 1
    [[ ! -t 2 ]] || printf '\r%s ... %d s' "$what" $((SECONDS - start)) >&2
  done
  wait $job || status=$?
  trap - INT TERM
  if [[ -t 2 ]]; then printf '\r%s: %d s   \n' "$what" $((SECONDS - start)) >&2; else printf ' %d s\n' $((SECONDS - start)) >&2; fi
  ((status == 0)) || cat "$log" >&2
  rm -f "$log"
  return $status
}

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
  step "compiling the program (a minute or two)" dotnet publish "$root/src/EdgeLlm.Cli" -c Release -v quiet -o "$published"
  # The launcher is of this machine's processor. Published without (UseAppHost), the build would lose its own, and `dotnet run --no-build` with it.
  rm "$published/EdgeLlm.Cli"
  echo "packing" >&2
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
restore() { dotnet restore "$root/src/EdgeLlm.Cli" -p:RuntimeIdentifier="$rid" -v quiet > "$restored" 2>&1; }
restored=$(mktemp); trap 'rm -f "$restored"' EXIT
if ! step "getting the compiler and the libraries (the first time some 300 MB)" restore; then
  grep -q 'NU1101\|NU1102\|NU1301' "$restored" || { cat "$restored" >&2; exit 1; }
  grep -o 'error NU.*' "$restored" | sort -u | head -3 >&2
  missing "the package source has no compiler or runtime pack of .NET 10 for $rid, or there is no network" "dotnet nuget add source https://api.nuget.org/v3/index.json -n nuget.org     # or: --portable"
fi
# The analyzers run in tools/build; they would take half of the time here.
step "compiling to a native program for $rid (some minutes)" \
  dotnet publish "$root/src/EdgeLlm.Cli" -c Release -r "$rid" ${native[@]+"${native[@]}"} --no-restore -p:RunAnalyzers=false -v quiet -o "$published"
echo "packing" >&2
if $tar; then "$root/tools/package/build-tar" "$published" "$rid" "$out"; else "$root/tools/package/build-deb" "$published" "$architecture" "$out"; fi
