#!/usr/bin/env python3
"""Opens what thaw wrote with MLX and mlx_lm: run_mlx.py --thaw BIN

For each checkpoint in tests/data that has reference logits: every tensor as mlx.core.load reads it,
and the logits that mlx_lm's model gives. Ends with "N passed, N failed".
"""

import argparse
import importlib.metadata
import pathlib
import sys
import tempfile

import mlx.core as mx
import mlx_lm
import numpy
from safetensors.numpy import load_file

from fixtures import DATA, MODELS, check_expected, convert, entry, run_checks, shard_files, use_package

BITS = {mx.float16: ("F16", mx.uint16), mx.bfloat16: ("BF16", mx.uint16),
        mx.float32: ("F32", mx.uint32)}
TOLERANCE = 1e-4
# mlx_lm's starcoder2 uses the exact GELU where the config asks for its tanh form; transformers with
# hidden_act gelu differs from the stored logits by as much, 0.0027.
GELU_TOLERANCE = 5e-3


def check_tensors(name, out):
    found = {}
    for file in shard_files(out):
        for tensor_name, tensor in mx.load(str(file)).items():
            dtype, bits = BITS[tensor.dtype]
            found[tensor_name] = entry(dtype, tensor.shape,
                                       numpy.array(tensor.view(bits)).tobytes())
    check_expected(name, found)


def check_opened(name):
    """Without a file."""
    import thaw
    found = {}
    for tensor_name, tensor in thaw.load_file(DATA / name / "model", "mlx").items():
        dtype, bits = BITS[tensor.dtype]
        found[tensor_name] = entry(dtype, tensor.shape, numpy.array(tensor.view(bits)).tobytes())
    check_expected(name, found)


def check_logits(name, out):
    model, _ = mlx_lm.load(str(out))
    model.set_dtype(mx.float32)
    reference = load_file(DATA / name / "reference.safetensors")
    logits = numpy.array(model(mx.array(reference["input_ids"])))
    stored = reference["logits"]
    assert logits.shape == stored.shape
    difference = numpy.abs(logits - stored).max()
    print(f"  {name}: largest difference of a logit {difference:.3g}")
    assert difference <= (GELU_TOLERANCE if name.startswith("starcoder2") else TOLERANCE)
    assert (logits.argmax(-1) == stored.argmax(-1)).all()


def check_generates(name, out):
    """Loaded as it is, in its own type, it goes on with the most likely token of the logits."""
    model, tokenizer = mlx_lm.load(str(out))
    reference = load_file(DATA / name / "reference.safetensors")
    prompt = reference["input_ids"][0].tolist()
    first = next(mlx_lm.stream_generate(model, tokenizer, prompt, max_tokens=1))
    assert first.token == reference["logits"][0, -1].argmax()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--thaw", required=True)
    thaw = pathlib.Path(parser.parse_args().thaw).resolve()
    use_package(thaw)
    print(", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("mlx", "mlx-lm")))
    checks = []
    with tempfile.TemporaryDirectory() as folder:
        for name in MODELS:
            out = pathlib.Path(folder) / name
            sharded = pathlib.Path(folder) / f"{name}-sharded"
            checks += [(f"{name}: convert", convert, thaw, name, out),
                       (f"{name}: tensors", check_tensors, name, out),
                       (f"{name}: opened", check_opened, name),
                       (f"{name}: logits", check_logits, name, out),
                       (f"{name}: convert to small shards", convert, thaw, name, sharded,
                        "--max-shard-size", "200kB"),
                       (f"{name}: logits of small shards", check_logits, name, sharded)]
            if "moe" not in name:  # without a GPU, MLX multiplies experts in float32 only
                checks.append((f"{name}: next token", check_generates, name, out))
        return run_checks(checks)


if __name__ == "__main__":
    sys.exit(main())
