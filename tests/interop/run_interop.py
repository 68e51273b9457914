#!/usr/bin/env python3
"""Opens what thaw wrote with the libraries that people use: run_interop.py --thaw BIN

For each checkpoint in tests/data that has reference logits: converts it, reads every tensor with
safetensors' strict reader, loads it with transformers as a plain model (no quantization package is
installed), and compares the logits with the stored ones. Ends with "N passed, N failed".
"""

import argparse
import hashlib
import importlib.util
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import traceback

import safetensors
import torch
import transformers
from safetensors.torch import load_file

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
MODELS = ("qwen2-awq-gemm", "qwen2-awq-gemv", "qwen2-awq-gemv_fast", "qwen2-awq-marlin",
          "qwen3-ct-awq-asym", "qwen3moe-ct-w4a16-sym", "llama-ct-w8a16-channel",
          "llama-gptq-v1-desc_act", "llama-gptqmodel-awq", "llama-autoround-gptq",
          "llama-autoround-mixed", "starcoder2-awq-act_scales")
OVERLAY = "qwen2_5_vl-overlay"  # a base, its twin, and what the one with the other's blocks gives
QUANTIZATION_PACKAGES = ("awq", "autoawq", "gptqmodel", "auto_gptq", "compressed_tensors")
DTYPES = {torch.float16: "F16", torch.bfloat16: "BF16", torch.float32: "F32"}
# The stored logits come from the same weights and the same operations in float32; another
# processor or build of torch adds them up in another order.
TOLERANCE = 1e-4


def convert(thaw, name, out, *options):
    subprocess.run([thaw, "convert", DATA / name / "model", out, "--quiet", *options], check=True)


def shard_files(out):
    index = out / "model.safetensors.index.json"
    if not index.exists():
        return [out / "model.safetensors"]
    return [out / name for name in sorted(set(json.loads(index.read_text())["weight_map"]
                                              .values()))]


def overlay(thaw, out, *options):
    """The twin's blocks in a base at `out`, or in that base itself."""
    subprocess.run([thaw, "convert", DATA / OVERLAY / "awq", *out, "--quiet", *options], check=True)


def check_tensors(name, out, expected_file="expected.json"):
    """Every tensor, as safetensors reads it, has the expected type, shape and bits."""
    expected = json.loads((DATA / name / expected_file).read_text())
    found = {}
    for file in shard_files(out):
        with safetensors.safe_open(file, framework="pt") as shard:
            assert shard.metadata()["format"] == "pt"
            for tensor_name in shard.keys():
                tensor = shard.get_tensor(tensor_name)
                bits = tensor.view(torch.int32 if tensor.dtype == torch.float32 else torch.int16)
                found[tensor_name] = {
                    "dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape),
                    "sha256": hashlib.sha256(bits.numpy().tobytes()).hexdigest()}
    assert found == expected, f"{len(found)} tensors, not the expected ones"


def load(out, dtype, kind=transformers.AutoModelForCausalLM):
    model, info = kind.from_pretrained(
        out, torch_dtype=dtype, attn_implementation="eager", local_files_only=True,
        output_loading_info=True)
    for what, names in info.items():
        assert not names, f"{what}: {names}"
    assert getattr(model.config, "quantization_config", None) is None
    return model.eval()


def check_logits(name, out, kind=transformers.AutoModelForCausalLM, which="logits"):
    """transformers gives the stored logits from the float checkpoint."""
    reference = load_file(DATA / name / "reference.safetensors")
    with torch.no_grad():
        logits = load(out, torch.float32, kind)(input_ids=reference["input_ids"]).logits
    stored = reference[which]
    assert logits.shape == stored.shape
    difference = (logits - stored).abs().max().item()
    print(f"  {name}: largest difference of a logit {difference:.3g}")
    assert difference <= TOLERANCE, difference
    assert torch.equal(logits.argmax(-1), stored.argmax(-1))


def check_sharded(thaw, name, work):
    """Small shards with an index load alike."""
    convert(thaw, name, work / "sharded", "--max-shard-size", "200kB")
    assert len(shard_files(work / "sharded")) > 2
    check_tensors(name, work / "sharded")
    check_logits(name, work / "sharded")


def check_bfloat16(thaw, name, work):
    """The edited config makes transformers load the type that was asked for."""
    convert(thaw, name, work / "bfloat16", "--dtype", "bfloat16")
    model = load(work / "bfloat16", "auto")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}


def check_overlay(thaw, work):
    """The overlay loads as the base does and gives the stored logits; so does one in place."""
    kind = transformers.AutoModelForVision2Seq
    base = work / "float"
    shutil.copytree(DATA / OVERLAY / "base", base)
    check_logits(OVERLAY, base, kind, "logits_base")
    overlay(thaw, [work / "overlay"], "--base", base)
    check_tensors(OVERLAY, work / "overlay")
    check_logits(OVERLAY, work / "overlay", kind)
    overlay(thaw, [work / "twice"], "--base", base, "--rounding", "via-float16")
    check_tensors(OVERLAY, work / "twice", "expected_via_float16.json")
    overlay(thaw, [], "--base", base, "--in-place")
    check_tensors(OVERLAY, base)
    check_logits(OVERLAY, base, kind)


def load_tokenizer(folder):
    """As its config says; by its file alone where that names a class of a later transformers."""
    named = json.loads((folder / "tokenizer_config.json").read_text())["tokenizer_class"]
    if hasattr(transformers, named):
        return transformers.AutoTokenizer.from_pretrained(folder)
    return transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))


def check_tokenizer(name, out):
    before = load_tokenizer(DATA / name / "model")
    after = load_tokenizer(out)
    text = "Return the number of items in a container."
    assert before(text)["input_ids"] == after(text)["input_ids"]


def check_no_quantization_package():
    present = [name for name in QUANTIZATION_PACKAGES if importlib.util.find_spec(name)]
    assert not present, f"installed: {present}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--thaw", required=True)
    thaw = pathlib.Path(parser.parse_args().thaw).resolve()
    torch.manual_seed(0)
    passed = failed = 0

    def check(what, function, *arguments):
        nonlocal passed, failed
        try:
            function(*arguments)
            passed += 1
        except Exception:
            failed += 1
            print(f"FAILED: {what}")
            traceback.print_exc(file=sys.stdout)

    check("no quantization package", check_no_quantization_package)
    for name in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            work = pathlib.Path(folder)
            check(f"{name}: convert", convert, thaw, name, work / "out")
            check(f"{name}: tensors", check_tensors, name, work / "out")
            check(f"{name}: logits", check_logits, name, work / "out")
            check(f"{name}: tokenizer", check_tokenizer, name, work / "out")
            check(f"{name}: sharded", check_sharded, thaw, name, work)
            check(f"{name}: bfloat16", check_bfloat16, thaw, name, work)
    with tempfile.TemporaryDirectory() as folder:
        check(f"{OVERLAY}: overlay", check_overlay, thaw, pathlib.Path(folder))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
