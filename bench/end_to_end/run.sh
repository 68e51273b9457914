#!/usr/bin/env bash
# Converts a checkpoint beside programs that only write or only read and write, in turns, so that all see
# the same weather:
#   bench/end_to_end/run.sh --thaw BIN --raw-mix BIN --model MODEL [--rounds N] [--folder DIR] [-- OPTIONS]
# A round is: thaw; dd oflag=direct bs=4M of as many bytes; raw_mix, which reads the input and writes as
# many bytes with thaw's calls; thaw through the buffered window; thaw with one thread; thaw with its
# input in the page cache. All but the last have cold input: the page cache is emptied before every run
# (needs root, and GNU time). OPTIONS go to every thaw convert. Prints markdown tables: GB are 10^9 bytes
# of output.
set -euo pipefail

usage() {
  sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
  exit 2
}
thaw=
raw_mix=
model=
rounds=5
folder=.
options=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --thaw) thaw=${2:?} && shift ;;
    --raw-mix) raw_mix=${2:?} && shift ;;
    --model) model=${2:?} && shift ;;
    --rounds) rounds=${2:?} && shift ;;
    --folder) folder=${2:?} && shift ;;
    --) shift && options=("$@") && break ;;
    *) usage ;;
  esac
  shift
done
[[ -n $thaw && -n $raw_mix && -n $model ]] || usage

work=$(mktemp -d "$folder/end-to-end-XXXXXX")
trap 'rm -rf "$work"' EXIT

cold() {
  sync
  echo 3 >/proc/sys/vm/drop_caches
}

# Runs a command and prints "seconds, CPU seconds, peak resident MB"; takes its output away.
timed() {
  /usr/bin/time -f '%e %U %S %M' -o "$work/time" "$@" >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    return 1
  }
  rm -rf "$work/out"
  awk 'END {printf "%s %.2f %.0f\n", $1, $2 + $3, $4 * 1.024 / 1000}' "$work/time"
}

convert() { timed "$thaw" convert "$model" "$work/out" --quiet "${options[@]}" "$@"; }

bytes_in=$(find -L "$model" -name '*.safetensors' -printf '%s\n' | awk '{n += $1} END {printf "%.0f\n", n}')
plan=$("$thaw" convert "$model" "$work/out" --dry-run --json "${options[@]}")
value_of() { awk -F'[:,]' -v key="\"$1\"" '$0 ~ key {printf "%.0f\n", $2; exit}' <<<"$plan"; }
bytes_out=$(value_of bytes_out)
tile=$(value_of tile_bytes)
blocks=$((bytes_out / (4 << 20)))

# One run of one kind: a line of the table of all runs.
run() {
  local load figures
  load=$(cut -d ' ' -f 1 /proc/loadavg)
  cold
  case $1 in
    thaw) figures=$(convert) ;;
    dd) figures=$(timed dd if=/dev/zero of="$work/out" oflag=direct bs=4M count="$blocks") ;;
    mix) figures=$(timed "$raw_mix" "$model" "$work/out" "$bytes_out" "$tile") ;;
    buffered) figures=$(convert --output-io buffered) ;;
    one) figures=$(convert --threads 1) ;;
    cached)
      find -L "$model" -type f -exec cat {} + >/dev/null
      figures=$(convert)
      ;;
  esac
  awk -v n="$round" -v w="$1" -v l="$load" -v b="$bytes_out" '{
    printf "| %d | %s | %s | %.2f | %.3f | %s |\n", n, l, w, b / $1 / 1e9, $2 / b * 1e9, $3}' \
    <<<"$figures" | tee -a "$work/table"
}

echo "$(nproc) x $(awk -F': ' '/model name/ {print $2; exit}' /proc/cpuinfo), kernel $(uname -r)," \
  "$(df --output=fstype "$work" | tail -n 1); $("$thaw" --version | paste -sd ' ')"
echo
awk -v i="$bytes_in" -v o="$bytes_out" 'BEGIN {printf "%.2f GB in, %.2f GB out\n\n", i / 1e9, o / 1e9}'
echo "| round | load before | what | GB/s | CPU s a GB | peak MB |"
echo "|---|---|---|---|---|---|"
for ((round = 1; round <= rounds; round++)); do
  for what in thaw dd mix buffered one cached; do run "$what"; done
done

# The median of the numbers on standard input, and the smallest and largest.
spread() {
  sort -n | awk '{v[NR] = $1} END {
    m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
    printf " %.2f [%.2f-%.2f] |", m, v[1], v[NR]}'
}
column() { awk -F'|' -v w=" $1 " -v c="$2" '$4 == w {print $c + 0}' "$work/table"; }

echo
echo "| median [smallest-largest] | GB/s | CPU s a GB | peak MB |"
echo "|---|---|---|---|"
for what in thaw dd mix buffered one cached; do
  printf '| %s |' "$what"
  for c in 5 6 7; do column "$what" "$c" | spread; done
  echo
done

echo
echo "| ratio within a round | median [smallest-largest] |"
echo "|---|---|"
while read -r ours theirs; do
  printf '| %s / %s |' "$ours" "$theirs"
  paste <(column "$ours" 5) <(column "$theirs" 5) | awk '{print $1 / $2}' | spread
  echo
done <<<'thaw dd
thaw mix
buffered thaw
thaw one
cached dd'
