"""The checkpoints of tests/data, what is expected of them, and how tests are counted.

Imports neither torch nor transformers: the environments of the other readers are without them.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import traceback

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
MODELS = ("qwen2-awq-gemm", "qwen2-awq-gemv", "qwen2-awq-gemv_fast", "qwen2-awq-marlin",
          "qwen3-ct-awq-asym", "qwen3moe-ct-w4a16-sym", "llama-ct-w8a16-channel",
          "llama-gptq-v1-desc_act", "llama-gptqmodel-awq", "llama-autoround-gptq",
          "llama-autoround-mixed", "starcoder2-awq-act_scales")
OVERLAY = "qwen2_5_vl-overlay"  # a base, and what it gives with the quantized blocks


def use_package(thaw):
    """Makes `import thaw` the package of this checkout, with that program and its library."""
    os.environ["THAW_BINARY"] = str(thaw)
    sys.path.insert(0, str(DATA.parents[1] / "tools" / "python"))


def convert(thaw, name, out, *options):
    subprocess.run([thaw, "convert", DATA / name / "model", out, "--quiet", *options], check=True)


def overlay(thaw, out, *options):
    """The quantized blocks in a base at `out`, or in that base itself."""
    subprocess.run([thaw, "convert", DATA / OVERLAY / "awq", *out, "--quiet", *options], check=True)


def shard_files(out):
    index = out / "model.safetensors.index.json"
    if not index.exists():
        return [out / "model.safetensors"]
    return [out / name for name in sorted(set(json.loads(index.read_text())["weight_map"]
                                              .values()))]


def entry(dtype, shape, data):
    """What expected.json says of a tensor: type, shape, and the sha256 of its bytes."""
    return {"dtype": dtype, "shape": list(shape), "sha256": hashlib.sha256(data).hexdigest()}


def check_expected(name, found, expected_file="expected.json"):
    expected = json.loads((DATA / name / expected_file).read_text())
    assert found == expected, f"{len(found)} tensors, not the expected ones"


def run_checks(checks):
    """Calls each (what, function, arguments...), says what failed, prints the counts."""
    passed = failed = 0
    for what, function, *arguments in checks:
        try:
            function(*arguments)
            passed += 1
        except Exception:
            failed += 1
            print(f"FAILED: {what}")
            traceback.print_exc(file=sys.stdout)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0
