"""Configs that lie: specs/checkpoint.md clause 3, and what the quantization config must say."""

from cases import case

CONFIG = r"config\.json: "


def text(name, content, *patterns):
    @case(f"config-{name}", CONFIG, *patterns)
    def spoil(m):
        m.config_text = content


text("empty", b"", "is empty", "hf download")
text("not-json", b"{", "JSON")
text("truncated", b'{"torch_dtype": "flo', "JSON")
text("array", b"[]", "array", "object")
text("null", b"null", "null", "object")
text("byte-order-mark", b"\xef\xbb\xbf{}", "byte order mark")
text("utf16", b"\xff\xfe{\0}\0", "JSON")
text("not-utf8", b'{"a":"\xff"}', "UTF-8")
text("key-twice", b'{"a":1,"a":2}', "twice")
text("key-twice-deep", b'{"quantization_config":{"bits":4,"bits":8}}', "bits", "twice")
text("deep", b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "nested")
text("comment", b'{"a":1 // no\n}', "JSON")
text("trailing", b"{} {}", "byte 3")
text("lower-case-nan", b'{"a":nan}', "JSON")
text("escapes", b'{"\\u001b[31m":1,"\\u001b[31m":2}', r"\\x1b\[31m", "twice")
text("huge", b'{"a":"' + b"x" * 17_000_000 + b'"}', "16777216")
text("many-values", b"[" + b"0," * 300_000 + b"0]", "more values")


def quant(name, key, value, *patterns):
    @case(f"quant-config-{name}", CONFIG, key, *patterns)
    def spoil(m):
        m.quant()[key] = value


quant("bits-8", "bits", 8, "8")
quant("bits-3", "bits", 3, "3")
quant("bits-string", "bits", "4", '"4"')
quant("bits-float", "bits", 4.0, "number")
quant("bits-nan", "bits", float("nan"), "number")
quant("bits-list", "bits", [4], "array")
quant("group-0", "group_size", 0, "0")
quant("group-minus-5", "group_size", -5, "-5")
quant("group-huge", "group_size", 2**62, "4611686018427387904")
quant("group-beyond-64-bits", "group_size", 2**80, "number")
quant("group-string", "group_size", "64", '"64"')
quant("zero-point-string", "zero_point", "yes", '"yes"')
quant("version-number", "version", 1, "1")
quant("version-unknown", "version", "gemx\x1b[0m", r"gemx\\x1b")
quant("method-number", "quant_method", 4, "4")


def method(name, value, *patterns):
    @case(f"method-{name}", *patterns)
    def spoil(m):
        m.config["quantization_config"] = value


method("unknown", {"quant_method": "awq2", "bits": 4}, "awq2")
method("gptq", {"quant_method": "gptq", "bits": 9}, "bits", "9")
method("gptq-format", {"quant_method": "gptq", "bits": 4, "format": "bitblas"}, "bitblas")
method("gptq-sym", {"quant_method": "gptq", "bits": 4, "sym": "yes"}, "sym")
method("gptq-dynamic", {"quant_method": "gptq", "bits": 4, "dynamic": [1]}, "dynamic", "object")
method("exl3", {"quant_method": "exl3"}, "exl3")
method("auto-round-packing", {"quant_method": "auto-round", "bits": 4, "group_size": 64,
                              "packing_format": "auto_round:exl"}, "auto-round", "exl")
method("auto-round-extra", {"quant_method": "auto-round", "bits": 4,
                            "extra_config": {"a": {"bits": "4"}}}, "extra_config", "bits")
method("escapes", {"quant_method": "\x1b]0;x\x07"}, r"\\x1b")
method("config-array", [4], CONFIG, "quantization_config", "object")
method("config-string", "awq", CONFIG, "quantization_config", "object")
method("rotation", {"quant_method": "awq", "bits": 4, "group_size": 64,
                    "rotation_config": {"type": "hadamard"}}, "rotat")


@case("quant-file-not-json", r"quant_config\.json: ", "JSON")
def quant_file_not_json(m):
    m.files["quant_config.json"] = b"{"


@case("quant-file-array", r"quantize_config\.json: ", "object")
def quant_file_array(m):
    m.files["quantize_config.json"] = b"[]"


@case("quant-file-bits-8", r"quantization_config\.json: ", "bits", "8")
def quant_file_bits(m):
    del m.config["quantization_config"]
    m.files["quantization_config.json"] = b'{"bits": 8, "group_size": 64, "quant_method": "awq"}'
