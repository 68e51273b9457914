"""MLX modules that lie: specs/mlx.md."""

from cases import spoiling, spoiling_shapes
from model import LINEAR

MODULE = r"model\.layers\.0\.mlp\.up_proj: MLX: "
K, N = 128, 64


def base(m):
    """Codes of 3 bits in groups of 64."""
    for suffix in ("qweight", "qzeros", "scales"):
        m.drop(suffix)
    m.tensors |= {f"{LINEAR}.weight": ("U32", [N, K * 3 // 32]),
                  f"{LINEAR}.scales": ("BF16", [N, 2]),
                  f"{LINEAR}.biases": ("BF16", [N, 2])}
    del m.config["quantization_config"]
    m.config["quantization"] = {"group_size": 64, "bits": 3, "mode": "affine"}


mlx = spoiling("mlx", base)
bad_shape = spoiling_shapes(mlx)


@mlx("good", code=0)
def good(m):
    pass


bad_shape("weight", "U32", [N, 11], MODULE + "weight: got 11 words a row, expected 12")
bad_shape("weight", "U32", [N, 0], MODULE + "weight: got")
bad_shape("weight", "U32", [N], MODULE + "weight: got")
bad_shape("weight", "U32", [2, N // 2, 12], "experts in one tensor")
bad_shape("weight", "I32", [N, 12], "scales|I32")
bad_shape("scales", "BF16", [N, 3], MODULE + "biases|words a row")
bad_shape("scales", "BF16", [N - 1, 2], MODULE + "scales: got")
bad_shape("scales", "BF16", [N], MODULE + "scales: got")
bad_shape("scales", "BF16", [N, 0], MODULE + "scales: got")
bad_shape("scales", "U8", [N, 2], MODULE + "scales: got")
bad_shape("scales", "F64", [N, 2], MODULE + "scales: got")
bad_shape("scales", "BF16", [N, 1 << 20], MODULE + "biases|words a row")
bad_shape("biases", "F16", [N, 2], MODULE + "biases: got")
bad_shape("biases", "BF16", [2, N], MODULE + "biases: got")
bad_shape("biases", "BF16", [], MODULE + "biases: got")


@mlx("no-biases", MODULE + "no biases")
def no_biases(m):
    m.drop("biases")


def bad_config(name, value, *patterns):
    @mlx(f"config-{name}", *patterns)
    def spoil(m):
        m.config["quantization"] = value


for number in (0, 1, 9, -3, 2**40, 2**62, "3", [3], 3.0, True):
    bad_config(f"bits-{number}", {"bits": number, "group_size": 64}, "quantization.bits")
    if number not in (1, 9, True):
        bad_config(f"group-{number}", {"bits": 3, "group_size": number}, "quantization.group_size")
bad_config("array", [1], "quantization: got an array")
bad_config("number", 7, "quantization: got 7")
bad_config("mode", {"bits": 3, "group_size": 64, "mode": 4}, "quantization.mode")
bad_config("other-mode", {"bits": 3, "group_size": 64, "mode": "nvfp4"}, "mode of the config is nvfp4")
bad_config("empty", {}, "does not say")
bad_config("other-bits", {"bits": 4, "group_size": 64}, "words a row, expected 16")
bad_config("override", {"bits": 3, "group_size": 64, "model.layers.0.mlp.up_proj": {"bits": 99}},
           "quantization.model.layers.0.mlp.up_proj.bits")
