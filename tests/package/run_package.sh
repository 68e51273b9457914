#!/usr/bin/env bash
# Installs a build and uses it from outside: tests/package/run_package.sh BUILD_DIR
# Prints "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/../.."

build=${1:?usage: tests/package/run_package.sh BUILD_DIR}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/package/check.sh
source tests/package/check.sh
plans() {
  local said
  said=$("$work/consumer/consumer" tests/data/qwen2-awq-gemm/model) || return 1
  [[ $said == "14 linears, 27 tensors" ]] || { echo "$said" && return 1; }
}
prints_a_row() {
  local model=tests/data/qwen2-awq-gemm/model name=model.layers.1.mlp.down_proj.weight
  "$work/prefix/bin/thaw" convert --quiet --dtype float32 "$model" "$work/float32"
  diff <("$work/consumer/row" "$model" "$name" 7) - < <(python3 - "$work/float32" "$name" 7 <<'END'
import json, struct, sys
folder, name, row = sys.argv[1:]
data = open(folder + "/model.safetensors", "rb").read()
size = struct.unpack_from("<Q", data)[0]
tensor = json.loads(data[8:8 + size])[name]
columns = tensor["shape"][1]
at = 8 + size + tensor["data_offsets"][0] + 4 * columns * int(row)
for value in struct.unpack_from(f"<{columns}f", data, at):
    print(f"{value:.9g}")
END
  )
}
refuses_by_name() {
  local said
  said=$("$work/consumer/row" tests/data/nowhere x 0 2>&1) && return 1
  [[ $said == *tests/data/nowhere* ]]
}
configures() {
  cmake -S tests/package -B "$work/consumer" -DCMAKE_PREFIX_PATH="$work/prefix" \
    -DCMAKE_BUILD_TYPE=Release
}

check "cmake --install" cmake --install "$build" --prefix "$work/prefix"
check "the installed program" "$work/prefix/bin/thaw" --version
check "no internal header installed" \
  test -z "$(find "$work/prefix/include" -name '*-inl.h' -o -name read_threads.h)"
check "model specs installed" test -f "$work/prefix/share/thaw/models/starcoder2.json"
check "the installed program finds them" "$work/prefix/bin/thaw" convert --quiet \
  tests/data/starcoder2-awq-act_scales/model "$work/starcoder2"
check "find_package(thaw)" configures
check "the consumer compiles" cmake --build "$work/consumer"
check "the consumer plans a conversion" plans
check "a C program prints one row" prints_a_row
check "and says what is wrong" refuses_by_name
report
