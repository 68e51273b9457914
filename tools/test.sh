#!/usr/bin/env bash
# Installs what the tests need, builds, runs everything, and ends with "N passed, N failed".
#   tools/test.sh                      the plain build and all tests; interop where torch is there
#   tools/test.sh --interop            interop in Python environments of its own, no skipping
#   tools/test.sh --compiler clang++-14 | --sanitize address,undefined | --sanitize thread | --neon
#                                      the tests of that one build
#   tools/test.sh --all                everything above; warnings are errors
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
logs=$root/build/test-logs

compiler=
sanitize=
neon=no
interop=where_torch_is
all=no
while [[ $# -gt 0 ]]; do
  case $1 in
    --compiler) compiler=${2:?--compiler needs a name} && shift ;;
    --sanitize) sanitize=${2:?--sanitize needs a list} && shift ;;
    --neon) neon=yes ;;
    --interop) interop=always ;;
    --all) all=yes interop=always ;;
    -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0" && exit 0 ;;
    *) echo "test.sh: unknown option $1" >&2 && exit 2 ;;
  esac
  shift
done

passed=0
failed=0

# The counts in a log, "passed failed": of doctest's summaries and of lines "N passed, N failed".
counts_of() {
  awk '
    /\[doctest\] test cases:/ {
      for (i = 2; i <= NF; i++) {
        if ($i == "passed") p += $(i - 1)
        if ($i == "failed") f += $(i - 1)
      }
    }
    /^[0-9]+ passed, [0-9]+ failed$/ { p += $1; f += $3 }
    END { print p + 0, f + 0 }' "$1"
}

