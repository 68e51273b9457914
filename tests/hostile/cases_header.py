"""Headers that lie: specs/safetensors.md."""

import json
import struct

from cases import case
from model import safetensors

FILE = r"model\.safetensors: "
NORM = r"model\.norm\.weight: "


def raw(name, content, *patterns):
    @case(f"header-{name}", FILE, *patterns)
    def spoil(m):
        m.raw = content


def text(name, content, *patterns):
    raw(name, safetensors(content if isinstance(content, bytes) else content.encode()), *patterns)


def entry(name, value, *patterns):
    """model.norm.weight, the last of the two plain tensors, gets another entry."""
    @case(f"entry-{name}", FILE + NORM, *patterns)
    def spoil(m):
        true = m.entries(m.tensors)[0]["model.norm.weight"]
        m.edit["model.norm.weight"] = {**true, **value} if isinstance(value, dict) else value


# The length.
raw("empty-file", b"", "empty")
raw("seven-bytes", b"1234567", "7 bytes", "8")
raw("length-zero", struct.pack("<Q", 0), "nothing", "{")
raw("length-one-too-many", struct.pack("<Q", 3) + b"{}", "got 3", "2")
raw("length-beyond-file", struct.pack("<Q", 99_999_999) + b"{}", "99999999")
raw("length-beyond-limit", struct.pack("<Q", 100_000_001) + b"{}", "100000001", "100000000")
raw("length-max", b"\xff" * 8 + b"{}", "18446744073709551615")
raw("length-wraps", struct.pack("<Q", 2**64 - 8) + b"{}", "18446744073709551608")
raw("git-lfs-pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "LFS")

# The text.
text("not-an-object", "[]", r"\[")
text("leading-space", " {}", r"got \" \"")
text("byte-order-mark", b"\xef\xbb\xbf{}", r"xef")
text("utf16", "{}".encode("utf-16-le"), "byte 9")
text("not-utf8", b'{"a\xff":{}}', "UTF-8")
text("overlong-utf8", b'{"a\xc0\xaf":{}}', "UTF-8")
text("surrogate", '{"a\\ud800":{}}', "escape")
text("unclosed", '{"a":{"dtype":"U8"', "JSON")
text("two-values", "{}{}", "byte 10")
text("nul-behind", b"{}\0", "byte 10")
text("trailing-comma", '{"a":{"dtype":"U8","shape":[],"data_offsets":[0,0]},}', "JSON")
text("comment", '{/* a */}', "JSON")
text("single-quotes", "{'a':{}}", "JSON")
text("raw-control-character", '{"a\x01":{}}', "control character")
text("deep", '{"a":' + "[" * 50_000 + "]" * 50_000 + "}", "deep", "a: ")
text("deep-objects", '{"a":' * 1000 + "1" + "}" * 1000, "deep")
text("nan", '{"a":{"dtype":"U8","shape":[NaN],"data_offsets":[0,0]}}', "a: ", "JSON")
text("metadata-twice", '{"__metadata__":{},"__metadata__":{}}', "__metadata__", "twice")
text("metadata-array", '{"__metadata__":[]}', "__metadata__", "object")
text("metadata-number", '{"__metadata__":{"format":1}}', "__metadata__", "format", "string")
text("metadata-key-twice", '{"__metadata__":{"a":"1","a":"2"}}', "__metadata__", "twice")
text("member-of-20-mb", '{"__metadata__":{"a":"' + "x" * 20_000_000 + '"}}', "a member of 20000")

# An entry.
entry("null", None, "null", "object")
entry("array", [], "object")
entry("string", "F16", "object")
entry("unknown-field", {"strides": [1]}, "strides")
entry("no-dtype", {"dtype": None}, "dtype", "null")
entry("dtype-unknown", {"dtype": "F17"}, "F17", "BF16")
entry("dtype-lower-case", {"dtype": "f16"}, "f16")
entry("dtype-escapes", {"dtype": "\x1b[31mF16"}, r"\\x1b")
entry("dtype-number", {"dtype": 16}, "16")
entry("shape-not-array", {"shape": 16}, "shape", "16")
entry("shape-negative", {"shape": [-16]}, "shape", "-16")
entry("shape-float", {"shape": [16.0]}, "shape", r"16\.0")
entry("shape-string", {"shape": ["16"]}, "shape", '"16"')
entry("shape-beyond-64-bits", {"shape": [2**64]}, "byte")
entry("shape-too-large", {"shape": [17]}, r"F16 \[17\]", "32", "34")
entry("shape-too-small", {"shape": [15]}, r"F16 \[15\]", "32", "30")
entry("shape-overflow", {"shape": [2**32, 2**32]}, r"2\^64")
entry("shape-overflow-to-zero", {"shape": [2**63, 2]}, r"2\^64")
entry("shape-overflow-to-right-size", {"shape": [2**63, 2, 16]}, r"2\^64")
entry("shape-zero-and-overflow", {"shape": [0, 2**40, 2**40]}, r"2\^64")
entry("shape-bits-overflow", {"shape": [2**61 + 2], "dtype": "F64"}, r"2\^64")
entry("shape-of-100000-dimensions", {"shape": [1] * 100_000}, "100000", "64")
entry("sub-byte-not-whole", {"dtype": "F4", "shape": [63]}, "F4", "252 bits")
entry("six-bits-not-whole", {"dtype": "F6_E2M3", "shape": [43]}, "F6_E2M3", "bits")
entry("offsets-one", {"data_offsets": [0]}, "data_offsets")
entry("offsets-three", {"data_offsets": [0, 1, 2]}, "data_offsets")
entry("offsets-float", {"data_offsets": [256.0, 288.0]}, "data_offsets", r"256\.0")
entry("offsets-negative", {"data_offsets": [-32, 0]}, "data_offsets", "-32")
entry("offsets-strings", {"data_offsets": ["256", "288"]}, "data_offsets")
entry("offsets-object", {"data_offsets": {"begin": 0, "end": 32}}, "data_offsets")
entry("offsets-begin-beyond-end", {"data_offsets": [288, 256]}, "begin")
entry("offsets-beyond-file", {"data_offsets": [256, 10**9]}, "1000000000")
entry("offsets-max", {"data_offsets": [2**64 - 33, 2**64 - 1]}, "18446744073709551615")
entry("overlap", {"data_offsets": [255, 287]}, "overlap", r"model\.embed_tokens\.weight")
entry("empty-inside-another", {"shape": [0], "data_offsets": [5, 5]}, "overlap")


@case("entry-twice", FILE, r"a: ", "twice")
def entry_twice(m):
    one = '"a":{"dtype":"U8","shape":[1],"data_offsets":[%d,%d]}'
    m.raw = safetensors(("{" + one % (0, 1) + "," + one % (1, 2) + "}").encode(), b"xy")


@case("entry-twice-by-escape", FILE, r"a: ", "twice")
def entry_twice_by_escape(m):
    one = '"%s":{"dtype":"U8","shape":[1],"data_offsets":[%d,%d]}'
    m.raw = safetensors(("{" + one % ("a", 0, 1) + "," + one % ("\\u0061", 1, 2) + "}").encode(),
                        b"xy")


@case("entry-field-twice", FILE, r"a: ", "dtype", "twice")
def field_twice(m):
    m.raw = safetensors(b'{"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"x")


@case("data-shared", FILE, "overlap", r"model\.norm\.weight", r"model\.embed_tokens\.weight")
def data_shared(m):
    true = m.entries(m.tensors)[0]["model.norm.weight"]
    m.edit["model.norm.weight"] = {**true, "data_offsets": [0, 32]}


@case("data-hole", FILE + r"b: ", "hole")
def hole(m):
    one = '"%s":{"dtype":"U8","shape":[1],"data_offsets":[%d,%d]}'
    m.raw = safetensors(("{" + one % ("a", 0, 1) + "," + one % ("b", 2, 3) + "}").encode(), b"xyz")


@case("data-too-long", FILE, "data goes on")
def data_too_long(m):
    m.data = m.entries(m.tensors)[1] + b"x"


@case("data-truncated", FILE + "is cut off: ", r"model\.layers\.0\.mlp\.up_proj\.scales", "hf download")
def data_truncated(m):
    m.data = m.entries(m.tensors)[1][:-1]


@case("data-missing", FILE + "is cut off: ", "5 of its 5 tensors", r"model\.embed_tokens\.weight")
def data_missing(m):
    m.data = b""


# Names.
def named(name, tensor, *patterns):
    @case(f"name-{name}", FILE, *patterns)
    def spoil(m):
        m.edit[tensor] = {"dtype": "U8", "shape": [1], "data_offsets": [10**9, 10**9 + 1]}


named("empty", "", "empty")
named("nul", "a\0b", r"a\\x00b", "NUL")
named("newline", "a\nthaw: all is well", r"a\\nthaw: all is well: ")
named("terminal-escape", "\x1b[2J\x1b[1;1Hgone", r"\\x1b\[2J\\x1b\[1;1Hgone")
named("c1-control", "a\u009b31m", r"a\\xc2\\x9b31m")
named("bidirectional", "a\u202eb", r"a\\xe2\\x80\\xaeb")
named("carriage-return", "a\rb", r"a\\rb")
named("parent", "../../../etc/passwd", r"\.\./\.\./\.\./etc/passwd: ")
named("absolute", "/etc/passwd", r"/etc/passwd: ")
named("10-mb", "n" * 10_000_000, "10000000 bytes", r"n\.\.\.\(")
named("format-string", "%s%n%p", "%s%n%p: ")


@case("many-errors", FILE, "t0: ", "and 480 more")
def many_errors(m):
    m.raw = safetensors(json.dumps({f"t{i}": 1 for i in range(500)}).encode())
