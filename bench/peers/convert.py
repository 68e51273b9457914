"""One peer's conversion of an AutoAWQ GEMM checkpoint: convert.py PEER MODEL OUT

autoawq            dequantize_gemm of AutoAWQ through torch, shard by shard
gptqmodel          dequantize_model of GPTQModel
compressed-tensors convert_checkpoint with AutoAWQConverter, then CompressedTensorsDequantizer,
                   as two conversions, since the second reads the first one's config

Only the modules that dequantize are imported: the packages' __init__ files bring in training and GPU
code that a conversion does not run.
"""

import importlib
import importlib.util
import json
import os
import shutil
import sys
import types
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

GROUP_SIZE = 128


def autoawq(model, out):
    root = importlib.util.find_spec("awq").submodule_search_locations[0]
    spec = importlib.util.spec_from_file_location(
        "packing_utils", os.path.join(root, "utils", "packing_utils.py")
    )
    packing = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(packing)
    out.mkdir()
    for shard in sorted(model.glob("*.safetensors")):
        made = {}
        with safe_open(shard, framework="pt") as reader:
            names = set(reader.keys())
            for name in sorted(names):
                module = name.rpartition(".")[0]
                if name.endswith(".qweight"):
                    weight = packing.dequantize_gemm(
                        reader.get_tensor(name),
                        reader.get_tensor(f"{module}.qzeros"),
                        reader.get_tensor(f"{module}.scales"),
                        4,
                        GROUP_SIZE,
                    )
                    made[f"{module}.weight"] = weight.t().contiguous()
                elif f"{module}.qweight" not in names:
                    made[name] = reader.get_tensor(name)
        save_file(made, out / shard.name, metadata={"format": "pt"})
    config = json.loads((model / "config.json").read_text())
    del config["quantization_config"]
    (out / "config.json").write_text(json.dumps(config, indent=2))


def gptqmodel(model, out):
    root = importlib.util.find_spec("gptqmodel").submodule_search_locations[0]
    for name in ("gptqmodel", "gptqmodel.utils", "gptqmodel.quantization"):
        package = types.ModuleType(name)
        package.__path__ = [os.path.join(root, *name.split(".")[1:])]
        package.DEBUG_ON = False
        sys.modules[name] = package
    # What the module asks of the package that was not run.
    python = importlib.import_module("gptqmodel.utils.python")
    for name in dir(python):
        if not name.startswith("__"):
            setattr(sys.modules["gptqmodel.utils"], name, getattr(python, name))
    dequant = importlib.import_module("gptqmodel.utils.model_dequant")
    dequant.dequantize_model(model, out, target_dtype=torch.float16)


def compressed_tensors(model, out):
    from compressed_tensors.entrypoints.convert import convert_checkpoint
    from compressed_tensors.entrypoints.convert.converters.autoawq import AutoAWQConverter
    from compressed_tensors.entrypoints.convert.converters.ct_dequantizer import (
        CompressedTensorsDequantizer,
    )

    between = Path(f"{out}.packed")
    convert_checkpoint(
        str(model), str(between), AutoAWQConverter.from_pretrained(str(model)), device="cpu"
    )
    dequantizer = CompressedTensorsDequantizer(str(between), dtype=torch.float16)
    convert_checkpoint(str(between), str(out), dequantizer, device="cpu")
    shutil.rmtree(between)


if __name__ == "__main__":
    peers = {
        "autoawq": autoawq,
        "gptqmodel": gptqmodel,
        "compressed-tensors": compressed_tensors,
    }
    peers[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
