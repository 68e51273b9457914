"""Packed tensors that do not belong together: specs/awq.md."""

from cases import case
from model import LINEAR

FILE = r"model\.safetensors: "
CONFIG = r"config\.json: "
MODULE = r"model\.layers\.0\.mlp\.up_proj[.:]"
ALL = ("gemm", "gemv", "gemv_fast", "marlin")


def bad_shape(layout, suffix, shape, *patterns, dtype=None, name=None):
    shape_name = "x".join(str(extent) for extent in shape) if shape else dtype.lower()

    @case(f"{layout}-{suffix}-{name or shape_name}", FILE, MODULE, *patterns, layout=layout)
    def spoil(m):
        m.spoil(suffix, dtype, shape)


def lost(layout, suffix):
    @case(f"{layout}-no-{suffix}", FILE, MODULE, layout=layout)
    def spoil(m):
        m.drop(suffix)


for one in ALL:
    lost(one, "scales")
    lost(one, "qweight")
    for tensor in ("qweight", "scales"):
        bad_shape(one, tensor, [64], r"\[64\]")
        bad_shape(one, tensor, [1, 64, 16], r"\[1, 64, 16\]")
        bad_shape(one, tensor, [0, 64], r"\[0, 64\]")
        bad_shape(one, tensor, None, "F64", dtype="F64")
    bad_shape(one, "qweight", None, "U8", dtype="U8")
    bad_shape(one, "scales", None, "I32", dtype="I32")
for one in ("gemv", "gemv_fast"):
    lost(one, "qzeros")

# GEMM: qweight [128, 8], qzeros [2, 8], scales [2, 64].
bad_shape("gemm", "qweight", [128, 7], r"\[128, 7\]")
bad_shape("gemm", "qweight", [127, 8], r"127")
bad_shape("gemm", "scales", [3, 64], "3")
bad_shape("gemm", "scales", [2, 63], r"\[2, 63\]")
bad_shape("gemm", "scales", [128, 64], "128", name="group-of-1")
bad_shape("gemm", "qzeros", [1, 8], r"\[1, 8\]")
bad_shape("gemm", "qzeros", [2, 7], r"\[2, 7\]")
bad_shape("gemm", "qzeros", [16], r"\[16\]")
bad_shape("gemm", "qzeros", None, "F16", dtype="F16")
bad_shape("gemm", "qzeros", [2, 8], "I16", dtype="I16")
# GEMV: qweight [64, 16], qzeros [64, 1], scales [64, 8].
bad_shape("gemv", "scales", [64, 16], r"\[64, 16\]")
bad_shape("gemv", "scales", [63, 8], r"\[63, 8\]")
bad_shape("gemv", "qzeros", [64, 2], r"\[64, 2\]")
bad_shape("gemv", "qzeros", [63, 1], r"\[63, 1\]")
bad_shape("gemv", "qweight", [64, 15], "120|15")
# GEMV_FAST: qweight [16, 128], qzeros and scales [8, 64].
bad_shape("gemv_fast", "qweight", [16, 96], "96")
bad_shape("gemv_fast", "qweight", [15, 128], "60|15")
bad_shape("gemv_fast", "scales", [8, 63], r"\[8, 63\]")
bad_shape("gemv_fast", "scales", [16, 64], r"\[16, 64\]")
bad_shape("gemv_fast", "scales", None, "BF16", dtype="BF16", name="other-type-than-qzeros")
bad_shape("gemv_fast", "qzeros", [16, 64], r"\[16, 64\]")
bad_shape("gemv_fast", "qzeros", [8, 16], "I32", dtype="I32")
# Marlin: qweight [8, 128], scales [2, 64].
bad_shape("marlin", "qweight", [8, 127], r"\[8, 127\]")
bad_shape("marlin", "scales", [3, 64], "3")
bad_shape("marlin", "scales", [2, 63], r"\[2, 63\]")


@case("gemv-group-that-does-not-divide", FILE, MODULE, "96|128", layout="gemv")
def gemv_group(m):
    m.quant()["group_size"] = 96


@case("gemv-group-without-width", FILE, MODULE, "16", layout="gemv")
def gemv_group_16(m):
    m.quant()["group_size"] = 16


@case("gemv-group-of-other-width", FILE, MODULE, layout="gemv")
def gemv_group_64(m):
    m.quant()["group_size"] = 32


@case("gemv-wider-than-the-group", FILE, MODULE, layout="gemv")
def gemv_wide_group(m):
    m.quant()["group_size"] = 256


