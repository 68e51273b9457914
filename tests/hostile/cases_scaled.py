"""Modules of small floats that lie: specs/scaled_elements.md clauses 2, 3, 5 and 6."""

from cases import spoiling, spoiling_shapes
from model import LINEAR

FILE = r"model\.safetensors: "
N, K = 64, 128


def small_floats(**tensors):
    def base(m):
        for suffix in ("qweight", "qzeros", "scales"):
            m.drop(suffix)
        m.tensors |= {f"{LINEAR}.{suffix}": value for suffix, value in tensors.items()}
        m.config["quantization_config"] = {"quant_method": "fp8"}
    return base


float8 = spoiling("fp8", small_floats(weight=("F8_E4M3", [N, K]), weight_scale_inv=("F32", [1, 2])))
nvfp4 = spoiling("nvfp4", small_floats(weight=("U8", [N, K // 2]), weight_scale=("F8_E4M3", [N, K // 16]),
                                       weight_scale_2=("F32", [])))
mxfp4 = spoiling("mxfp4", small_floats(weight=("U8", [N, K // 2]), weight_scale=("U8", [N, K // 32])))


def by_block(m, block=(64, 64)):
    m.quant()["weight_block_size"] = list(block) if isinstance(block, tuple) else block


@float8("good", code=0)
def good_float8(m):
    by_block(m)


@nvfp4("good", code=0)
def good_nvfp4(m):
    pass


@mxfp4("good", code=0)
def good_mxfp4(m):
    pass


for number, block in enumerate(([64], [64, 0], [64, -1], "64", 64, [64, 64, 64], [1 << 40, 64],
                                [64.5, 64], [None, 64])):
    @float8(f"block-{number}", "weight_block_size: got")
    def bad_block(m, block=block):
        by_block(m, block)

for block in ((32, 64), (64, 32), (128, 128), (1, 128), (63, 64)):
    @float8(f"grid-of-{block[0]}x{block[1]}", "weight_scale_inv: got", "in blocks of")
    def bad_grid(m, block=block):
        by_block(m, block)

for dtype, shape in (("F32", [3, 2]), ("F32", [2, 1]), ("F32", [1, 2, 1]), ("F32", [N, 3]), ("I32", [1]),
                     ("F64", [1]), ("F8_E4M3", [1]), ("I8", [N]), ("BF16", [N - 1]),
                     ("F32", [1 << 20, 2])):
    @float8(f"scales-{dtype}-{'x'.join(map(str, shape))}")
    def bad_scales(m, dtype=dtype, shape=shape):
        m.tensors[f"{LINEAR}.weight_scale_inv"] = (dtype, shape)


@float8("no-scales", "F8_E4M3")
def no_scales(m):
    m.drop("weight_scale_inv")


@float8("two-names", "scales under several names")
def two_names(m):
    by_block(m)
    m.tensors[f"{LINEAR}.weight_scale"] = ("F32", [1])


@float8("pre-quant-scale", "pre_quant_scale")
def pre_quant_scale(m):
    by_block(m)
    m.tensors[f"{LINEAR}.pre_quant_scale"] = ("BF16", [K])


@float8("second-scale", "weight_scale_2 beside it")
def second_scale(m):
    by_block(m)
    m.tensors[f"{LINEAR}.weight_scale_2"] = ("F32", [])


for shape in ([N * K], [1, 1, N, K], [0, K], [N, 0]):
    @float8(f"weight-{'x'.join(map(str, shape))}")
    def bad_weight(m, shape=shape):
        m.tensors[f"{LINEAR}.weight"] = ("F8_E4M3", shape)


@float8("fnuz", "FNUZ")
def fnuz(m):
    by_block(m)
    m.quant()["fmt"] = "e4m3fnuz"


@float8("semantics", "weight_scale_semantics: got")
def semantics(m):
    by_block(m)
    m.quant()["weight_scale_semantics"] = "logarithm"


@float8("gptqmodel", "without weight_scale_semantics")
def gptqmodel(m):
    by_block(m)
    m.quant()["checkpoint_format"] = "float8_e4m3fn"


for shape in ([N, K // 16 + 1], [N + 1, K // 16], [128, K // 16], [N, K // 32], [N], [N, 1, K // 16]):
    @nvfp4(f"scales-{'x'.join(map(str, shape))}", "NVFP4: ")
    def bad_nvfp4_scales(m, shape=shape):
        m.tensors[f"{LINEAR}.weight_scale"] = ("F8_E4M3", shape)

for dtype, shape in (("F16", []), ("F32", [2]), ("F32", [N]), ("I32", []), ("F32", [0])):
    @nvfp4(f"global-{dtype}-{'x'.join(map(str, shape))}", "weight_scale_2: got")
    def bad_global(m, dtype=dtype, shape=shape):
        m.tensors[f"{LINEAR}.weight_scale_2"] = (dtype, shape)


@nvfp4("no-global", "no weight_scale_2")
def no_global(m):
    m.drop("weight_scale_2")


@mxfp4("global", "weight_scale_2", "MXFP4 does not have")
def mxfp4_global(m):
    m.tensors[f"{LINEAR}.weight_scale_2"] = ("F32", [])


for shape in ([N, K // 32 + 1], [128, K // 32], [N, K // 16], [N]):
    @mxfp4(f"scales-{'x'.join(map(str, shape))}", "MXFP4: ")
    def bad_mxfp4_scales(m, shape=shape):
        m.tensors[f"{LINEAR}.weight_scale"] = ("U8", shape)


def gpt_oss(m):
    for suffix in ("qweight", "qzeros", "scales"):
        m.drop(suffix)
    m.tensors |= {"model.layers.0.mlp.experts.down_proj_blocks": ("U8", [2, N, 2, 16]),
                  "model.layers.0.mlp.experts.down_proj_scales": ("U8", [2, N, 2])}
    m.config["quantization_config"] = {"quant_method": "mxfp4"}


blocks = spoiling("mxfp4-blocks", gpt_oss)


@blocks("good", code=0)
def good_blocks(m):
    pass


for shape in ([2, N, 2, 8], [2, N, 32], [2, N, 2, 16, 1], [2, N, 0, 16], [0, N, 2, 16], [N]):
    @blocks(f"blocks-{'x'.join(map(str, shape))}")
    def bad_blocks(m, shape=shape):
        m.tensors["model.layers.0.mlp.experts.down_proj_blocks"] = ("U8", shape)

for dtype, shape in (("U8", [2, N, 3]), ("U8", [2, N, 2, 1]), ("F32", [2, N, 2]), ("U8", [N, 2])):
    @blocks(f"scales-{dtype}-{'x'.join(map(str, shape))}")
    def bad_block_scales(m, dtype=dtype, shape=shape):
        m.tensors["model.layers.0.mlp.experts.down_proj_scales"] = (dtype, shape)


@blocks("no-scales", "down_proj_blocks")
def no_block_scales(m):
    del m.tensors["model.layers.0.mlp.experts.down_proj_scales"]


E1 = "model.layers.0.mlp.experts"


def fused_scales(m):
    """Experts one by one, their scales in two tensors: clause 2.8."""
    for suffix in ("qweight", "qzeros", "scales"):
        m.drop(suffix)
    for expert in range(2):
        m.tensors |= {f"{E1}.{expert}.{name}.weight": ("F8_E4M3", [N, K])
                      for name in ("gate_proj", "up_proj", "down_proj")}
    m.tensors |= {f"{E1}.gate_up_proj_scale_inv": ("F32", [2, 2, 2]),
                  f"{E1}.down_proj_scale_inv": ("F32", [2, 1, 2])}
    m.config["quantization_config"] = {"quant_method": "fp8", "weight_block_size": [64, 64]}


fused = spoiling("fp8-fused-scales", fused_scales)


@fused("good", code=0)
def good_fused(m):
    pass


for shape in ([1, 2, 2], [2, 1, 2], [2, 3, 2], [2, 4, 2], [2, 2, 3], [2, 2], [2, 2, 2, 1], [2, 0, 2],
              [0, 2, 2]):
    @fused(f"gate-up-{'x'.join(map(str, shape))}", "experts")
    def bad_fused(m, shape=shape):
        m.tensors[f"{E1}.gate_up_proj_scale_inv"] = ("F32", shape)


@fused("of-integers", "its scales: got I32")
def fused_of_integers(m):
    m.tensors[f"{E1}.down_proj_scale_inv"] = ("I32", [2, 1, 2])


@fused("a-block-of-gate-and-up", "as its scales are fused with others")
def block_of_both(m):
    m.quant()["weight_block_size"] = [48, 64]
    m.tensors[f"{E1}.gate_up_proj_scale_inv"] = ("F32", [2, 4, 2])
    m.tensors[f"{E1}.down_proj_scale_inv"] = ("F32", [2, 2, 2])


@fused("one-is-missing", "experts.*down_proj.weight: F8_E4M3")
def fused_missing(m):
    del m.tensors[f"{E1}.down_proj_scale_inv"]


@fused("an-expert-too-many", "expected .more than 7 experts")
def expert_too_many(m):
    m.tensors[f"{E1}.7.up_proj.weight"] = ("F8_E4M3", [N, K])
