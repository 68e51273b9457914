"""Odd but legal: what must not be refused. They also prove that the bases are sound."""

import json
import os

from cases import case
from cases_quant import starcoder
from model import LINEAR, safetensors

for one in ("gemm", "gemv", "gemv_fast", "marlin", "gptq"):
    @case(f"good-{one}", code=0, layout=one)
    def good(m):
        pass


@case("good-shards", code=0)
def good_shards(m):
    m.split()


@case("good-python-numbers", code=0)
def python_numbers(m):
    text = json.dumps(m.config)[:-1]
    m.config_text = (text + ', "a": NaN, "b": [-Infinity], "c": ' + "9" * 400 + "}").encode()


def named(name, tensor):
    @case(f"good-name-{name}", code=0)
    def spoil(m):
        m.tensors[tensor] = ("U8", [3])


named("parent", "../../../../tmp/x")
named("absolute", "/etc/passwd")
named("terminal-escape", "\x1b[2J\x1b]0;x\x07")
named("newline", "a\nb")
named("format-string", "%s%n")
named("not-ascii", "\U0001f600")
named("quotes", '"\\')
named("dots", "..")
named("60-kb", "n" * 60_000)


@case("good-empty-tensors", code=0)
def empty_tensors(m):
    m.tensors["a.empty"] = ("F16", [0])
    m.tensors["z.empty"] = ("F32", [7, 0, 2**40])
    m.tensors["scalar"] = ("I64", [])


@case("good-no-config", code=0)
def no_config(m):
    m.config = None


@case("good-padded-header", code=0)
def padded_header(m):
    entries, data = m.entries(m.tensors)
    m.raw = safetensors(json.dumps(entries).encode() + b" " * 1000, data)


@case("good-entries-in-another-order", code=0)
def other_order(m):
    entries, data = m.entries(m.tensors)
    m.raw = safetensors(json.dumps(dict(reversed(entries.items()))).encode(), data)


@case("good-64-dimensions", code=0)
def dimensions(m):
    m.tensors["a"] = ("F16", [1] * 64)


@case("good-odd-offsets", code=0)
def odd_offsets(m):
    m.tensors = {"a": ("U8", [3]), **m.tensors}


@case("good-links", code=0)
def links(m):
    def after(directory):
        blobs = os.path.join(os.path.dirname(directory), "blobs")
        os.mkdir(blobs)
        for i, name in enumerate(sorted(os.listdir(directory))):
            os.rename(os.path.join(directory, name), os.path.join(blobs, str(i)))
            os.symlink(f"../blobs/{i}", os.path.join(directory, name))
        os.symlink("..", os.path.join(directory, "cycle"))
    m.after = after


@case("good-other-files", code=0)
def other_files(m):
    m.files["pytorch_model.bin"] = b"\x80\x02"
    m.files["other.safetensors"] = b"broken"
    m.files[".git/config"] = b"x"
    m.files["pytorch_model-a\n.bin"] = b"not carried, so its name does not matter"


@case("good-activation-scales", code=0)
def activation_scales(m):
    starcoder(m)


@case("good-activation-scales-float32-bfloat16-and-a-float-linear", code=0)
def more_activation_scales(m):
    starcoder(m, ("F32", [128]))
    m.tensors["model.layers.1.mlp.act.scales"] = ("BF16", [128])
    m.tensors["model.layers.1.mlp.c_proj.weight"] = ("F32", [64, 128])


@case("good-scales-of-any-bits", code=0)
def scale_bits(m):
    m.config["torch_dtype"] = "bfloat16"
    data = bytearray(m.entries(m.tensors)[1])
    scales = m.entries(m.tensors)[0][f"{LINEAR}.scales"]["data_offsets"]
    data[scales[0]:scales[0] + 8] = b"\x00\x7c\x00\xfe\x01\x00\x00\x80"  # inf, nan, 2^-24, -0
    m.data = bytes(data)