@case("marlin-64-bad", FILE, MODULE, "32|64", layout="marlin")
def marlin_n(m):
    m.spoil("qweight", shape=[8, 64])
    m.spoil("scales", shape=[2, 32])


@case("weight-beside-qweight", FILE, MODULE, "weight")
def weight_beside(m):
    m.tensors[f"{LINEAR}.weight"] = ("F16", [64, 128])


@case("bias-of-other-length", FILE, MODULE, "bias", r"\[63\]")
def bias_length(m):
    m.tensors[f"{LINEAR}.bias"] = ("F16", [63])


# GPTQ: qweight [16, 64], qzeros [2, 8], scales [2, 64], g_idx [128].
bad_shape("gptq", "qweight", [15, 64], "no width of 2 to 8 bits")
bad_shape("gptq", "qweight", [16, 63], r"\[16, 63\]")
bad_shape("gptq", "qweight", [16], r"\[16\]")
bad_shape("gptq", "qweight", None, "F64", dtype="F64")
bad_shape("gptq", "qzeros", [2, 7], r"\[2, 7\]")
bad_shape("gptq", "qzeros", [3, 8], r"\[3, 8\]")
bad_shape("gptq", "qzeros", None, "F16", dtype="F16")
bad_shape("gptq", "scales", [2, 63], r"\[2, 63\]")
bad_shape("gptq", "scales", None, "F64", dtype="F64")
bad_shape("gptq", "g_idx", [100], "no width of 2 to 8 bits")
bad_shape("gptq", "g_idx", [2, 64], r"\[2, 64\]")
bad_shape("gptq", "g_idx", None, "F32", dtype="F32")
bad_shape("gptq", "g_idx", None, "I16", dtype="I16")
lost("gptq", "scales")
lost("gptq", "qweight")
lost("gptq", "qzeros")


def bad_group(name, entry, dtype="I32"):
    @case(f"gptq-g-idx-{name}", FILE, MODULE, "g_idx: entry 77", str(entry), layout="gptq")
    def spoil(m):
        m.groups([0] * 77 + [entry] + [0] * 50, dtype)


bad_group("one-too-far", 2)
bad_group("one-too-low", -3)
bad_group("huge", 2**31 - 1)
bad_group("lowest", -2**31)
bad_group("beyond-32-bits", 2**32, "I64")
bad_group("highest-of-64-bits", 2**63 - 1, "I64")
bad_group("lowest-of-64-bits", -2**63, "I64")


@case("gptq-dynamic-catastrophic", CONFIG, "dynamic", "repeats too much", layout="gptq")
def gptq_dynamic(m):
    m.quant()["dynamic"] = {"+:((((a{99}){99}){99}){99}){99}": {"bits": 8}}


@case("gptq-dynamic-nested-quantifiers", layout="gptq", code=0)
def gptq_dynamic_nested(m):
    m.quant()["dynamic"] = {"+:" + "(.*" * 20 + ")*" * 20 + "!": {"bits": 8}}


@case("gptq-dynamic-escapes", CONFIG, r"\\x1b", layout="gptq")
def gptq_dynamic_escapes(m):
    m.quant()["dynamic"] = {"+:\x1b[31m": {"bits": 8}}


@case("gptq-embedding-beside-weight", FILE, r"embed_tokens[.:]", "weight", layout="gptq")
def gptq_embedding(m):
    m.tensors["model.embed_tokens.qweight"] = ("I32", [16, 64])
    m.tensors["model.embed_tokens.scales"] = ("F16", [2, 64])


@case("gptq-marlin", FILE, "Marlin")
def gptq_marlin(m):
    m.tensors = {f"{LINEAR}.B": ("I32", [8, 128]), f"{LINEAR}.s": ("F16", [2, 64])}


@case("mlx", FILE, MODULE, "MLX")
def mlx(m):
    m.tensors = {f"{LINEAR}.weight": ("U32", [64, 16]), f"{LINEAR}.scales": ("F16", [64, 2]),
                 f"{LINEAR}.biases": ("F16", [64, 2])}
    del m.config["quantization_config"]


ACT = "model.layers.0.mlp.act.scales"


def starcoder(m, scales=("F16", [128])):
    """The linear becomes mlp.c_proj of a starcoder2, with the scales of the activation before it."""
    m.config["model_type"] = "starcoder2"
    m.tensors = {name.replace("up_proj", "c_proj"): tensor for name, tensor in m.tensors.items()}
    m.tensors[ACT] = scales


