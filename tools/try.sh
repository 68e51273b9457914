#!/usr/bin/env bash
# Installs what the build needs, builds thaw, converts a small real checkpoint and shows the result.
# May be run again; then it only does what is left to do.
set -euo pipefail
cd "$(dirname "$0")/.."

processors=$(nproc)
cat <<TEXT
This installs a compiler and libraries with apt (as root, or with sudo; about 800 MB), compiles thaw into
build/release (about $((300 / processors / 60 + 1)) minutes on $processors processors) and converts a checkpoint of 0.5 MB.
Nothing outside of build/ is written but what apt installs.

TEXT
tools/install_packages.sh build
generator=()
if [[ ! -f build/release/CMakeCache.txt ]] && command -v ninja >/dev/null; then
  generator=(-G Ninja)
fi
echo "compiling"
mkdir -p build
log=build/try.log
if ! {
  cmake -S . -B build/release "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DTHAW_BUILD_TESTS=OFF &&
    cmake --build build/release --parallel "$processors"
} >"$log" 2>&1; then
  tail -n 40 "$log" >&2
  echo "try.sh: it could not be built; all that was said: $log" >&2
  exit 1
fi

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
