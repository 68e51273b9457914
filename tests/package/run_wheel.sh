#!/usr/bin/env bash
# Makes source distribution and wheel by the one command, installs the wheel into an empty Python
# environment and runs the tests of the package there: tests/package/run_wheel.sh BUILD_DIR
# Prints "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/../.."

build=$(realpath "${1:?usage: tests/package/run_wheel.sh BUILD_DIR}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/package/check.sh
source tests/package/check.sh

make_wheel() {
  tools/python/build.sh >"$work/build.log" 2>&1 || { tail -n 20 "$work/build.log" && return 1; }
  wheel=$(ls build/wheel/*.whl)
}
# Not PyPI's thaw, which is somebody else's.
name_is_our_own() { [[ ${wheel##*/} == thaw_checkpoints-*-py3-none-manylinux_2_* ]]; }
does_not_ask_for_a_stranger() {
  ! "$work/venv/bin/pip" show thaw 2>/dev/null &&
    [[ $("$work/venv/bin/pip" show thaw-checkpoints | grep '^Requires:') == "Requires: " ]]
}
install_wheel() {
  python3 -m venv "$work/venv" &&
    "$work/venv/bin/pip" install --quiet --no-index --no-deps "$wheel"
}
# Each library that it asks for, itself or through what it carries, comes with it or belongs to
# libc, the compiler or every Linux.
asks_for_nothing_else() {
  local carried line name where
  carried=$(cd "$work/venv" && pwd -P)
  while read -r line; do
    name=${line%% *}
    where=$(sed -n 's/.*=> \(.*\) (.*/\1/p' <<<"$line")
    case $name in
      linux-vdso.so.* | /lib*/ld-linux* | libc.so.* | libm.so.* | libstdc++.so.* | libgcc_s.so.*) ;;
      libz.so.*) ;;  # of what libthaw.so carries along: a part of every Linux, by manylinux's list
      *)
        [[ $(readlink -f "${where:-none}") == "$carried"/* ]] ||
          { echo "needs $line" && return 1; }
        ;;
    esac
  done < <(ldd "$work"/venv/lib/python3*/site-packages/thaw/{bin/thaw,lib/libthaw.so} | grep '=>')
}
# No path of the machine that built it: the specs are the wheel's.
finds_its_specs() {
  "$work/venv/bin/thaw" specs --json | grep -q "$work/venv/"
}
module_tests() {
  "$work/venv/bin/python" tests/python/run_python.py --installed \
    --make-checkpoint "$build/bin/make_checkpoint" >"$work/tests.log" 2>&1 || {
    tail -n 40 "$work/tests.log"
    return 1
  }
  # Its own count, but for the line that is added below.
  grep -E '^[0-9]+ passed, 0 failed$' "$work/tests.log"
}

# What the tests of the module leave out where NumPy is missing.
arrays_of_numpy() {
  "$work/venv/bin/pip" install --quiet numpy ml_dtypes &&
    (cd tests/python && THAW_MAKE_CHECKPOINT=$build/bin/make_checkpoint \
      "$work/venv/bin/python" -m unittest test_open.Arrays)
}

# As an editor and a strict type checker see the package: its own code, and a mistyped option.
types_are_checked() {
  "$work/venv/bin/pip" install --quiet mypy &&
    "$work/venv/bin/python" -m mypy --strict tools/python/thaw || return 1
  printf 'import thaw\nthaw.convert("model", "out", dtyp="float16")\n' >"$work/mistyped.py"
  ! "$work/venv/bin/python" -m mypy --strict "$work/mistyped.py" >"$work/mypy.log" &&
    grep -q 'Unexpected keyword argument "dtyp"' "$work/mypy.log"
}

wheel=
check "the wheel is made" make_wheel
check "its name and tag" name_is_our_own
check "it is installed" install_wheel
check "only it is installed" does_not_ask_for_a_stranger
check "the libraries it asks for" asks_for_nothing_else
check "it finds its model specs" finds_its_specs
check "the tests of the module" module_tests
check "arrays of NumPy" arrays_of_numpy
check "types" types_are_checked
report
