"""Modules of compressed-tensors that lie: specs/compressed_tensors.md."""

import struct

from cases import spoiling
from model import LINEAR

FILE = r"model\.safetensors: "
MODULE = r"model\.layers\.0\.mlp\.up_proj: compressed-tensors: "
K, N = 128, 64


def integers(code, values):
    return struct.pack(f"<{len(values)}{code}", *values)


def base(m):
    """Asymmetric codes of 4 bits in groups of 64."""
    for suffix in ("qweight", "qzeros", "scales"):
        m.drop(suffix)
    m.tensors |= {f"{LINEAR}.weight_packed": ("I32", [N, K // 8]),
                  f"{LINEAR}.weight_scale": ("F16", [N, 2]),
                  f"{LINEAR}.weight_zero_point": ("I32", [N // 8, 2]),
                  f"{LINEAR}.weight_shape": ("I64", [2])}
    m.content[f"{LINEAR}.weight_shape"] = integers("q", [N, K])
    m.config["quantization_config"] = {
        "quant_method": "compressed-tensors", "format": "pack-quantized",
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": {
            "num_bits": 4, "type": "int", "symmetric": False, "strategy": "group",
            "group_size": 64}}}}


def weights(m):
    return m.quant()["config_groups"]["group_0"]["weights"]


ct = spoiling("ct", base)  # cases that spoil a correct module


def bad_shape(suffix, shape, *patterns, dtype=None, name=None):
    shape_name = name or ("x".join(map(str, shape)) if shape else dtype.lower())

    @ct(f"{suffix}-{shape_name}", FILE, MODULE, *patterns)
    def spoil(m):
        m.spoil(suffix, dtype, shape)


def bad_content(suffix, name, content, *patterns):
    @ct(f"{suffix}-{name}", FILE, MODULE, *patterns)
    def spoil(m):
        m.content[f"{LINEAR}.{suffix}"] = content


@ct("good", code=0)
def good(m):
    pass


@ct("good-without-config", code=0)
def without_config(m):
    del m.config["quantization_config"]


@ct("good-without-shape", code=0)
def without_shape(m):
    m.drop("weight_shape")


@ct("no-scale", FILE, MODULE, "no weight_scale")
def no_scale(m):
    m.drop("weight_scale")


@ct("no-packed", FILE, r"weight_scale: ", "without a weight_packed")
def no_packed(m):
    m.drop("weight_packed")


@ct("zeros-dropped", FILE, MODULE, "no weight_zero_point")
def zeros_dropped(m):
    m.drop("weight_zero_point")


@ct("weight-beside", FILE, MODULE, "weight")
def weight_beside(m):
    m.tensors[f"{LINEAR}.weight"] = ("F16", [N, K])


bad_shape("weight_packed", [64], "dimensions")
bad_shape("weight_packed", [2, 2, 16, 16], "dimensions")
bad_shape("weight_packed", [0, 16], "elements")
bad_shape("weight_packed", [64, 15], "no width from 1 to 8")
bad_shape("weight_packed", [64, 12], r"weight_zero_point.*\[6, 2\]", name="3-bits")
bad_shape("weight_packed", [63, 16], "weight_shape")
bad_shape("weight_scale", [64, 3], r"\[64, 3\]|3 groups")
bad_shape("weight_scale", [63, 2], r"\[63, 2\]")
bad_shape("weight_scale", [2, 64], r"\[2, 64\]")
bad_shape("weight_scale", [64, 0], "elements")
bad_shape("weight_scale", None, "F64", dtype="F64")
bad_shape("weight_scale", None, "F8_E4M3", dtype="F8_E4M3")
bad_shape("weight_zero_point", [7, 2], r"\[7, 2\]")
bad_shape("weight_zero_point", [8, 1], r"\[8, 1\]")
bad_shape("weight_zero_point", [8, 2], "I8", dtype="I8", name="bytes")
bad_shape("weight_zero_point", [8, 2], "U8", dtype="U8", name="unsigned")
bad_shape("weight_shape", [3], r"\[3\]")
bad_shape("weight_shape", [1], r"\[1\]")
bad_shape("weight_shape", None, "integers", dtype="F64")

bad_content("weight_shape", "zeros", integers("q", [0, 0]), r"\[0, 0\]")
bad_content("weight_shape", "negative", integers("q", [-64, -128]), "negative")
bad_content("weight_shape", "huge", integers("q", [N, 2**63 - 1]), "too large")
bad_content("weight_shape", "turned", integers("q", [K, N]), r"\[128, 64\]")
bad_content("weight_shape", "wider", integers("q", [N, K + 1]), "129")


def bad_index(name, groups, *patterns):
    @ct(f"g_idx-{name}", FILE, MODULE, "weight_g_idx", *patterns)
    def spoil(m):
        m.tensors[f"{LINEAR}.weight_g_idx"] = ("I32", [len(groups)])
        m.content[f"{LINEAR}.weight_g_idx"] = integers("i", groups)


bad_index("short", [0, 1] * 63, r"\[126\]")
bad_index("uneven", [0, 1] * 63 + [0, 0], "different sizes")
bad_index("beyond", [0, 1] * 63 + [0, 2], "group 2")
bad_index("far-beyond", [0, 1] * 63 + [0, 2**31 - 1], "2147483647")
bad_index("below", [0, 1] * 63 + [0, -2**31], "-2147483648")


@ct("g_idx-of-other-type", FILE, MODULE, "weight_g_idx", "I64")
def index_type(m):
    m.tensors[f"{LINEAR}.weight_g_idx"] = ("I64", [K])


@ct("g_idx-unfilled", code=0)
def unfilled(m):
    m.tensors[f"{LINEAR}.weight_g_idx"] = ("I32", [K])
    m.content[f"{LINEAR}.weight_g_idx"] = integers("i", [-1] * K)


@ct("nvfp4", FILE, "weight_packed", "nvfp4")
def nvfp4(m):
    m.spoil("weight_packed", "U8", [N, K // 2])


@ct("marlin-24", FILE, "weight_packed", "marlin-24")
def marlin_24(m):
    m.tensors[f"{LINEAR}.meta"] = ("I16", [N, 8])


@ct("bias-of-other-length", FILE, MODULE, "bias", r"\[63\]")
def bias(m):
    m.tensors[f"{LINEAR}.bias"] = ("F16", [63])


def bad_config(name, spoil_config, *patterns):
    @ct(f"config-{name}", r"config\.json: ", *patterns)
    def spoil(m):
        spoil_config(m)


bad_config("format", lambda m: m.quant().update(format="marlin-24"), "marlin-24")
bad_config("format-number", lambda m: m.quant().update(format=4), "format", "string")
bad_config("groups-array", lambda m: m.quant().update(config_groups=[]), "config_groups")
bad_config("group-number", lambda m: m.quant().update(config_groups={"a\x1b": 1}), r"a\\x1b")
bad_config("bits-9", lambda m: weights(m).update(num_bits=9), "num_bits", "9")
bad_config("bits-string", lambda m: weights(m).update(num_bits="4"), "num_bits", '"4"')
bad_config("group-size-0", lambda m: weights(m).update(group_size=0), "group_size", "0")
bad_config("group-size-huge", lambda m: weights(m).update(group_size=2**62), "group_size")
bad_config("strategy", lambda m: weights(m).update(strategy="block"), "strategy", "block")
bad_config("symmetric", lambda m: weights(m).update(symmetric="no"), "symmetric")
bad_config("sparse", lambda m: m.quant().update(sparsity_config={"format": "sparse-bitmask"}),
           "sparse-bitmask")
bad_config("transform", lambda m: m.quant().update(transform_config={"config_groups": {"a": {}}}),
           "rotated")
