#!/usr/bin/env bash
# A Python environment of its own for each reader of what thaw writes:
#   tools/interop_environment.sh NAME     makes build/interop/NAME
# as tests/interop/requirements/NAME.txt says. NAME is transformers-4, transformers-5, mlx, vllm, or
# llama.cpp: that is its converter's sources, no environment.
# What is there and up to date stays.
set -euo pipefail
cd "$(dirname "$0")/.."

name=${1:?usage: tools/interop_environment.sh NAME}
requirements=$PWD/tests/interop/requirements/$name.txt
folder=$PWD/build/interop/$name
[[ -f $requirements ]] || { echo "interop_environment: no $requirements" >&2 && exit 2; }
if cmp --silent "$requirements" "$folder/requirements.txt"; then exit 0; fi

pip() { "$@" --quiet --disable-pip-version-check --retries 5; }

make_environment() {
  local options=()
  if [[ $name == vllm ]]; then options=(--no-deps); fi
  python3 -m venv "$folder" &&
    pip "$folder/bin/python" -m pip install "${options[@]}" --requirement "$requirements"
}

take_converter() {
  local sources=(convert_hf_to_gguf.py 'conversion/*' 'gguf-py/*')
  mkdir -p "$folder" &&
    pip python3 -m pip download --no-deps --no-binary llama-cpp-python --dest "$folder" \
      --requirement "$requirements" &&
    tar --extract --gzip --file "$folder"/*.tar.gz --directory "$folder" --strip-components 3 \
      --wildcards "${sources[@]/#/*/vendor/llama.cpp/}" &&
    rm "$folder"/*.tar.gz
}

make_it() { if [[ $name == llama.cpp ]]; then take_converter; else make_environment; fi; }

# Registries fail now and then.
for try in 1 2 3; do
  rm -rf "$folder"
  if make_it; then
    cp "$requirements" "$folder/requirements.txt"
    exit 0
  fi
  sleep $((try * 10))
done
exit 1