# Runs a command as a suite of tests: its counts are added, and one that failed or counted nothing
# without saying what failed is a failure of its own.
suite() {
  local name=$1 log good bad status=0 start=$SECONDS
  shift
  log=$logs/${name//[^a-zA-Z0-9_.-]/_}.log
  "$@" >"$log" 2>&1 </dev/null || status=$?
  read -r good bad < <(counts_of "$log")
  if [[ $bad -eq 0 && ($status -ne 0 || $good -eq 0) ]]; then
    bad=1
    echo "$name: exit code $status, $good tests counted" >>"$log"
  fi
  passed=$((passed + good))
  failed=$((failed + bad))
  printf '%-34s %6d passed %4d failed %5d s\n' "$name" "$good" "$bad" $((SECONDS - start))
  grep '^skipped: ' "$log" || true
  if [[ $bad -ne 0 ]]; then tail -n 60 "$log" | sed 's/^/    /'; fi
}

# A step that others need: it counts only when it fails.
step() {
  local name=$1 log start=$SECONDS
  shift
  log=$logs/${name//[^a-zA-Z0-9_.-]/_}.log
  if "$@" >"$log" 2>&1 </dev/null; then
    printf '%-34s %26s %5d s\n' "$name" finished $((SECONDS - start))
    return 0
  fi
  printf '%-34s %26s %5d s\n' "$name" FAILED $((SECONDS - start))
  tail -n 60 "$log" | sed 's/^/    /'
  failed=$((failed + 1))
  return 1
}

configure_and_build() {
  local folder=$1
  shift
  local options=("$@")
  if [[ ! -f $folder/CMakeCache.txt ]] && command -v ninja >/dev/null; then
    options+=(-G Ninja)
  fi
  if [[ $all == yes ]]; then options+=(-DTHAW_WERROR=ON); fi
  cmake -S . -B "$folder" "${options[@]}" && cmake --build "$folder" --parallel "$(nproc)"
}

# The sanitizers' shadow memory and address randomisation get in each other's way.
without_randomisation() {
  if setarch "$(uname -m)" -R true 2>/dev/null; then
    setarch "$(uname -m)" -R "$@"
  else
    "$@"
  fi
}

unit_tests() {
  (cd "$1" && ctest --verbose --timeout 600 --parallel "$(nproc)") | sed -E 's/^[0-9]+: //'
}

end_to_end() {
  python3 tests/cli/run_cli.py --thaw "$1/bin/thaw" --make-checkpoint "$1/bin/make_checkpoint" \
    "${@:2}"
}
hostile() { python3 tests/hostile/run_hostile.py --thaw "$1/bin/thaw"; }

python_tests() {
  python3 tests/python/run_python.py --thaw "$1/bin/thaw" --make-checkpoint "$1/bin/make_checkpoint"
}

plain_build() {
  local name=$1 folder=build/$2 size=$3
  step "build: $name" configure_and_build "$folder" "${@:4}" || return 1
  suite "unit tests: $name" unit_tests "$folder"
  # shellcheck disable=SC2086  # no word where everything runs
  suite "command line: $name" end_to_end "$folder" $size
}

sanitized_build() {
  local name=$1 folder=build/$2 sanitizers=$3
  # With asserts, which the other builds are without.
  step "build: $name" configure_and_build "$folder" "-DTHAW_SANITIZE=$sanitizers" \
    -DCMAKE_BUILD_TYPE=RelWithDebInfo "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 -g1" "${@:4}" ||
    return 0
  suite "unit tests: $name" without_randomisation_in unit_tests "$folder"
  suite "command line: $name" without_randomisation_in end_to_end "$folder" --quick
  # Bad input ends before there is a second thread.
  if [[ $sanitizers != thread ]]; then
    suite "hostile input: $name" without_randomisation_in hostile "$folder"
  fi
}

# For functions: a child bash that was started without randomisation, and so are its children.
without_randomisation_in() {
  export -f unit_tests end_to_end hostile
  # shellcheck disable=SC2016  # the child expands it
  without_randomisation bash -c 'set -euo pipefail; "$@"' - "$@"
}

neon_build() {
  local folder=build/neon
  step "build: NEON" configure_and_build "$folder" -DTHAW_KERNELS_ONLY=ON \
    -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
    -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ \
    "-DCMAKE_CROSSCOMPILING_EMULATOR=$(command -v qemu-aarch64);-L;/usr/aarch64-linux-gnu" ||
    return 0
  suite "unit tests: NEON" unit_tests "$folder"
}

shell_check() {
  mapfile -t scripts < <(find tools bench tests .ci -type f \
    \( -name '*.sh' -o -name '*.sbatch' -o -path .ci/run \))
  shellcheck "${scripts[@]}"
  echo "${#scripts[@]} passed, 0 failed"
}

checks() {
  suite "layers" tools/check_layers
  suite "format" tools/check_format
  suite "shell scripts" shell_check
}

# In an environment of its own (tools/interop_environment.sh), one reader.
interop_suite() {
  local name=$1 environment=$2
  shift 2
  step "Python packages: $environment" tools/interop_environment.sh "$environment" || return 0
  suite "interop: $name" "build/interop/$environment/bin/python" "$@"
}

interop_tests() {
  local thaw=$1/bin/thaw
  if [[ $interop == always ]]; then
    interop_suite "transformers 4" transformers-4 tests/interop/run_interop.py --thaw "$thaw"
    interop_suite "transformers 5" transformers-5 tests/interop/run_interop.py --thaw "$thaw"
    interop_suite "MLX" mlx tests/interop/run_mlx.py --thaw "$thaw"
    step "llama.cpp's converter" tools/interop_environment.sh llama.cpp || return 0
    interop_suite "GGUF" transformers-5 tests/interop/run_gguf.py --thaw "$thaw" \
      --converter build/interop/llama.cpp
  elif python3 -c 'import torch, transformers, safetensors, PIL' 2>/dev/null; then
    suite "interop" python3 tests/interop/run_interop.py --thaw "$thaw"
  else
    echo "skipped: interop, because torch cannot be imported (--interop installs it)"
  fi
}

# Where --all is asked for, tools/install_packages.sh has installed Chromium.
html_tests() {
  if ! command -v chromium >/dev/null && [[ $all == no ]]; then
    echo "skipped: pages, because there is no chromium (--all installs it)"
    return 0
  fi
  suite "pages" python3 tests/html/run_html.py --thaw "$1/bin/thaw"
}

mkdir -p "$logs"
# Tests that need what only this run installs fail where it is not there, instead of being skipped.
if [[ $all == yes ]]; then export THAW_TEST_ALL=yes; fi
groups=(build test)
if [[ $all == yes || $neon == yes || $compiler == clang* || $sanitize == *thread* ]]; then
  groups+=(ci)
fi
tools/install_packages.sh "${groups[@]}"
# With a compiler's cache the next checkout, wherever it lies, compiles only what has changed.
if command -v ccache >/dev/null && [[ -z ${CMAKE_CXX_COMPILER_LAUNCHER:-} ]]; then
  export CMAKE_CXX_COMPILER_LAUNCHER=ccache
fi
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1

if [[ $neon == yes ]]; then
  neon_build
elif [[ -n $sanitize ]]; then
  name="${compiler:-g++} ${sanitize}"
  sanitized_build "$name" "test-${name//[^a-zA-Z0-9]/-}" "$sanitize" \
    "-DCMAKE_CXX_COMPILER=${compiler:-g++}"
elif [[ -n $compiler ]]; then
  plain_build "$compiler" "test-$compiler" "" "-DCMAKE_CXX_COMPILER=$compiler" || true
else
  checks
  if plain_build "g++" test-plain "" -DCMAKE_CXX_COMPILER=g++; then
    # What is wrong with an input does not depend on the compiler.
    suite "hostile input" hostile build/test-plain
    suite "symbols" tools/check_symbols build/test-plain
    suite "installed package" tests/package/run_package.sh build/test-plain
    suite "recipes" tests/recipes/run_recipes.py --thaw build/test-plain/bin/thaw
    suite "Python module" python_tests build/test-plain
    if [[ $all == yes ]]; then
      suite "wheel" tests/package/run_wheel.sh build/test-plain
      suite "Debian package" tests/package/run_deb.sh build/test-plain
    fi
    interop_tests build/test-plain
    html_tests build/test-plain
  fi
  if [[ $all == yes ]]; then
    # What large inputs show does not depend on the compiler.
    plain_build "clang++-14" test-clang --quick -DCMAKE_CXX_COMPILER=clang++-14 || true
    # Instrumented, the kernels take g++ five times as long.
    sanitized_build "address, undefined" test-asan address,undefined \
      -DCMAKE_CXX_COMPILER=clang++-14
    sanitized_build "thread" test-tsan thread -DCMAKE_CXX_COMPILER=clang++-14
    neon_build
  fi
fi

echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
