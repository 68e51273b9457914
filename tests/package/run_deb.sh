#!/usr/bin/env bash
# Makes the Debian package of a build, lets lintian judge it, installs it into a bare Debian and
# converts a fixture there: tests/package/run_deb.sh BUILD_DIR
# Needs root, lintian, debootstrap and the mirror of the system. Prints "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/../.."

build=$(realpath "${1:?usage: tests/package/run_deb.sh BUILD_DIR}")
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
# shellcheck source=tests/package/check.sh
source tests/package/check.sh

make_package() {
  (cd "$build" && cpack -G DEB -B "$work/made") && deb=$(ls "$work"/made/*.deb)
}
# Errors and warnings fail, and so does an override that nothing needs.
lintian_is_content() {
  local said
  said=$(lintian --allow-root --fail-on error,warning "$deb") || { echo "$said" && return 1; }
  [[ -z $said ]] || { echo "$said" && return 1; }
}
# Run-time libraries only: nothing to build with, nothing that is not a library.
depends_on_libraries() {
  local name
  for name in $(dpkg-deb -f "$deb" Depends | sed 's/([^)]*)//g; s/,/ /g'); do
    if [[ $name != lib* && $name != zlib1g || $name == *-dev ]]; then echo "depends on $name" && return 1; fi
  done
}
has_no_development_files() {
  ! dpkg-deb -c "$deb" | grep -E '\.(h|a|cmake)$'
}
# Debian or Ubuntu as this machine has it, with what is essential and apt.
bare_system() {
  local mirror suite
  # shellcheck disable=SC2016  # apt-get expands it
  mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -n 1)
  # shellcheck disable=SC1091
  suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
  debootstrap --variant=minbase "$suite" "$work/root" "$mirror" >"$work/debootstrap.log" 2>&1 ||
    { tail -n 20 "$work/debootstrap.log" && return 1; }
}
inside() { chroot "$work/root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C "$@"; }
installs() {
  cp "$deb" "$work/root/thaw.deb"
  # The mirror may be reached by settings of this machine.
  cp /etc/resolv.conf "$work/root/etc/resolv.conf"
  if [[ -d /etc/apt/apt.conf.d ]]; then cp -r /etc/apt/apt.conf.d "$work/root/etc/apt/"; fi
  inside env DEBIAN_FRONTEND=noninteractive apt-get -q install --yes --no-install-recommends \
    ./thaw.deb >"$work/install.log" 2>&1 || { tail -n 20 "$work/install.log" && return 1; }
}
brings_nothing_to_build_with() {
  # shellcheck disable=SC2016  # dpkg-query expands it
  ! inside dpkg-query -W -f '${Package}\n' | grep -E -- '-dev$|^(gcc|g\+\+|cmake|make)$'
}
converts() {
  cp -r tests/data/starcoder2-awq-act_scales/model "$work/root/model"
  inside thaw convert --quiet --verify /model /out
}
same_as_here() {
  "$build/bin/thaw" convert --quiet tests/data/starcoder2-awq-act_scales/model "$work/here" &&
    diff -r "$work/here" "$work/root/out"
}
leaves_nothing() {
  inside dpkg --purge thaw >/dev/null && [[ ! -e $work/root/usr/share/thaw ]]
}

deb=
check "the package is made" make_package
check "lintian" lintian_is_content
check "Depends" depends_on_libraries
check "no development files" has_no_development_files
check "a bare system" bare_system
check "apt installs it" installs
check "nothing to build with came along" brings_nothing_to_build_with
check "it converts there, with the installed model specs" converts
check "the same bytes as here" same_as_here
check "the manual page is there" test -f "$work/root/usr/share/man/man1/thaw-convert.1.gz" -o \
  -f "$work/root/etc/dpkg/dpkg.cfg.d/excludes"
check "completions are there" test -f "$work/root/usr/share/bash-completion/completions/thaw"
check "units are there" test -f "$work/root/usr/lib/systemd/system/thaw@.service"
check "it is removed without a trace" leaves_nothing
report
