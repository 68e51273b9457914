"""Numbers at their limits: group sizes, codes of modules, empty tensors, scales, huge texts."""

import json
import os
import struct

from cases import case
from cases_compressed import base as compressed, weights
from model import LINEAR, safetensors

CONFIG = r"config\.json: "
FILE = r"model\.safetensors: "

GROUPS = {"zero": 0, "minus-2": -2, "lowest": -2**63, "beyond-a-million": 2**20 + 1,
          "1e18": 10**18, "2-to-the-64": 2**64, "float": 64.0, "1e18-float": 1e18,
          "string": "64", "bool": True, "list": [64], "object": {}, "nan": float("nan"),
          "minus-infinity": float("-inf")}
for kind, value in GROUPS.items():
    for layout in ("gemm", "gemv", "gptq"):
        @case(f"group-{layout}-{kind}", CONFIG, "group_size", layout=layout)
        def group(m, value=value):
            m.quant()["group_size"] = value

    @case(f"group-ct-{kind}", CONFIG, "group_size")
    def compressed_group(m, value=value):
        compressed(m)
        weights(m)["group_size"] = value


for layout in ("gemm", "gptq"):
    @case(f"group-{layout}-null-is-unsaid", code=0, layout=layout)
    def null_group(m):
        m.quant()["group_size"] = None


# What single modules say.

def override(name, key, value, *patterns, code=3):
    @case(f"override-{name}", *([CONFIG] if code else []), *patterns, code=code, layout="gptq")
    def spoil(m):
        m.quant()[key] = value
        if key == "extra_config":
            m.quant()["quant_method"] = "auto-round"
            m.quant()["packing_format"] = "auto_round:auto_gptq"


override("bits-huge", "dynamic", {"+:a": {"bits": 2**63 - 1}}, "bits")
override("bits-minus", "dynamic", {"+:a": {"bits": -4}}, "bits")
override("group-1e18", "dynamic", {"+:a": {"group_size": 10**18}}, "group_size")
override("group-minus-2", "extra_config", {"a": {"group_size": -2}}, "group_size")
override("sym-number", "extra_config", {"a": {"sym": 1}}, "sym")
override("value-list", "dynamic", {"+:a": []}, "object")
override("pattern-open", "dynamic", {"+:(a": {"bits": 4}}, "dynamic")
override("pattern-backreference", "dynamic", {"+:(a)\\1": {"bits": 4}}, "dynamic")
override("pattern-of-1-mb", "dynamic", {"+:(" + "a|" * 500_000 + "b)": {"bits": 4}}, "dynamic")
override("10000-patterns", "dynamic", {f"+:.*{i}.*": {"bits": 4} for i in range(10_000)},
         "4096 patterns")
override("10000-names", "extra_config", {f"a.{i}": {"bits": 4} for i in range(10_000)}, code=0)
override("deep-pattern", "dynamic", {"+:" + "(" * 50_000 + "a" + ")" * 50_000: {"bits": 4}},
         "dynamic")


# Nothing where something should be.

def emptied(layout, suffix, shape):
    @case(f"empty-{layout}-{suffix}-{'x'.join(map(str, shape))}", FILE, LINEAR.replace(".", r"\."),
          layout=layout)
    def spoil(m):
        m.spoil(suffix, shape=shape)


for layout, suffix, shapes in (
        ("gemm", "qweight", [[0, 8], [128, 0], [0, 0]]), ("gemm", "qzeros", [[0, 8], [2, 0]]),
        ("gemm", "scales", [[0, 64], [2, 0]]), ("gemv", "qweight", [[0, 16], [64, 0]]),
        ("gemv", "qzeros", [[64, 0], [0, 1]]), ("gemv", "scales", [[64, 0]]),
        ("gemv_fast", "qweight", [[0, 128], [16, 0]]), ("gemv_fast", "qzeros", [[0, 64]]),
        ("marlin", "qweight", [[0, 128], [8, 0]]), ("marlin", "scales", [[0, 64]]),
        ("gptq", "qweight", [[0, 64], [16, 0]]), ("gptq", "qzeros", [[0, 8]]),
        ("gptq", "scales", [[2, 0]]),
        ("gemm", "qweight", [[2**40, 0], [0, 2**60]]), ("gptq", "qweight", [[2**60, 0]])):
    for shape in shapes:
        emptied(layout, suffix, shape)


@case("empty-gptq-g_idx-means-none", code=0, layout="gptq")
def empty_group_index(m):
    m.spoil("g_idx", shape=[0])
    m.content.clear()


@case("empty-bias", FILE, "bias", r"\[0\]")
def empty_bias(m):
    m.tensors[f"{LINEAR}.bias"] = ("F16", [0])


# Scales of any bits are legal; what overflows is counted.

def scales(layout, name, bits, code, *patterns, dtype="float16"):
    @case(f"scales-{layout}-{name}", *patterns, code=code, layout=layout)
    def spoil(m):
        m.config["torch_dtype"] = dtype
        shape = m.tensors[f"{LINEAR}.scales"][1]
        count = shape[0] * shape[1]
        m.content[f"{LINEAR}.scales"] = struct.pack(f"<{count}H", *[bits] * count)
        if layout == "gemm":  # where codes and zeros of one pattern are the same
            m.content[f"{LINEAR}.qzeros"] = bytes([0x77]) * 64


