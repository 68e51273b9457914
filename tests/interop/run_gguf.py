#!/usr/bin/env python3
"""Feeds llama.cpp's converter with what thaw wrote: run_gguf.py --thaw BIN --converter FOLDER

FOLDER holds convert_hf_to_gguf.py. The GGUF files are read back with the gguf package, and every
tensor of them is compared with the checkpoint's, whose bits are the expected ones: matrices bit for
bit, vectors (which the converter widens) as float32. Ends with "N passed, N failed".
"""

import argparse
import importlib.metadata
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import gguf
import numpy
import safetensors
import torch

from fixtures import MODELS, check_expected, convert, entry, run_checks, shard_files

ARCHITECTURES = {"qwen2": gguf.MODEL_ARCH.QWEN2, "qwen3": gguf.MODEL_ARCH.QWEN3,
                 "qwen3_moe": gguf.MODEL_ARCH.QWEN3MOE, "llama": gguf.MODEL_ARCH.LLAMA,
                 "starcoder2": gguf.MODEL_ARCH.STARCODER2}
DTYPES = {torch.float16: "F16", torch.bfloat16: "BF16", torch.float32: "F32"}
MATRICES = {torch.float16: gguf.GGMLQuantizationType.F16,
            torch.bfloat16: gguf.GGMLQuantizationType.BF16}


def float_tensors(name, out):
    tensors = {}
    for file in shard_files(out):
        with safetensors.safe_open(file, framework="pt") as shard:
            tensors.update((key, shard.get_tensor(key)) for key in shard.keys())
    check_expected(name, {key: entry(DTYPES[tensor.dtype], tensor.shape,
                                     tensor.view(torch.int16).numpy().tobytes())
                          for key, tensor in tensors.items()})
    return tensors


def with_joined_experts(tensors):
    """The experts of a layer as one tensor, as GGUF has them."""
    joined = {}
    experts = {}
    for key, tensor in tensors.items():
        match = re.fullmatch(r"(.*\.experts)\.(\d+)\.(.*)", key)
        if match:
            experts.setdefault(f"{match[1]}.{match[3]}", {})[int(match[2])] = tensor
        else:
            joined[key] = tensor
    for key, parts in experts.items():
        joined[key] = torch.stack([parts[number] for number in sorted(parts)])
    return joined


def in_rope_order(tensor, heads):
    """llama.cpp keeps the two halves of a llama head's rows interleaved."""
    rows = tensor.reshape(heads, 2, tensor.shape[0] // heads // 2, *tensor.shape[1:])
    return rows.swapaxes(1, 2).reshape(tensor.shape)


def expected_tensors(name, out):
    """What the GGUF file must hold, by its own names."""
    config = json.loads((out / "config.json").read_text())
    names = gguf.get_tensor_name_map(ARCHITECTURES[config["model_type"]],
                                     config["num_hidden_layers"])
    expected = {}
    for key, tensor in with_joined_experts(float_tensors(name, out)).items():
        if config["model_type"] == "llama" and re.search(r"\.[qk]_proj\.", key):
            heads = config["num_attention_heads" if ".q_proj." in key else "num_key_value_heads"]
            tensor = in_rope_order(tensor, heads)
        expected[names.get_name(key, try_suffixes=(".weight", ".bias"))] = tensor
    return expected


def check_gguf(name, out, file):
    found = {tensor.name: tensor for tensor in gguf.GGUFReader(file).tensors}
    expected = expected_tensors(name, out)
    assert found.keys() == expected.keys(), found.keys() ^ expected.keys()
    for key, want in expected.items():
        got = found[key]
        assert got.shape.tolist() == list(want.shape)[::-1], key
        if got.tensor_type == gguf.GGMLQuantizationType.F32:
            want = want.float().view(torch.int32)
        else:
            assert got.tensor_type == MATRICES[want.dtype], key
            want = want.view(torch.int16)
        bits = want.contiguous().numpy().tobytes()
        assert numpy.ascontiguousarray(got.data).tobytes() == bits, key
    matrices = sum(tensor.tensor_type in MATRICES.values() for tensor in found.values())
    print(f"  {name}: {matrices} tensors bit for bit, {len(found) - matrices} as float32")
    assert matrices >= 10


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--thaw", required=True)
    parser.add_argument("--converter", required=True)
    arguments = parser.parse_args()
    thaw = pathlib.Path(arguments.thaw).resolve()
    print(", ".join(f"{name} {importlib.metadata.version(name)}"
                    for name in ("gguf", "transformers", "torch")))
    with tempfile.TemporaryDirectory() as folder:
        command = []
        checks = []
        for name in MODELS:
            out = pathlib.Path(folder) / name
            file = pathlib.Path(folder) / f"{name}.gguf"
            convert(thaw, name, out)
            dtype = json.loads((out / "config.json").read_text())
            half = "float16" in (dtype.get("torch_dtype"), dtype.get("dtype"))
            command += ["f16" if half else "bf16", out, file]
            checks.append((f"{name}: GGUF", check_gguf, name, out, file))
        writer = pathlib.Path(__file__).with_name("write_gguf.py")
        subprocess.run([sys.executable, writer, arguments.converter, *command], check=True,
                       stderr=subprocess.DEVNULL)
        return run_checks(checks)


if __name__ == "__main__":
    sys.exit(main())
