#!/usr/bin/env bash
# Builds the fuzzers with clang and runs them one after another over their corpora:
#   tools/fuzz.sh SECONDS [TARGET...]
# SECONDS is for each target; without one, all. What is found lies in build/fuzz/found/TARGET; new
# inputs, which need not be kept, in build/fuzz/new/TARGET. Ends with a line a target: executions
# and processor time.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ $# -lt 1 || ! $1 =~ ^[0-9]+$ ]]; then
  sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
seconds=$1
shift
targets=("$@")
if [[ $# -eq 0 ]]; then
  targets=(header index json edit config pattern spec checkpoint job kernels)
fi

folder=build/fuzz
clang=$(command -v clang++ || command -v clang++-14) || { echo "fuzz.sh: no clang++" >&2 && exit 2; }
cmake -S . -B "$folder" "-DCMAKE_CXX_COMPILER=$clang" -DTHAW_BUILD_FUZZ=ON \
  -DTHAW_SANITIZE=address,undefined,fuzzer-no-link -DCMAKE_BUILD_TYPE=RelWithDebInfo \
  "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 -g1" >/dev/null
cmake --build "$folder" --parallel "$(nproc)" --target "${targets[@]/%/_fuzzer}"

# Files that a target writes anew for each input belong in memory.
if [[ -w /dev/shm ]]; then export TMPDIR=/dev/shm; fi
# Processor time of the children that have ended, in ticks.
children_ticks() { sed 's/^.*) //' "/proc/$$/stat" | awk '{ print $14 + $15 }'; }

failed=0
for target in "${targets[@]}"; do
  mkdir -p "$folder/new/$target" "$folder/found/$target"
  log=$folder/$target.log
  start=$(children_ticks)
  status=0
  nice -n 19 setarch "$(uname -m)" -R "$folder/bin/${target}_fuzzer" \
    "-max_total_time=$seconds" -rss_limit_mb=1024 -timeout=20 -print_final_stats=1 \
    "-artifact_prefix=$folder/found/$target/" "$folder/new/$target" "tests/fuzz/corpus/$target" \
    >"$log" 2>&1 || status=$?
  end=$(children_ticks)
  used=$(((end - start) / $(getconf CLK_TCK)))
  runs=$(awk '/number_of_executed_units/ { print $2 }' "$log")
  echo "$target: ${runs:-?} executions, $used s of processor time, exit code $status"
  if [[ $status -ne 0 ]]; then failed=1; fi
done
exit $failed
