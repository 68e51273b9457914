#!/usr/bin/env python3
"""Opens what thaw wrote with the libraries that people use: run_interop.py --thaw BIN

For each checkpoint in tests/data that has reference logits: converts it, reads every tensor with
safetensors' strict reader, loads it with transformers as a plain model (no quantization package is
installed), and compares the logits with the stored ones. Ends with "N passed, N failed".
"""

import argparse
import importlib.util
import json
import pathlib
import shutil
import sys
import tempfile

import safetensors
import torch
import transformers
from safetensors.torch import load_file

from fixtures import (DATA, MODELS, OVERLAY, check_expected, convert, entry, overlay, run_checks,
                      shard_files, use_package)
from picture import check_picture_generated, check_picture_processed

QUANTIZATION_PACKAGES = ("awq", "autoawq", "gptqmodel", "auto_gptq", "compressed_tensors")
MODEL_WITH_PICTURES = transformers.AutoModelForImageTextToText
DTYPE_ARGUMENT = "torch_dtype" if transformers.__version__.startswith("4.") else "dtype"
DTYPES = {torch.float16: "F16", torch.bfloat16: "BF16", torch.float32: "F32"}
# The stored logits come from the same weights and the same operations in float32; another
# processor or build of torch adds them up in another order.
TOLERANCE = 1e-4


def check_tensors(name, out, expected_file="expected.json"):
    """Every tensor, as safetensors reads it, has the expected type, shape and bits."""
    found = {}
    for file in shard_files(out):
        with safetensors.safe_open(file, framework="pt") as shard:
            assert shard.metadata()["format"] == "pt"
            found.update(found_in({key: shard.get_tensor(key) for key in shard.keys()}))
    check_expected(name, found, expected_file)


def load(out, dtype, kind=transformers.AutoModelForCausalLM):
    model, info = kind.from_pretrained(
        out, **{DTYPE_ARGUMENT: dtype}, attn_implementation="eager", local_files_only=True,
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


def found_in(tensors):
    """What expected.json says of tensors."""
    found = {}
    for name, tensor in tensors.items():
        bits = tensor.view(torch.int32 if tensor.dtype == torch.float32 else torch.int16)
        found[name] = entry(DTYPES[tensor.dtype], tensor.shape, bits.numpy().tobytes())
    return found


def check_opened(name):
    """Without a file: every tensor, and transformers' model with the stored logits."""
    import thaw
    check_expected(name, found_in(thaw.state_dict(DATA / name / "model")))
    model = thaw.from_pretrained(transformers.AutoModelForCausalLM, DATA / name / "model",
                                 torch_dtype=torch.float32, attn_implementation="eager").eval()
    assert getattr(model.config, "quantization_config", None) is None
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    reference = load_file(DATA / name / "reference.safetensors")
    with torch.no_grad():
        logits = model(input_ids=reference["input_ids"]).logits
    difference = (logits - reference["logits"]).abs().max().item()
    print(f"  {name}: opened, largest difference of a logit {difference:.3g}")
    assert difference <= TOLERANCE, difference


def check_overlay(thaw, work):
    """The overlay loads as the base does and gives the stored logits; so does one in place."""
    base = work / "float"
    shutil.copytree(DATA / OVERLAY / "base", base)
    check_logits(OVERLAY, base, MODEL_WITH_PICTURES, "logits_base")
    overlay(thaw, [work / "overlay"], "--base", base)
    check_tensors(OVERLAY, work / "overlay")
    check_logits(OVERLAY, work / "overlay", MODEL_WITH_PICTURES)
    overlay(thaw, [work / "twice"], "--base", base, "--rounding", "via-float16")
    check_tensors(OVERLAY, work / "twice", "expected_via_float16.json")
    overlay(thaw, [], "--base", base, "--in-place")
    check_tensors(OVERLAY, base)
    check_logits(OVERLAY, base, MODEL_WITH_PICTURES)


def check_picture(thaw, work):
    """A picture and a question: the same logits and the same text."""
    out = work / "picture"
    overlay(thaw, [out], "--base", DATA / OVERLAY / "base")
    model = load(out, torch.float32, MODEL_WITH_PICTURES)
    difference = check_picture_generated(model)
    if transformers.__version__.startswith("4."):  # the later ones want torchvision
        difference = max(difference, check_picture_processed(model, out))
    print(f"  {OVERLAY}: with a picture, largest difference of a logit {difference:.3g}")


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


def versions():
    packages = (transformers, torch, safetensors)
    return ", ".join(f"{package.__name__} {package.__version__}" for package in packages)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--thaw", required=True)
    thaw = pathlib.Path(parser.parse_args().thaw).resolve()
    use_package(thaw)
    torch.manual_seed(0)
    print(versions())
    checks = [("no quantization package", check_no_quantization_package)]
    with tempfile.TemporaryDirectory() as folder:
        for name in MODELS:
            work = pathlib.Path(folder) / name
            out = work / "out"
            work.mkdir()
            checks += [(f"{name}: convert", convert, thaw, name, out),
                       (f"{name}: tensors", check_tensors, name, out),
                       (f"{name}: logits", check_logits, name, out),
                       (f"{name}: tokenizer", check_tokenizer, name, out),
                       (f"{name}: opened", check_opened, name),
                       (f"{name}: sharded", check_sharded, thaw, name, work),
                       (f"{name}: bfloat16", check_bfloat16, thaw, name, work)]
        work = pathlib.Path(folder)
        checks += [(f"{OVERLAY}: overlay", check_overlay, thaw, work),
                   (f"{OVERLAY}: picture", check_picture, thaw, work)]
        return run_checks(checks)


if __name__ == "__main__":
    sys.exit(main())
