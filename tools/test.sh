#!/usr/bin/env bash
# Installs what the tests need, builds, runs them, and ends with "N passed, N failed".
#   tools/test.sh        whether thaw works on this machine: five minutes on two processors
#   tools/test.sh --ci   and whether a change may land: style, all tests of the command line, packages,
#                        sanitizers, NEON kernels; warnings are errors; fifteen minutes
#   tools/test.sh --all  and what takes long: every reader of what thaw writes, pages in a browser, all
#                        tests with every compiler, bare systems of four kinds
#   tools/test.sh --compiler clang++ | --sanitize address,undefined | --sanitize thread | --neon |
#                 --interop | --systems
#                        that part of --all alone
# Which suite is in which tier: specs/testing.md.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
logs=$root/build/test-logs

tier=user  # user, ci, all, or one of the parts below
compiler=
sanitize=
while [[ $# -gt 0 ]]; do
  case $1 in
    --ci | --all | --neon | --interop | --systems) tier=${1#--} ;;
    --compiler) tier=compiler compiler=${2:?--compiler needs a name} && shift ;;
    --sanitize)
      tier=sanitize sanitize=${2:?--sanitize needs a list}
      case $sanitize in
        thread | address,undefined) shift ;;
        *) echo "test.sh: --sanitize thread or address,undefined, not $sanitize" >&2 && exit 2 ;;
      esac
      ;;
    -h | --help) sed -n '2,13s/^# \{0,1\}//p' "$0" && exit 0 ;;
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

# The folder, the targets in one word ("" for all), and options for cmake.
configure_and_build() {
  local folder=$1 targets=$2
  shift 2
  local options=("$@")
  if [[ ! -f $folder/CMakeCache.txt ]] && command -v ninja >/dev/null; then
    options+=(-G Ninja)
  fi
  # A user's compiler may be newer than any that warnings were looked at with.
  if [[ $tier != user ]]; then options+=(-DTHAW_WERROR=ON); fi
  cmake -S . -B "$folder" "${options[@]}" || return 1
  # shellcheck disable=SC2086  # several targets
  cmake --build "$folder" --parallel "$(nproc)" ${targets:+--target $targets}
}

# The sanitizers' shadow memory and address randomisation get in each other's way.
without_randomisation() {
  if setarch "$(uname -m)" -R true 2>/dev/null; then
    setarch "$(uname -m)" -R "$@"
  else
    "$@"
  fi
}

# Of the build in a folder; further words are ctest's.
unit_tests() {
  (cd "$1" && ctest --verbose --timeout 600 --parallel "$(nproc)" "${@:2}") | sed -E 's/^[0-9]+: //'
}

end_to_end() {
  python3 tests/cli/run_cli.py --thaw "$1/bin/thaw" --make-checkpoint "$1/bin/make_checkpoint" \
    "${@:2}"
}
hostile() { python3 tests/hostile/run_hostile.py --thaw "$1/bin/thaw"; }

python_tests() {
  python3 tests/python/run_python.py --thaw "$1/bin/thaw" --make-checkpoint "$1/bin/make_checkpoint"
}

# With a compiler: its name, the folder, and options for cmake.
build_with() { step "build: $1" configure_and_build "$2" "" "-DCMAKE_CXX_COMPILER=$1" "${@:3}"; }

# With asserts, which the other builds are without, and with the standard headers that a user's build
# precompiles, which the others with their compiler's cache are without. clang's, because g++ takes five times as long for
# kernels with sanitizers.
sanitizer_options=(-DCMAKE_BUILD_TYPE=RelWithDebInfo "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 -g1")

sanitized_build() {
  local sanitizers=$1 folder=$2 targets=$3
  step "build: $sanitizers" configure_and_build "$folder" "$targets" \
    "-DCMAKE_CXX_COMPILER=${compiler:-$clang}" "-DTHAW_SANITIZE=$sanitizers" \
    -DTHAW_PRECOMPILE=INCLUDED "${sanitizer_options[@]}"
}

# Bad input and the kernels reach every check on memory and arithmetic.
address_suites() {
  local name="address, undefined" folder=build/test-asan
  sanitized_build address,undefined $folder "" || return 0
  suite "unit tests: $name" without_randomisation_in unit_tests $folder
  suite "hostile input: $name" without_randomisation_in hostile $folder
  if [[ $tier != ci ]]; then
    suite "command line: $name" without_randomisation_in end_to_end $folder --quick
  fi
}

# Without --all, where there is a second thread: the modules that have one, and conversions that
# use several.
thread_suites() {
  local folder=build/test-tsan
  if [[ $tier == ci ]]; then
    sanitized_build thread $folder \
      "io_test sink_test execute_test verify_test view_test convert_test job_test thaw_app make_checkpoint" || return 0
    suite "unit tests: thread" without_randomisation_in unit_tests $folder \
      -R '^(io|sink|execute|verify|view|convert|job)$'
    suite "command line: thread" without_randomisation_in end_to_end $folder --quick \
      test_same_bytes test_signals
  else
    sanitized_build thread $folder "" || return 0
    suite "unit tests: thread" without_randomisation_in unit_tests $folder
    suite "command line: thread" without_randomisation_in end_to_end $folder --quick
  fi
}

