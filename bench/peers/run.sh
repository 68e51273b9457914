#!/usr/bin/env bash
# Converts one AutoAWQ GEMM checkpoint with thaw and with the Python packages that can, in turns:
#   bench/peers/run.sh --thaw BIN --make-checkpoint BIN [--rounds N] [--folder DIR] [--venv DIR]
# The checkpoint has the shapes of four layers of llama-3-8b (0.46 GB in, 1.75 GB out, float16). The page
# cache is emptied before every run (needs root and GNU time). The packages are installed into an environment of
# its own, with torch for processors. Prints a markdown table; "wrong" counts the weights that are not
# (code - zero) * scale rounded once, as bench/peers/judge.py computes them with numpy.
set -euo pipefail

usage() {
  sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
  exit 2
}
thaw=
make_checkpoint=
rounds=3
folder=.
venv=
while [[ $# -gt 0 ]]; do
  case $1 in
    --thaw) thaw=${2:?} && shift ;;
    --make-checkpoint) make_checkpoint=${2:?} && shift ;;
    --rounds) rounds=${2:?} && shift ;;
    --folder) folder=${2:?} && shift ;;
    --venv) venv=${2:?} && shift ;;
    *) usage ;;
  esac
  shift
done
[[ -n $thaw && -n $make_checkpoint ]] || usage

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "$folder/peers-XXXXXX")
trap 'rm -rf "$work"' EXIT
venv=${venv:-$work/venv}

# GPTQModel and AutoAWQ ask for packages that only their GPU code uses: without their dependencies.
install() {
  python3 -m venv "$venv"
  local pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check)
  "${pip[@]}" torch==2.13.0 safetensors==0.8.0 numpy==2.4.6 setuptools wheel
  "${pip[@]}" compressed-tensors==0.20.0 accelerate
  "${pip[@]}" --no-deps pypcre tokenicer logbar device-smi defuser threadpoolctl dill
  "${pip[@]}" --no-deps --no-build-isolation autoawq==0.2.9
  BUILD_CUDA_EXT=0 "${pip[@]}" --no-deps --no-build-isolation gptqmodel==7.7.0
}
[[ -x $venv/bin/python ]] || install

"$make_checkpoint" --shape llama-3-8b --layers 4 --vocabulary 256 "$work/model"

convert() {
  case $1 in
    thaw) "$thaw" convert "$work/model" "$work/out" --quiet ;;
    *) "$venv/bin/python" "$here/convert.py" "$1" "$work/model" "$work/out" ;;
  esac
}
export -f convert
export thaw work venv here

echo "$(nproc) x $(awk -F': ' '/model name/ {print $2; exit}' /proc/cpuinfo), kernel $(uname -r);" \
  "$("$thaw" --version | paste -sd ' ')"
echo
echo "| round | load before | what | seconds | CPU seconds | peak resident MB | wrong |"
echo "|---|---|---|---|---|---|---|"
for ((round = 1; round <= rounds; round++)); do
  for what in thaw autoawq gptqmodel compressed-tensors; do
    load=$(cut -d ' ' -f 1 /proc/loadavg)
    sync
    echo 3 >/proc/sys/vm/drop_caches
    /usr/bin/time -f '%e %U %S %M' -o "$work/time" bash -c "convert $what" >"$work/log" 2>&1 || {
      cat "$work/log" >&2
      exit 1
    }
    wrong=$("$venv/bin/python" "$here/judge.py" "$work/model" "$work/out")
    rm -rf "$work/out"
    awk -v n="$round" -v l="$load" -v w="$what" -v x="$wrong" 'END {
      printf "| %d | %s | %s | %.2f | %.2f | %.0f | %s |\n", n, l, w, $1, $2 + $3, $4 * 1.024 / 1000, x}' \
      "$work/time" | tee -a "$work/table"
  done
done

echo
echo "| median [smallest-largest] | seconds | CPU seconds | peak resident MB |"
echo "|---|---|---|---|"
for what in thaw autoawq gptqmodel compressed-tensors; do
  printf '| %s' "$what"
  for column in 5 6 7; do
    awk -F'|' -v w=" $what " -v c="$column" '$4 == w {print $c + 0}' "$work/table" | sort -n |
      awk '{v[NR] = $1} END {
        m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
        printf " | %.2f [%.2f-%.2f]", m, v[1], v[NR]}'
  done
  echo " |"
done