def act_scales(name, *patterns):
    """A starcoder2 that the decorated function spoils."""
    def add(spoil):
        @case(f"activation-scales-{name}", FILE, *patterns)
        def spoilt(m):
            starcoder(m)
            spoil(m)
    return add


@case("activation-scales-no-model-type", FILE, r"mlp\.act\.scales: ", "without model_type", "hint")
def activation_scales(m):
    m.tensors[ACT] = ("F16", [128])


@act_scales("unknown-model-type", r"mlp\.act\.scales: ", r'no model spec serves.*"la\\x1bma"')
def unknown_model_type(m):
    m.config["model_type"] = "la\x1bma"


@act_scales("model-type-of-another-kind", r"mlp\.act\.scales: ", "without model_type")
def model_type_number(m):
    m.config["model_type"] = 7


@act_scales("not-named-by-the-spec", r"attn\.act\.scales: ", "no rule of the model spec starcoder2")
def unnamed_scales(m):
    m.tensors["model.layers.0.attn.act.scales"] = ("F16", [128])


@act_scales("outside-of-the-blocks", r"head\.act\.scales: ", "no rule of the model spec starcoder2")
def scales_elsewhere(m):
    m.tensors["head.act.scales"] = ("BF16", [128])


@act_scales("no-linear", r"act\.scales: ", r"mlp\.c_proj.*not in the checkpoint")
def no_linear(m):
    m.tensors["model.layers.1.mlp.act.scales"] = ("F16", [128])


for wrong in (127, 64, 129):
    @act_scales(f"{wrong}-of-128", r"act\.scales: ", f"got {wrong}, expected 128")
    def wrong_length(m, wrong=wrong):
        m.tensors[ACT] = ("F16", [wrong])


for dtype, shape in (("I32", [128]), ("F64", [128]), ("F32", [1, 128]), ("F16", []), ("F16", [0])):
    @act_scales(f"{dtype}-{'x'.join(map(str, shape)) or 'scalar'}", r"act\.scales: ",
                rf"got {dtype} \[")
    def wrong_kind(m, dtype=dtype, shape=shape):
        m.tensors[ACT] = (dtype, shape)


@act_scales("float-linear-of-another-type", r"act\.scales: ", r"got F64 \[64, 128\]")
def wide_linear(m):
    m.tensors["model.layers.1.mlp.act.scales"] = ("F16", [128])
    m.tensors["model.layers.1.mlp.c_proj.weight"] = ("F64", [64, 128])


for bits, value in ((b"\x00\x00", "zero"), (b"\x00\x80", "minus-zero"), (b"\x00\x7c", "inf"),
                    (b"\x00\xfc", "minus-inf"), (b"\x01\x7c", "nan")):
    @act_scales(value, r"act\.scales: 1 of 128 activation scales cannot be divided by", "index 5")
    def bad_value(m, bits=bits):
        entries, data = m.entries(m.tensors)
        at = entries[ACT]["data_offsets"][0] + 10
        m.data = data[:at] + bits + data[at + 2:]


@case("adapter", FILE, r"lora_A", "adapter")
def adapter(m):
    m.tensors[f"{LINEAR}.lora_A.weight"] = ("F16", [8, 128])


@case("rotation", FILE, r"rotation", "rotat")
def rotation(m):
    m.tensors["model.layers.0.mlp.input_rotation"] = ("F16", [128, 128])


@case("experts-in-one-tensor", FILE, MODULE, r"\[2, 128, 8\]")
def experts(m):
    m.spoil("qweight", shape=[2, 128, 8])


@case("unknown-combination", FILE, MODULE, r"\[100, 10\]", r"\[7, 30\]")
def unknown(m):
    m.spoil("qweight", shape=[100, 10])
    m.spoil("scales", shape=[7, 30])


@case("nothing-quantized", "quantized")
def nothing(m):
    for suffix in ("qweight", "qzeros", "scales"):
        m.drop(suffix)


@case("no-tensors", "quantized")
def no_tensors(m):
    m.tensors = {}


@case("module-name-with-escapes", FILE, r"a\\x1b\[31m\\n")
def module_name(m):
    m.tensors["a\x1b[31m\n.qweight"] = ("I32", [128, 8])


@case("three-broken-modules", FILE, r"layers\.\*\.mlp\.up_proj",
      r"3 of them, the first model\.layers\.1\.")
def three_broken(m):
    for i in (1, 2, 3):
        m.tensors[f"model.layers.{i}.mlp.up_proj.qweight"] = ("I32", [128, 8])
