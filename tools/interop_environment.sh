#!/usr/bin/env bash
# A Python environment with what the interop tests import: tools/interop_environment.sh FOLDER
set -euo pipefail

folder=${1:?usage: tools/interop_environment.sh FOLDER}
if "$folder/bin/python" -c 'import torch, transformers, safetensors, numpy' 2>/dev/null; then
  exit 0
fi
rm -rf "$folder"
python3 -m venv "$folder"
for try in 1 2 3; do
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --retries 5 \
    torch==2.13.0 transformers==4.51.3 safetensors==0.8.0 numpy==2.4.6 && exit 0
  sleep $((try * 10))
done
exit 1
