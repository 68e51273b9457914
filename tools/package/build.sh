#!/usr/bin/env bash
# Builds the Debian package into build/deb, and installs what that needs:
#   tools/package/build.sh
# It holds all that is not part of every Debian and Ubuntu, and so installs on releases newer than the
# one that made it, back to glibc's version there. specs/packages.md clause 2.
set -euo pipefail
cd "$(dirname "$0")/../.."

tools/install_packages.sh build deb
export CXX=${CXX:-g++}
folder=build/package
generator=()
if [[ ! -f $folder/CMakeCache.txt ]]; then generator=(-G Ninja); fi
cmake -S . -B $folder "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DTHAW_BUILD_TESTS=OFF \
  -DTHAW_PORTABLE=ON "-DTHAW_WERROR=${THAW_WERROR:-OFF}"
cmake --build $folder --parallel "$(nproc)"
rm -rf build/deb
(cd $folder && cpack -G DEB -B "$OLDPWD/build/deb")
ls build/deb/*.deb