for layout in ("gemm", "gemv", "gemv_fast", "marlin", "gptq"):
    for name, bits in (("infinite", 0x7c00), ("minus-infinite", 0xfc00), ("nan", 0x7e00),
                       ("signalling-nan", 0x7c01), ("zero", 0), ("smallest", 1)):
        scales(layout, name, bits, 0)
    scales(layout, "overflow", 0x7bff, 4, LINEAR.replace(".", r"\."), "infinit", "bfloat16")
    scales(layout, "overflow-in-bfloat16", 0x7bff, 0, dtype="bfloat16")


@case("scales-bfloat16-overflow", "infinit", code=4)
def bfloat16_scales(m):
    m.spoil("scales", "BF16")
    m.content[f"{LINEAR}.scales"] = b"\x7f\x7f" * 128
    m.content[f"{LINEAR}.qzeros"] = bytes([0x77]) * 64


@case("cast-overflow", r"model\.norm\.weight", "infinit", code=4)
def cast_overflow(m):
    m.tensors["model.norm.weight"] = ("BF16", [16])
    m.content["model.norm.weight"] = b"\x7f\x7f" * 16


# Sub-byte types.

@case("sub-byte-without-scales", FILE, r"a\.f4: F4 \[3, 2\]", r"b\.f6: F6", r"c\.f6", r"d\.e8: F8_E8M0")
def sub_byte(m):
    m.tensors |= {"a.f4": ("F4", [3, 2]), "b.f6": ("F6_E2M3", [4]), "c.f6": ("F6_E3M2", [2, 2]),
                  "d.e8": ("F8_E8M0", [3])}


@case("sub-byte-as-scales", FILE, "F4", layout="gptq")
def sub_byte_scales(m):
    m.spoil("scales", "F4")


@case("sub-byte-overflow", FILE, r"2\^64")
def sub_byte_overflow(m):
    m.edit["model.norm.weight"] = {"dtype": "F4", "shape": [2**62, 2], "data_offsets": [256, 288]}


# Offsets.

def offsets(name, entries, size, *patterns, code=3):
    @case(f"offsets-{name}", *patterns, code=code)
    def spoil(m):
        header = {key: {"dtype": "U8", "shape": [count], "data_offsets": at}
                  for key, count, at in entries}
        m.raw = safetensors(json.dumps(header).encode(), bytes(size))


offsets("gap-in-front", [("a", 1, [1, 2])], 2, "hole|begin")
offsets("gap-behind", [("a", 1, [0, 1])], 2, "data goes on")
offsets("reversed-and-whole", [("a", 1, [2, 3]), ("b", 2, [0, 2])], 3, "quantized")
offsets("one-byte-overlap", [("a", 2, [0, 2]), ("b", 2, [1, 3])], 3, "overlap")
offsets("begin-beyond-end", [("a", 1, [2, 1])], 2, "begin")
offsets("wrap", [("a", 32, [2**64 - 32, 0])], 32, "a: ")
offsets("wrap-to-the-right-size", [("a", 8, [2**64 - 4, 4])], 32, "a: ")
offsets("beyond-64-bits", [("a", 1, [2**64, 2**64 + 1])], 1, "byte")
offsets("empty-beyond", [("a", 1, [0, 1]), ("b", 0, [2, 2])], 1, "b: ")
offsets("many-empty", [(f"a{i}", 0, [0, 0]) for i in range(20_000)], 0, "quantized")


# Texts.

@case("text-config-100-mb", CONFIG, "100000", "16777216")
def config_100_mb(m):
    m.config_text = b'{"a":"' + b"x" * 100_000_000 + b'"}'


@case("text-index-name-10-mb", r"index\.json: ", r"n\.\.\.\(")
def index_name(m):
    weight_map = m.split()
    m.index = {"weight_map": {**weight_map, "n" * 10_000_000: "model-00001-of-00002.safetensors"}}


@case("text-index-shard-10-mb", r"index\.json: ", "240")
def index_shard(m):
    weight_map = m.split()
    m.index = {"weight_map": {**weight_map, "a": "n" * 10_000_000 + ".safetensors"}}


@case("text-index-beyond-100-mb", r"index\.json: ", "100000000")
def index_huge(m):
    m.split()
    m.index_text = b'{"weight_map":{' + b" " * 100_000_000 + b"}}"


@case("text-index-50000-errors", r"index\.json: ", "more")
def index_errors(m):
    weight_map = m.split()
    m.index = {"weight_map": {**weight_map, **{f"a{i}": f"../{i}" for i in range(50_000)}}}


@case("text-header-100-mb-of-spaces", code=0)
def header_spaces(m):
    entries, data = m.entries(m.tensors)
    text = json.dumps(entries).encode()
    m.raw = safetensors(text + b" " * (100_000_000 - len(text)), data)


@case("text-model-type-10-mb", r"act\.scales: ", r"l\.\.\.\(")
def model_type(m):
    m.config["model_type"] = "l" * 10_000_000
    m.tensors["model.layers.0.mlp.act.scales"] = ("F16", [128])


@case("text-side-file-name-of-255-bytes", r"n\.txt: ", "longer than 240 bytes")
def long_name(m):
    m.files["n" * 251 + ".txt"] = b"x"


@case("text-side-file-name-of-240-bytes", code=0)
def name_that_fits(m):
    m.files["n" * 236 + ".txt"] = b"x"


@case("size-one-terabyte", "space|budget", code=6)
def terabyte(m):
    m.virtual_memory = True

    def after(directory):
        entries, data = m.entries(m.tensors)
        entries["z"] = {"dtype": "U8", "shape": [2**40],
                        "data_offsets": [len(data), len(data) + 2**40]}
        path = os.path.join(directory, "model.safetensors")
        with open(path, "wb") as file:
            file.write(safetensors(json.dumps(entries).encode(), data))
            file.truncate(file.tell() + 2**40)
    m.after = after
