#!/usr/bin/env bash
# Converts a checkpoint beside dd writing as many bytes to the same disk, in turns, so that both see
# the same weather:
#   bench/end_to_end/run.sh --thaw BIN --model MODEL [--rounds N] [--folder DIR] [-- OPTIONS]
# OPTIONS go to thaw convert, for instance --output-io buffered. The input is cold: the page cache is
# emptied before every run (needs root, and GNU time). Prints a markdown table: GB are 10^9 bytes of output.
set -euo pipefail

usage() {
  sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
  exit 2
}
thaw=
model=
rounds=5
folder=.
options=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --thaw) thaw=${2:?} && shift ;;
    --model) model=${2:?} && shift ;;
    --rounds) rounds=${2:?} && shift ;;
    --folder) folder=${2:?} && shift ;;
    --) shift && options=("$@") && break ;;
    *) usage ;;
  esac
  shift
done
[[ -n $thaw && -n $model ]] || usage

work=$(mktemp -d "$folder/end-to-end-XXXXXX")
trap 'rm -rf "$work"' EXIT

cold() {
  sync
  echo 3 >/proc/sys/vm/drop_caches
}

# Runs a command and prints "seconds, CPU seconds, peak resident MB".
timed() {
  /usr/bin/time -f '%e %U %S %M' -o "$work/time" "$@" >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    return 1
  }
  awk 'END {printf "%s %.2f %.0f\n", $1, $2 + $3, $4 * 1.024 / 1000}' "$work/time"
}

bytes_in=$(find -L "$model" -name '*.safetensors' -printf '%s\n' | awk '{n += $1} END {printf "%.0f\n", n}')
bytes_out=$("$thaw" convert "$model" --dry-run --json "${options[@]}" |
  awk -F'[:,]' '/"bytes_out"/ {printf "%.0f\n", $2; exit}')
blocks=$((bytes_out / (4 << 20)))

echo "$(nproc) x $(awk -F': ' '/model name/ {print $2; exit}' /proc/cpuinfo), kernel $(uname -r)," \
  "$(df --output=fstype "$work" | tail -n 1); $("$thaw" --version | paste -sd ' ')"
echo
awk -v i="$bytes_in" -v o="$bytes_out" 'BEGIN {
  printf "%.2f GB cold in, %.2f GB out; dd if=/dev/zero oflag=direct bs=4M\n\n", i / 1e9, o / 1e9}'
echo "| round | thaw GB/s | dd GB/s | ratio | thaw CPU s | thaw peak MB |"
echo "|---|---|---|---|---|---|"
for ((round = 1; round <= rounds; round++)); do
  cold
  read -r seconds cpu peak < <(timed "$thaw" convert "$model" "$work/out" --quiet "${options[@]}")
  rm -rf "$work/out"
  cold
  read -r dd_seconds _ _ < <(timed dd if=/dev/zero of="$work/zeros" oflag=direct bs=4M \
    count="$blocks")
  rm -f "$work/zeros"
  awk -v n="$round" -v b="$bytes_out" -v s="$seconds" -v d="$dd_seconds" -v c="$cpu" -v p="$peak" \
    'BEGIN {printf "| %d | %.2f | %.2f | %.2f | %s | %s |\n", n, b / s / 1e9, b / d / 1e9, d / s, c, p}' |
    tee -a "$work/table"
done

# The median of a column of the table, and its smallest and largest value.
spread() {
  awk -F'|' -v column="$1" '{print $column + 0}' "$work/table" | sort -n |
    awk '{v[NR] = $1} END {
      m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
      printf "%.2f [%.2f-%.2f]", m, v[1], v[NR]}'
}
echo "| median | $(spread 3) | $(spread 4) | $(spread 5) | $(spread 6) | $(spread 7) |"
