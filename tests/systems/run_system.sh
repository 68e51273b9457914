#!/usr/bin/env bash
# On a bare Debian or Ubuntu: the Debian package that was made here, and README's two commands.
#   tests/systems/run_system.sh bookworm|trixie|noble|resolute
# Needs root, debootstrap, the mirrors, and build/deb (tools/package/build.sh on the oldest of the
# systems). Ends with "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/../.."

suite=${1:?usage: tests/systems/run_system.sh SUITE}
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
# shellcheck source=tests/package/check.sh
source tests/package/check.sh
# shellcheck source=tests/systems/bare.sh
source tests/systems/bare.sh

logged() {
  local log=$work/$1.log
  shift
  "$@" >"$log" 2>&1 || { tail -n 40 "$log" && return 1; }
}

# Before the commands: these install libraries that the package must do without.
package_installs() {
  cp build/deb/thaw_*.deb "$work/root/thaw.deb"
  logged update inside apt-get -q update &&
    logged install inside env DEBIAN_FRONTEND=noninteractive apt-get -q install --yes \
      --no-install-recommends /thaw.deb
}
brings_libraries_only() {
  # shellcheck disable=SC2016  # dpkg-query expands it
  ! inside dpkg-query -W -f '${Package}\n' | grep -E -- '-dev$|^(gcc|g\+\+|cmake|make|python3)$'
}
package_converts() {
  cp -r tests/data/starcoder2-awq-act_scales/model "$work/root/model"
  inside thaw convert --quiet --verify /model /out
}
package_same_bytes() {
  build/package/portable/thaw convert --quiet tests/data/starcoder2-awq-act_scales/model \
    "$work/here" && diff -r "$work/here" "$work/root/out"
}
package_is_removed() {
  inside dpkg --purge thaw >/dev/null && [[ ! -e $work/root/usr/share/thaw ]] &&
    [[ ! -e $work/root/usr/lib/thaw ]]
}

copy_sources() {
  mkdir "$work/root/thaw"
  git ls-files -z | tar --null --files-from - -cf - | tar -C "$work/root/thaw" -xf -
}
try_command() { logged try inside /thaw/tools/try.sh; }
apt_is_quiet() { [[ $(wc -l <"$work/try.log") -lt 100 ]] && ! grep -q '^Setting up' "$work/try.log"; }
converted() { [[ -s $work/root/thaw/build/try/qwen2/model.safetensors ]]; }
test_command() { logged tests inside /thaw/tools/test.sh; }
nothing_failed() { tail -n 1 "$work/tests.log" | grep -E '^[1-9][0-9]* passed, 0 failed$'; }

check "a bare system" make_bare_system "$suite"
check "the package installs" package_installs
check "it brings libraries only" brings_libraries_only
check "it converts, with the installed model specs" package_converts
check "the same bytes as here" package_same_bytes
check "it is removed without a trace" package_is_removed
check "the sources" copy_sources
check "tools/try.sh" try_command
check "it says little about apt" apt_is_quiet
check "it has converted" converted
check "tools/test.sh" test_command
check "its last line" nothing_failed
report
