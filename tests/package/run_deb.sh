#!/usr/bin/env bash
# Makes the Debian package by the one command and judges it: tests/package/run_deb.sh
# Needs root and lintian. What it does on bare systems: tests/systems/run_system.sh. Prints "N passed,
# N failed".
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/package/check.sh
source tests/package/check.sh

make_package() {
  tools/package/build.sh >"$work/build.log" 2>&1 || { tail -n 20 "$work/build.log" && return 1; }
  deb=$(ls build/deb/*.deb)
}
# Errors and warnings fail, and so does an override that nothing needs.
lintian_is_content() {
  local said
  said=$(lintian --allow-root --fail-on error,warning "$deb") || { echo "$said" && return 1; }
  [[ -z $said ]] || { echo "$said" && return 1; }
}
# What every Debian and Ubuntu has by these names.
depends_on_what_is_everywhere() {
  local name
  for name in $(dpkg-deb -f "$deb" Depends | sed 's/([^)]*)//g; s/,/ /g'); do
    case $name in
      libc6 | libstdc++6 | libgcc-s1) ;;
      *) echo "depends on $name" && return 1 ;;
    esac
  done
}
has_no_development_files() {
  ! dpkg-deb -c "$deb" | grep -E '\.(h|a|cmake)$'
}
unpack() { dpkg-deb -x "$deb" "$work/root"; }
# With the libraries that it carries.
starts() { "$work/root/usr/bin/thaw" --version >/dev/null; }
finds_its_own_libraries() {
  ! ldd "$work/root/usr/bin/thaw" | grep -E 'simdjson|isal' | grep -v "$(realpath "$work")"
}
# The same program as the one beside it, but for where its libraries come from.
converts() {
  "$work/root/usr/bin/thaw" convert --quiet --verify --checksums tests/data/starcoder2-awq-act_scales/model \
    "$work/out" && (cd "$work/out" && sha256sum --quiet --check SHA256SUMS)
}

deb=
check "the package is made" make_package
check "lintian" lintian_is_content
check "Depends" depends_on_what_is_everywhere
check "no development files" has_no_development_files
check "it is unpacked" unpack
check "it starts" starts
check "its own libraries" finds_its_own_libraries
check "it converts, with its model specs, and its checksums are right" converts
check "the manual page is there" test -f "$work/root/usr/share/man/man1/thaw-convert.1.gz"
check "completions are there" test -f "$work/root/usr/share/bash-completion/completions/thaw"
check "units are there" test -f "$work/root/usr/lib/systemd/system/thaw@.service" -o \
  -f "$work/root/lib/systemd/system/thaw@.service"
report
