"""Model specs that lie: specs/models.md. The checkpoint beside them is right and needs one."""

import json
import os

from cases import case
from cases_quant import starcoder

GOOD = {"model_types": ["starcoder2"], "layers": ["model.layers"],
        "linears": ["mlp.c_fc", "mlp.c_proj"],
        "activation_scales": [{"scales": "mlp.act.scales", "divides": "mlp.c_proj"}]}


def specs(name, write, *patterns, code=3):
    """`write(directory)` makes the directory of specs."""
    @case(f"spec-{name}", *patterns, code=code)
    def spoil(m):
        starcoder(m)
        m.environment = {"THAW_MODELS": "{}/specs"}

        def after(directory):
            folder = os.path.join(os.path.dirname(directory), "specs")
            os.mkdir(folder)
            write(folder)
        m.after = after


def put(folder, name, content):
    with open(os.path.join(os.fsencode(folder), os.fsencode(name)), "wb") as file:
        file.write(content)


def text(name, content, *patterns, code=3):
    specs(name, lambda folder: put(folder, "a.json", content),
          *([r"specs/a\.json: "] if code else []), *patterns, code=code)


def changed(name, change, *patterns, code=3):
    text(name, json.dumps({**GOOD, **change}).encode(), *patterns, code=code)


changed("good", {}, code=0)
text("empty", b"", "JSON")
text("not-json", b"{", "JSON")
text("array", b"[]", "not an object")
text("null", b"null", "not an object")
text("nan", b'{"model_types":NaN}', "JSON")
text("byte-order-mark", b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), "byte order mark|JSON")
text("not-utf8", b'{"model_types":["\xff"]}', "UTF-8")
text("key-twice", b'{"layers":["a"],"layers":["a"]}', "twice")
text("deep", b'{"layers":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "nested")
text("too-large", b'{"layers":["' + b"x" * 1_100_000 + b'"]}', "too large", "1048576")
changed("name-of-1-mb", {"model_types": ["x" * 500_000] * 2}, "twice", r"x\.\.\.\(")
text("many-values", b'{"layers":[' + b"1," * 400_000 + b"1]}", "layers|values")
text("git-lfs-pointer", b"version https://git-lfs.github.com/spec/v1\n", "JSON")
changed("unknown-key", {"linear": []}, "linear: is not a key")
changed("unknown-key-with-escapes", {"\x1b[2J": 1}, r"\\x1b\[2J: is not a key")
changed("unknown-key-bidirectional", {"a\u202eb": 1}, r"a\\xe2\\x80\\xaeb")

for key in ("model_types", "layers", "linears"):
    text(f"no-{key}", json.dumps({k: v for k, v in GOOD.items() if k != key}).encode(),
         f"{key}: is missing")
    for kind, value in (("null", None), ("string", "a"), ("number", 7), ("object", {"a": 1}),
                        ("empty", []), ("numbers", [1]), ("nested", [["a"]]), ("blank", [""])):
        changed(f"{key}-{kind}", {key: value}, f"{key}: ")
    changed(f"{key}-twice", {key: ["q", "q"]}, f"{key}: ", "twice")

for name in ("..", "a..b", ".a", "a.", ".", "../../etc/passwd"):
    changed(f"layers-{name.replace('/', '_')}", {"layers": [name]}, "layers: ", "single dots")
    changed(f"linears-{name.replace('/', '_')}", {"linears": ["mlp.c_proj", name]}, "linears: ",
            "single dots")
changed("layers-with-escapes", {"layers": ["\x1b[2J."]}, r"\\x1b\[2J")

for kind, value in (("null", None), ("object", {}), ("string", "a"), ("number", [1]),
                    ("list", [[]])):
    changed(f"scales-{kind}", {"activation_scales": value}, "activation_scales")


def rule(name, change, *patterns):
    good = GOOD["activation_scales"][0]
    changed(f"rule-{name}", {"activation_scales": [{**good, **change}]},
            r"activation_scales\[0\]", *patterns)


rule("unknown-key", {"a": 1}, "is not a key")
rule("scales-number", {"scales": 1}, "not a string")
rule("scales-null", {"scales": None}, "not a string")
rule("divides-list", {"divides": ["mlp.c_proj"]}, "not a string")
rule("other-ending", {"scales": "mlp.act.scale"}, "does not end in")
rule("unknown-linear", {"divides": "mlp.c_projection"}, "not one of the linears")
rule("dots", {"scales": "..scales"}, "single dots")
rule("escapes", {"divides": "\x1b]0;x\x07"}, r"\\x1b\]0;x\\x07")
changed("rule-twice", {"activation_scales": GOOD["activation_scales"] * 2}, "another rule")
changed("rule-incomplete", {"activation_scales": [{"scales": "a.scales"}]}, "divides: is missing")
changed("rules-1000", {"activation_scales": [{"scales": f"a{i}"} for i in range(1000)]}, "more")


# Keys for overlays.

for key in ("layer_count", "extra_layer_count", "floats", "optional"):
    for kind, value in (("null", None), ("string", "a"), ("number", 7), ("empty", []),
                        ("numbers", [1]), ("blank", [""]), ("dots", ["a..b"]),
                        ("up", ["../x"]), ("escapes", ["\x1b[2J."])):
        changed(f"{key}-{kind}", {key: value}, f"{key}: ")
    changed(f"{key}-twice", {key: ["mlp.c_fc", "mlp.c_fc"]}, f"{key}: ", "twice")
changed("layer_count-with-a-number-sign", {"layer_count": ["a.#"]}, "layer_count: ", "no meaning")
changed("layers-with-a-number-sign", {"layers": ["model.#"]}, "layers: ", "no meaning")
changed("number-sign-inside-a-part", {"floats": ["a.b#"]}, "floats: ", "a part of its own")
changed("linear-also-float", {"floats": ["mlp.c_proj"]}, "floats: ", "is also")
changed("linear-also-by-a-number-sign", {"linears": ["mlp.c_fc", "mlp.c_proj", "a.#", "a.7"]},
        "linears: ", "is also")
changed("optional-unknown", {"optional": ["norm"]}, "optional: ", "not one of")


def absorbs(name, rules, *patterns):
    changed(f"absorbs-{name}", {"floats": ["norm", "other"], "absorbs": rules}, "absorbs",
            *patterns)


NORM = {"module": "norm", "linears": ["mlp.c_fc"]}
absorbs("null", None, "not an array")
absorbs("object", {}, "not an array")
absorbs("number", [1], "not an object")
absorbs("unknown-key", [{**NORM, "scale": 1}], "is not a key")
absorbs("no-module", [{"linears": ["mlp.c_fc"]}], "is missing")
absorbs("no-linears", [{"module": "norm"}], "is missing")
absorbs("module-number", [{**NORM, "module": 1}], "not a string")
absorbs("module-unknown", [{**NORM, "module": "norm2"}], "not one of")
absorbs("module-escapes", [{**NORM, "module": "\x1b]0;x\x07"}], r"\\x1b\]0;x\\x07")
absorbs("linears-string", [{**NORM, "linears": "mlp.c_fc"}], "array")
absorbs("linears-empty", [{**NORM, "linears": []}], "array")
absorbs("linears-unknown", [{**NORM, "linears": ["mlp"]}], "not one of the linears")
absorbs("itself", [{"module": "mlp.c_fc", "linears": ["mlp.c_fc"]}], "the module itself")
absorbs("twice", [NORM, NORM], "another rule")
absorbs("linear-in-two", [NORM, {**NORM, "module": "other"}], "stands in the rule of")
for kind, value in (("string", "1"), ("float", 0.5), ("null", None), ("list", [1])):
    absorbs(f"offset-{kind}", [{**NORM, "offset": value}], "offset")
changed("absorbs-offset-beyond-64-bits", {"absorbs": [{**NORM, "offset": 2**64}]}, "byte|JSON")


def prefixes(name, value, *patterns):
    changed(f"prefixes-{name}", {"prefixes": value}, "prefixes", *patterns)


prefixes("null", None, "not an array")
prefixes("strings", ["visual"], "array")
prefixes("empty-list", [[]], "array")
prefixes("numbers", [[1]], "not a string")
prefixes("dots", [["visual."]], "single dots")
prefixes("in-two-lists", [["a", "b"], ["b", "c"]], "another list")
prefixes("of-the-layers", [["model.layers", "a"]], "where the layers are")
prefixes("escapes", [["a\u009b31m.."]], r"\\xc2\\x9b31m")

# What could take the square of its number.
MANY = [f"a{i:x}" for i in range(100_000)]
for key in ("linears", "model_types", "floats", "optional"):
    changed(f"100000-{key}", {key: MANY}, "more values")
changed("80000-prefixes", {"prefixes": [[name] for name in MANY[:80_000]]}, "more values")
changed("20000-absorbs", {"absorbs": [{"module": name, "linears": ["q"]}
                                      for name in MANY[:20_000]]}, "more values")
changed("name-of-many-parts", {"linears": ["mlp.c_proj", ".".join("a" * 300_000)]}, code=0)


def two(folder):
    put(folder, "a.json", json.dumps(GOOD).encode())
    put(folder, "b.json", json.dumps(GOOD).encode())


specs("one-type-in-two", two, r"b\.json: ", "served by")
specs("directory-empty", lambda folder: None, "no model spec serves")
specs("directory-missing", os.rmdir, "specs: ")
specs("name-with-escapes", lambda folder: put(folder, "\x1b[2J.json", b"{"), r"\\x1b\[2J")
specs("name-not-utf8", lambda folder: put(folder, b"\xff.json", b"{"), r"\\xff")
specs("is-a-fifo", lambda folder: os.mkfifo(os.path.join(folder, "a.json")), r"a\.json: ",
      "not a regular file")
specs("is-a-device", lambda folder: os.symlink("/dev/zero", os.path.join(folder, "a.json")),
      r"a\.json: ", "not a regular file")
specs("is-a-folder", lambda folder: os.mkdir(os.path.join(folder, "a.json")), r"a\.json: ",
      "directory|regular file")
specs("links-to-nothing", lambda folder: os.symlink("b", os.path.join(folder, "a.json")),
      r"a\.json: ", "No such file|not there")
specs("links-to-itself", lambda folder: os.symlink("a.json", os.path.join(folder, "a.json")),
      r"a\.json: ")


@case("spec-directory-is-a-file", r"specs: ")
def directory_is_file(m):
    starcoder(m)
    m.environment = {"THAW_MODELS": "{}/specs"}
    m.after = lambda directory: put(os.path.dirname(directory), "specs", b"")
