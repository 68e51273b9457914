"""A small, correct AWQ checkpoint that a case then spoils in one place."""

import json
import os
import struct

BITS = {"BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E4M3": 8,
        "F8_E8M0": 8, "I16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
        "I64": 64, "F64": 64}

LINEAR = "model.layers.0.mlp.up_proj"  # the quantized module of every base


def size_of(dtype, shape):
    bits = BITS[dtype]
    for extent in shape:
        bits *= extent
    return bits // 8


def fill(dtype, count):
    """Bytes of a tensor: ones for floats, so that nothing overflows; a pattern else."""
    one = {"F16": b"\x00\x3c", "BF16": b"\x80\x3f", "F32": b"\x00\x00\x80\x3f"}.get(dtype)
    pattern = one or bytes(range(1, 17))
    return (pattern * (count // len(pattern) + 1))[:count]


def layout_tensors(layout):
    """The packed tensors of a linear of K = 128 inputs, N = 64 outputs and groups of 64 or 32."""
    k, n = 128, 64
    return {
        "gemm": {"qweight": ("I32", [k, n // 8]), "qzeros": ("I32", [2, n // 8]),
                 "scales": ("F16", [2, n])},
        # One group of 128 in 8 padded columns.
        "gemv": {"qweight": ("I32", [n, k // 8]), "qzeros": ("I32", [n, 1]),
                 "scales": ("F16", [n, 8])},
        "gemv_fast": {"qweight": ("I16", [n // 4, k]), "qzeros": ("F16", [8, n]),
                      "scales": ("F16", [8, n])},
        "marlin": {"qweight": ("I32", [k // 16, 2 * n]), "scales": ("F16", [2, n])},
        "gptq": {"qweight": ("I32", [k // 8, n]), "qzeros": ("I32", [2, n // 8]),
                 "scales": ("F16", [2, n]), "g_idx": ("I32", [k])},
    }[layout]


class Model:
    """Tensors by name, configs and other files; write() makes the directory."""

    def __init__(self, layout="gemm"):
        self.tensors = {
            "model.embed_tokens.weight": ("F16", [8, 16]),
            "model.norm.weight": ("F16", [16]),
        }
        for suffix, tensor in layout_tensors(layout).items():
            self.tensors[f"{LINEAR}.{suffix}"] = tensor
        group = 64 if layout in ("gemm", "marlin", "gptq") else 128
        self.config = {
            "architectures": ["LlamaForCausalLM"], "torch_dtype": "float16",
            "quantization_config": {"quant_method": "awq", "bits": 4, "group_size": group,
                                    "version": layout, "zero_point": layout != "marlin"},
        }
        self.content = {}         # the bytes of tensors that need others than fill() gives
        if layout == "gptq":
            self.config["quantization_config"] = {"quant_method": "gptq", "bits": 4,
                                                  "group_size": 64, "desc_act": True, "sym": False}
            self.groups([0, 1] * 64)
        self.config_text = None   # instead of config, if given
        self.metadata = {"format": "pt"}
        self.files = {"tokenizer.json": b"{}"}
        self.raw = None           # the bytes of model.safetensors, if given
        self.header = None        # the bytes of its header, if given
        self.data = None          # the bytes of its data, if given
        self.edit = {}            # entries of the header that replace the true ones
        self.shards = None        # [(file, [tensor names])] and an index, if given
        self.index = None         # the index as an object, if given, instead of the true one
        self.index_text = None    # or as bytes
        self.after = None         # called with the directory at the end
        self.argument = None      # what stands for MODEL, if not the directory
        self.environment = {}     # variables; {} in a value is the folder around the directory
        self.unprivileged = False  # to be run as somebody who is not the superuser
        self.virtual_memory = False  # maps more than there is

    def quant(self):
        return self.config["quantization_config"]

    def spoil(self, suffix, dtype=None, shape=None):
        """Another type or shape for a packed tensor."""
        old = self.tensors[f"{LINEAR}.{suffix}"]
        self.tensors[f"{LINEAR}.{suffix}"] = (dtype or old[0], shape or old[1])

    def groups(self, entries, dtype="I32"):
        """Another g_idx."""
        self.tensors[f"{LINEAR}.g_idx"] = (dtype, [len(entries)])
        kind = {"I32": "i", "I64": "q"}[dtype]
        self.content[f"{LINEAR}.g_idx"] = struct.pack(f"<{len(entries)}{kind}", *entries)

    def drop(self, suffix):
        del self.tensors[f"{LINEAR}.{suffix}"]

    def entries(self, names):
        entries, data = {}, b""
        for name in names:
            dtype, shape = self.tensors[name]
            size = size_of(dtype, shape)
            entries[name] = {"dtype": dtype, "shape": shape,
                             "data_offsets": [len(data), len(data) + size]}
            data += (self.content.get(name, b"") + fill(dtype, size))[:size]
        return entries, data

    def file(self, names):
        entries, data = self.entries(names)
        header = {"__metadata__": self.metadata} if self.metadata is not None else {}
        header.update(entries)
        header.update(self.edit)
        text = self.header if self.header is not None else json.dumps(header).encode()
        return safetensors(text, data if self.data is None else self.data)

    def write(self, directory):
        os.makedirs(directory, exist_ok=True)

        def put(name, content):
            path = os.path.join(directory.encode(), name.encode() if isinstance(name, str) else name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(content)

        for name, content in self.files.items():
            put(name, content)
        if self.config_text is not None:
            put("config.json", self.config_text)
        elif self.config is not None:
            put("config.json", json.dumps(self.config, indent=2).encode())
        if self.shards is None:
            put("model.safetensors", self.raw if self.raw is not None else self.file(self.tensors))
        else:
            weight_map = {}
            for shard, names in self.shards:
                put(shard, self.file(names))
                weight_map.update({name: shard for name in names})
            index = self.index or {"metadata": {"total_size": 1}, "weight_map": weight_map}
            put("model.safetensors.index.json",
                self.index_text if self.index_text is not None else json.dumps(index).encode())
        if self.after is not None:
            self.after(directory)

    def split(self):
        """Two shards: the first two tensors, and the rest."""
        names = list(self.tensors)
        self.shards = [("model-00001-of-00002.safetensors", names[:2]),
                       ("model-00002-of-00002.safetensors", names[2:])]
        return {name: shard for shard, group in self.shards for name in group}


def safetensors(header, data=b""):
    return struct.pack("<Q", len(header)) + header + data
