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
configures() {
  cmake -S tests/package -B "$work/consumer" -DCMAKE_PREFIX_PATH="$work/prefix" \
    -DCMAKE_BUILD_TYPE=Release
}

check "cmake --install" cmake --install "$build" --prefix "$work/prefix"
check "the installed program" "$work/prefix/bin/thaw" --version
check "no internal header installed" \
  test -z "$(find "$work/prefix/include" -name '*-inl.h' -print -quit)"
check "model specs installed" test -f "$work/prefix/share/thaw/models/starcoder2.json"
check "the installed program finds them" "$work/prefix/bin/thaw" convert --quiet \
  tests/data/starcoder2-awq-act_scales/model "$work/starcoder2"
check "find_package(thaw)" configures
check "the consumer compiles" cmake --build "$work/consumer"
check "the consumer plans a conversion" plans
report