# What another optimizer may get wrong; the sanitizers' builds have all the rest of clang.
clang_suites() {
  local folder=build/test-clang
  if [[ $tier == ci ]]; then
    step "build: clang" configure_and_build $folder "kernels_test golden_test" \
      "-DCMAKE_CXX_COMPILER=$clang" || return 0
    suite "unit tests: clang" unit_tests $folder -R '^(kernels|golden|kernels_export_one_symbol)$'
  else
    build_with "$clang" $folder || return 0
    suite "unit tests: clang" unit_tests $folder
    suite "command line: clang" end_to_end $folder --quick
  fi
}

# For functions: a child bash that was started without randomisation, and so are its children.
without_randomisation_in() {
  export -f unit_tests end_to_end hostile
  # shellcheck disable=SC2016  # the child expands it
  without_randomisation bash -c 'set -euo pipefail; "$@"' - "$@"
}

neon_suites() {
  local folder=build/neon
  step "build: NEON" configure_and_build "$folder" "" -DTHAW_KERNELS_ONLY=ON \
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
  suite "specs" tools/check_specs
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

interop_suites() {
  local thaw=$1/bin/thaw
  interop_suite "transformers 4" transformers-4 tests/interop/run_interop.py --thaw "$thaw"
  interop_suite "transformers 5" transformers-5 tests/interop/run_interop.py --thaw "$thaw"
  interop_suite "MLX" mlx tests/interop/run_mlx.py --thaw "$thaw"
  step "llama.cpp's converter" tools/interop_environment.sh llama.cpp || return 0
  interop_suite "GGUF" transformers-5 tests/interop/run_gguf.py --thaw "$thaw" \
    --converter build/interop/llama.cpp
}

# The package is made on this system, so this should be the oldest of the four.
system_suites() {
  local suite_name
  if [[ $tier == systems ]]; then
    step "Debian package" tools/package/build.sh || return 0
  fi
  for suite_name in trixie bookworm noble resolute; do
    suite "bare system: $suite_name" tests/systems/run_system.sh $suite_name
  done
}

# What a user runs: the build of README's second command, and what may differ on this machine.
user_suites() {
  suite "unit tests" unit_tests $plain
  suite "command line" end_to_end $plain --machine
  suite "hostile input" hostile $plain
}

# Beside those; the command line's tests are all of them, instead of a part.
change_suites() {
  suite "unit tests" unit_tests $plain
  suite "command line" end_to_end $plain
  suite "hostile input" hostile $plain
  suite "symbols" tools/check_symbols $plain
  suite "installed package" tests/package/run_package.sh $plain
  suite "recipes" tests/recipes/run_recipes.py --thaw $plain/bin/thaw
  suite "Python module" python_tests $plain
  suite "wheel" tests/package/run_wheel.sh $plain
  suite "Debian package" tests/package/run_deb.sh
}

mkdir -p "$logs"
# Tests that need what only this run installs fail where it is not there, instead of being skipped.
if [[ $tier == all ]]; then export THAW_TEST_ALL=yes; fi
case $tier in
  user) groups=(build test) ;;
  all | systems) groups=(build test ci all) ;;
  *) groups=(build test ci) ;;
esac
tools/install_packages.sh "${groups[@]}"
clang=$(command -v clang++ || echo clang++)
# The packages' builds have the flags of the plain one, and so what it left in a compiler's cache.
if [[ $tier != user ]]; then export THAW_WERROR=ON; fi
plain=build/test-plain
# With a compiler's cache the next checkout, wherever it lies, compiles only what has changed.
if command -v ccache >/dev/null && [[ -z ${CMAKE_CXX_COMPILER_LAUNCHER:-} ]]; then
  export CMAKE_CXX_COMPILER_LAUNCHER=ccache
fi
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1

case $tier in
  user)
    if build_with g++ $plain; then user_suites; fi
    ;;
  ci | all)
    checks
    if build_with g++ $plain; then change_suites; fi
    clang_suites
    address_suites
    thread_suites
    neon_suites
    if [[ $tier == all ]]; then
      interop_suites $plain
      suite "pages" python3 tests/html/run_html.py --thaw $plain/bin/thaw
      system_suites
    fi
    ;;
  interop) if build_with g++ $plain; then interop_suites $plain; fi ;;
  systems) system_suites ;;
  neon) neon_suites ;;
  compiler)
    folder=build/test-$compiler
    if build_with "$compiler" "$folder"; then
      suite "unit tests: $compiler" unit_tests "$folder"
      suite "command line: $compiler" end_to_end "$folder"
    fi
    ;;
  sanitize) if [[ $sanitize == thread ]]; then thread_suites; else address_suites; fi ;;
esac

echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
