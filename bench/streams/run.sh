#!/usr/bin/env bash
# Conversions into streams beside the plain tools, in turns, so that both see the same weather:
#   bench/streams/run.sh --thaw BIN --model MODEL [--rounds N] [--levels "1 3"] [--folder DIR]
# tar into a pipe beside a loop that fills and writes 128 KiB, of as many bytes into the same reader,
# cat, once with the 64 KiB that a pipe has and once with 1 MiB; tar.zst beside zstd with as many threads on
# the finished tar. The input is in the page cache. Needs GNU time and python3; prints a markdown
# table: GB are 10^9 bytes of tar, CPU seconds are of all processes of a pipeline.
set -euo pipefail

usage() {
  sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
  exit 2
}
thaw=
model=
rounds=5
levels="1 3"
folder=.
while [[ $# -gt 0 ]]; do
  case $1 in
    --thaw) thaw=${2:?} && shift ;;
    --model) model=${2:?} && shift ;;
    --rounds) rounds=${2:?} && shift ;;
    --levels) levels=${2:?} && shift ;;
    --folder) folder=${2:?} && shift ;;
    *) usage ;;
  esac
  shift
done
[[ -n $thaw && -n $model ]] || usage

work=$(mktemp -d "$folder/streams-XXXXXX")
trap 'rm -rf "$work"' EXIT
threads=$(nproc)

# thaw drops what it has read from the page cache.
warm() { find -L "$model" -type f -exec cat {} + >/dev/null; }

# Runs a pipeline given as text and prints its seconds and its CPU seconds.
timed() {
  /usr/bin/time -f '%e %U %S' -o "$work/time" bash -c "set -o pipefail; $1" >&2
  awk 'END {print $1, $2 + $3}' "$work/time"
}

write_loop() {
  cat <<PYTHON
import fcntl, os
if $2: fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, $2)
source = os.urandom(8 << 20)
parts = [source[i:i + 131072] for i in range(0, 8 << 20, 131072)]
block = bytearray(131072)
for i in range($1 // 131072):
    block[:] = parts[i % 64]
    os.write(1, block)
PYTHON
}

"$thaw" convert "$model" "$work/model.tar" --quiet
bytes=$(stat -c %s "$work/model.tar")
write_loop "$bytes" 0 >"$work/loop-64k.py"
write_loop "$bytes" 1048576 >"$work/loop-1m.py"

echo "$threads x $(awk -F': ' '/model name/ {print $2; exit}' /proc/cpuinfo), kernel $(uname -r);" \
  "$("$thaw" --version | paste -sd ' '); $(zstd --version | head -n 1 | tr -d '*')"
echo
awk -v b="$bytes" 'BEGIN {printf "%.2f GB of tar, input in the page cache\n\n", b / 1e9}'
echo "| what | load before | thaw GB/s | reference GB/s | ratio | thaw CPU s | reference CPU s |"
echo "|---|---|---|---|---|---|---|"

# One pair: name, what thaw does, the reference.
pair() {
  local load ours theirs cpu their_cpu
  load=$(cut -d ' ' -f 1 /proc/loadavg)
  warm
  read -r ours cpu < <(timed "$2")
  read -r theirs their_cpu < <(timed "$3")
  awk -v w="$1" -v l="$load" -v b="$bytes" -v o="$ours" -v t="$theirs" -v c="$cpu" \
    -v d="$their_cpu" 'BEGIN {
    printf "| %s | %s | %.2f | %.2f | %.2f | %.2f | %.2f |\n", w, l, b / o / 1e9, b / t / 1e9,
      t / o, c, d}' |
    tee -a "$work/table"
}

cat "$work/model.tar" >/dev/null
for ((round = 1; round <= rounds; round++)); do
  for size in 64k 1m; do
    pair "tar to a pipe, loop of write with $size" \
      "'$thaw' convert '$model' - --to tar -q | cat >/dev/null" \
      "python3 '$work/loop-$size.py' | cat >/dev/null"
  done
  for level in $levels; do
    pair "tar.zst level $level, zstd -T$threads" \
      "'$thaw' convert '$model' - --to tar.zst --level $level -q >/dev/null" \
      "zstd -q -T$threads -$level -c '$work/model.tar' >/dev/null"
  done
done

echo
echo "| median [smallest-largest] | thaw GB/s | reference GB/s | ratio | thaw CPU s | reference CPU s |"
echo "|---|---|---|---|---|---|"
cut -d '|' -f 2 "$work/table" | sort -u | while read -r what; do
  printf '| %s' "$what"
  for column in 4 5 6 7 8; do
    awk -F'|' -v w="$what" -v c="$column" '{gsub(/^ +| +$/, "", $2)} $2 == w {print $c + 0}' \
      "$work/table" | sort -n | awk '{v[NR] = $1} END {
        m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
        printf " | %.2f [%.2f-%.2f]", m, v[1], v[NR]}'
  done
  echo " |"
done
