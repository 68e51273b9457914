"""GPTQ of other widths, planes and narrow words that lie: specs/gptq.md clauses 2.5 to 2.8."""

from cases import spoiling, spoiling_shapes
from model import LINEAR

MODULE = r"model\.layers\.0\.mlp\.up_proj: GPTQ: "
K, N = 128, 64


def base(m, bits=3, word="I32", **config):
    """An asymmetric module in groups of 64."""
    size = {"I32": 32, "I16": 16, "I8": 8, "I64": 64}[word]
    m.drop("g_idx")
    m.tensors |= {f"{LINEAR}.qweight": (word, [K * bits // size, N]),
                  f"{LINEAR}.qzeros": (word, [2, N * bits // size]),
                  f"{LINEAR}.scales": ("F16", [2, N])}
    m.config["quantization_config"] = {"quant_method": "gptq", "bits": bits, "group_size": 64,
                                       "sym": False, "checkpoint_format": "gptq_v2", **config}


bits = spoiling("gptq-bits", base, layout="gptq")
bad_shape = spoiling_shapes(bits)


for width in (2, 3, 5, 6, 7):
    @bits(f"good-{width}", code=0, bits=width)
    def good(m):
        pass

for width in (3, 7):
    @bits(f"good-planes-{width}", code=0, bits=width, checkpoint_format="gptq_p")
    def good_planes(m):
        pass

for word in ("I16", "I8"):
    @bits(f"good-words-{word}", code=0, bits=4, word=word)
    def good_words(m):
        pass


@bits("words-64", "words of 64 bits", bits=4, word="I64")
def wide_words(m):
    pass


@bits("planes-words-16", MODULE + "planes", word="I16", checkpoint_format="gptq_p")
def planes_of_narrow_words(m):
    pass


bad_shape("qweight", "I32", [11, N], "within a code of 3 bits|scales")
bad_shape("qweight", "I32", [12, N - 1], "known layout|scales")
bad_shape("qweight", "I32", [1 << 20, N], "GPTQ|scales|larger")
bad_shape("qweight", "F32", [12, N], "neither I32 nor I16")
bad_shape("qzeros", "I32", [2, 5], "no width of 2 to 8 bits")
bad_shape("qzeros", "I32", [3, 6], "qzeros: got")
bad_shape("qzeros", "I16", [2, 6], "qzeros: got")
bad_shape("qzeros", "I32", [2, 0], "without elements")
bad_shape("scales", "F16", [3, N], "scales|qzeros")
bad_shape("scales", "F8_E4M3", [2, N], "scales")
bad_shape("g_idx", "I32", [K - 20], "no width of 2 to 8 bits|g_idx")


@bits("index-out-of-range", MODULE + "g_idx: entry 0: got 7")
def index_out_of_range(m):
    m.tensors[f"{LINEAR}.g_idx"] = ("I32", [K])
    m.content[f"{LINEAR}.g_idx"] = (7).to_bytes(4, "little") * K


@bits("width-of-another", MODULE + "no width of 2 to 8 bits|the config says 5")
def width_of_another(m):
    m.config["quantization_config"]["bits"] = 5


for value in (1, 9, 0, -3, 2**40, "3", None.__class__.__name__, [3]):
    @bits(f"bits-{value}", "bits")
    def wrong_bits(m, value=value):
        m.config["quantization_config"]["bits"] = value
