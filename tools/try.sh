#!/usr/bin/env bash
# Installs what the build needs, builds thaw, converts a small real checkpoint and shows the result.
# May be run again; then it only does what is left to do.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/install_packages.sh build
generator=()
if [[ ! -f build/release/CMakeCache.txt ]] && command -v ninja >/dev/null; then
  generator=(-G Ninja)
fi
cmake -S . -B build/release "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DTHAW_BUILD_TESTS=OFF
cmake --build build/release --parallel "$(nproc)"

thaw=build/release/bin/thaw
model=tests/data/qwen2-awq-gemm/model
out=build/try/qwen2

show() {
  printf '\n$ %s\n' "$*"
  "$@"
}
mkdir -p build/try
show "$thaw" inspect "$model"
show "$thaw" convert "$model" "$out" --force
show ls -l "$out"
show diff "$model/config.json" "$out/config.json" || true
printf '\n$ head -c 400 %s | tail -c +9\n' "$out/model.safetensors"
head -c 400 "$out/model.safetensors" | tail -c +9
printf '\n\nThe program is %s; a model of yours:\n  %s convert MODEL OUT\n' "$thaw" "$thaw"
