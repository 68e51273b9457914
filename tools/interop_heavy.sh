#!/usr/bin/env bash
# Opens what thaw writes with vLLM on a CPU, which CI does not: its environment has 3.5 GB.
#   tools/interop_heavy.sh [THAW]     build/release/bin/thaw, if no other is named
# Ends with "N passed, N failed". Where pip would take a torch for GPUs, set
# PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu. Figures: specs/interop.md.
set -euo pipefail
cd "$(dirname "$0")/.."

thaw=${1:-build/release/bin/thaw}
tools/interop_environment.sh vllm
exec build/interop/vllm/bin/python tests/interop/run_vllm.py --thaw "$thaw"
