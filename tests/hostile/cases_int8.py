"""int-quantized modules that lie: specs/compressed_tensors.md clause 8."""

from cases import spoiling, spoiling_shapes
from model import LINEAR

FILE = r"model\.safetensors: "
MODULE = r"model\.layers\.0\.mlp\.up_proj: compressed-tensors int8: "
K, N = 128, 64


def base(m):
    """Asymmetric codes of a byte in groups of 64."""
    for suffix in ("qweight", "qzeros", "scales"):
        m.drop(suffix)
    m.tensors |= {f"{LINEAR}.weight": ("I8", [N, K]),
                  f"{LINEAR}.weight_scale": ("F16", [N, 2]),
                  f"{LINEAR}.weight_zero_point": ("I8", [N, 2])}
    m.config["quantization_config"] = {
        "quant_method": "compressed-tensors", "format": "int-quantized",
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": {
            "num_bits": 8, "type": "int", "symmetric": False, "strategy": "group",
            "group_size": 64}}}}


int8 = spoiling("int8", base)
bad_shape = spoiling_shapes(int8)


@int8("good", code=0)
def good(m):
    pass


@int8("good-without-config", code=0)
def without_config(m):
    del m.config["quantization_config"]


for dtype, shape in (("F16", [N, 3]), ("F16", [N, 129]), ("F16", [N // 2, 2]), ("F16", [1, 2]),
                     ("F16", [2, N]), ("F16", [N, 1, 2]), ("F16", [N - 1]), ("I32", [N, 2]),
                     ("F64", [N, 2]), ("F8_E4M3", [N, 2]), ("BF16", [1 << 20, 2])):
    bad_shape("weight_scale", dtype, shape, MODULE + "weight_scale: got")
bad_shape("weight_scale", "F16", [N, 0], "without elements")
for dtype, shape in (("I8", [N, 3]), ("I8", [N]), ("I8", [1]), ("I32", [N // 4, 2]),
                     ("F16", [N, 2]), ("U8", [N, 2])):
    bad_shape("weight_zero_point", dtype, shape, MODULE + "weight_zero_point: got")
bad_shape("weight", "I8", [N * K], "must have 2 dimensions")
bad_shape("weight", "I8", [1, 1, N, K], "must have 2 dimensions")
bad_shape("weight", "I8", [0, K], "without elements")
bad_shape("weight", "U8", [N, K], "uint8 with weight_scale")
bad_shape("weight", "F8_E4M3", [N, K], "has no such tensor beside its own", "weight_zero_point")
bad_shape("weight_g_idx", "I32", [K - 1], MODULE + "weight_g_idx: got")
bad_shape("weight_g_idx", "F16", [K], MODULE + "weight_g_idx: got")
bad_shape("weight_packed", "I32", [N, K // 8], "a weight beside the weight_packed")
bad_shape("qweight", "I32", [K, N // 8], "a qweight beside the weight")


@int8("zeros-dropped", FILE, MODULE, "no weight_zero_point, although the config says")
def zeros_dropped(m):
    m.drop("weight_zero_point")


@int8("index-of-no-group", FILE, MODULE, "weight_g_idx: got group 2, expected 0 to 1")
def index_of_no_group(m):
    m.tensors[f"{LINEAR}.weight_g_idx"] = ("I32", [K])
    m.content[f"{LINEAR}.weight_g_idx"] = b"\2\0\0\0" * K


for bits in (0, 9, -1, 1 << 40):
    @int8(f"bits-{bits}", "num_bits: got", "expected 1 to 8")
    def bad_bits(m, bits=bits):
        m.quant()["config_groups"]["group_0"]["weights"]["num_bits"] = bits
