#!/usr/bin/env bash
# Installs what is missing of the named groups, on Debian and Ubuntu (12 and 24.04 or newer):
#   tools/install_packages.sh build|test|ci|all|deb|wheel|arm...
# Asks for root (sudo) only if something is missing. What apt says is in build/apt.log, and is shown
# where it fails.
set -euo pipefail
cd "$(dirname "$0")/.."

build=(g++ cmake ninja-build libboost-dev libboost-iostreams-dev libboost-program-options-dev
  libsimdjson-dev libxsimd-dev libisal-dev zlib1g-dev libssl-dev libzstd-dev)
# What tools/test.sh needs as a user runs it.
test=(doctest-dev python3 libarchive-tools zstd util-linux)
deb=(dpkg-dev file)
wheel=(python3-venv)
arm=(g++-aarch64-linux-gnu qemu-user)
ci=(ccache clang binutils shellcheck systemd man-db mandoc zsh fish strace e2fsprogs python3-yaml
  python3-jsonschema lintian "${deb[@]}" "${wheel[@]}" "${arm[@]}")
all=(libbenchmark-dev debootstrap chromium slurm-wlm munge)

wanted=()
for group in "$@"; do
  case $group in
    build) wanted+=("${build[@]}") ;;
    test) wanted+=("${test[@]}") ;;
    ci) wanted+=("${ci[@]}") ;;
    all) wanted+=("${all[@]}") ;;
    deb) wanted+=("${deb[@]}") ;;
    wheel) wanted+=("${wheel[@]}") ;;
    arm) wanted+=("${arm[@]}") ;;
    *)
      echo "install_packages: unknown group $group" >&2
      exit 2
      ;;
  esac
done

is_installed() {
  # shellcheck disable=SC2016  # dpkg-query expands it
  [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}
missing=()
for package in "${wanted[@]}"; do
  is_installed "$package" || missing+=("$package")
done

if [[ ${#missing[@]} -ne 0 ]] && ! command -v apt-get >/dev/null; then
  echo "install_packages: no apt-get here; install the equivalents of: ${missing[*]}" >&2
  exit 1
fi
as_root=()
if [[ $(id -u) -ne 0 ]]; then
  as_root=(sudo)
  if [[ ${#missing[@]} -ne 0 ]] && ! command -v sudo >/dev/null; then
    echo "install_packages: run as root, or install: ${missing[*]}" >&2
    exit 1
  fi
fi

log=build/apt.log
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 \
    -o Acquire::Retries=3 "$@" </dev/null >>"$log" 2>&1
}
# Mirrors fail now and then.
try_thrice() {
  local try
  for try in 1 2 3; do
    "$@" && return 0
    sleep $((try * 5))
  done
  return 1
}
give_up() {
  tail -n 30 "$log" >&2
  echo "install_packages: $1; all that apt said: $log" >&2
  exit 1
}

install_packages() {
  local package unknown=()
  for package in "$@"; do
    apt-cache show "$package" >/dev/null 2>&1 || unknown+=("$package")
  done
  # Another try would not find them either.
  if [[ ${#unknown[@]} -ne 0 ]]; then
    echo "install_packages: this system's apt sources have no ${unknown[*]}" >&2
    exit 1
  fi
  # What is downloaded may be tried again; what was downloaded and cannot be installed, not.
  try_thrice apt install --yes --no-install-recommends --download-only "$@" ||
    give_up "downloading failed"
  apt install --yes --no-install-recommends "$@" || give_up "installing failed"
}

if [[ ${#missing[@]} -ne 0 ]]; then
  mkdir -p build
  : >"$log"
  echo "installing: ${missing[*]}"
  try_thrice apt update || give_up "apt-get update failed"
  install_packages "${missing[@]}"
fi

# clang's sanitizers are a package of their own, which has the version in its name.
if [[ " ${wanted[*]} " == *" clang "* ]]; then
  version=$(clang --version | sed -n 's/.*clang version \([0-9]*\).*/\1/p;q')
  if ! is_installed "libclang-rt-$version-dev"; then
    mkdir -p build
    install_packages "libclang-rt-$version-dev"
  fi
fi
