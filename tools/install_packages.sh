#!/usr/bin/env bash
# Installs what is missing of the named groups, on Debian 12 and Ubuntu 24.04:
#   tools/install_packages.sh build|test|ci...
# Asks for root (sudo) only if something is missing.
set -euo pipefail

build=(g++ cmake ninja-build libboost-dev libboost-program-options-dev
  libsimdjson-dev libxsimd-dev libisal-dev zlib1g-dev libssl-dev libarchive-dev libzstd-dev)
test=(doctest-dev python3 systemd libarchive-tools zstd binutils clang-format-14 shellcheck util-linux
  man-db mandoc zsh fish)
ci=(ccache clang-14 libclang-rt-14-dev g++-aarch64-linux-gnu qemu-user libbenchmark-dev python3-venv lintian
  debootstrap chromium slurm-wlm munge python3-yaml python3-jsonschema)

wanted=()
for group in "$@"; do
  case $group in
    build) wanted+=("${build[@]}") ;;
    test) wanted+=("${test[@]}") ;;
    ci) wanted+=("${ci[@]}") ;;
    *)
      echo "install_packages: unknown group $group" >&2
      exit 2
      ;;
  esac
done

missing=()
for package in "${wanted[@]}"; do
  state=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $state == installed ]] || missing+=("$package")
done
if [[ ${#missing[@]} -eq 0 ]]; then exit 0; fi

if ! command -v apt-get >/dev/null; then
  echo "install_packages: no apt-get here; install the equivalents of: ${missing[*]}" >&2
  exit 1
fi
as_root=()
if [[ $(id -u) -ne 0 ]]; then
  as_root=(sudo)
  command -v sudo >/dev/null || {
    echo "install_packages: run as root, or install: ${missing[*]}" >&2
    exit 1
  }
fi

# Mirrors fail now and then.
try_thrice() {
  local try
  for try in 1 2 3; do
    "$@" && return 0
    sleep $((try * 5))
  done
  return 1
}
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" \
    </dev/null
}

echo "installing: ${missing[*]}"
try_thrice apt update
try_thrice apt install --yes --no-install-recommends "${missing[@]}"
