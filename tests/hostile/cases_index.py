"""Indexes that lie, and shards that are missing: specs/checkpoint.md clauses 2 and 3."""

import os

from cases import case

INDEX = r"model\.safetensors\.index\.json: "
NORM = r"model\.norm\.weight: "


def shard_name(name, shard, *patterns):
    @case(f"index-shard-{name}", INDEX + NORM, *patterns)
    def spoil(m):
        weight_map = m.split()
        weight_map["model.norm.weight"] = shard
        m.index = {"weight_map": weight_map}


shard_name("parent", "../model-00001-of-00002.safetensors", r"\.\./model")
shard_name("absolute", "/etc/passwd", "/etc/passwd")
shard_name("folder", "sub/model-00001-of-00002.safetensors", "sub/")
shard_name("dots", "..", r"\.\.")
shard_name("empty", "", "empty")
shard_name("nul", "model-00001-of-00002.safetensors\0x", "control character")
shard_name("escape", "\x1b[31m.safetensors", r"\\x1b")
shard_name("backslash", "..\\x.safetensors", "backslash")
shard_name("pickle", "pytorch_model.bin", "safetensors")
shard_name("number", 1, "got 1")
shard_name("null", None, "null")
shard_name("object", {}, r"\{\}")
shard_name("long", "x" * 5000 + ".safetensors", "240")
shard_name("other", "model-00002-of-00002.safetensors", "00001-of-00002", "00002-of-00002")


def index(name, *patterns):
    def add(change):
        @case(f"index-{name}", *patterns)
        def spoil(m):
            weight_map = m.split()
            change(m, weight_map)
    return add


def text(name, content, *patterns):
    @index(name, INDEX, *patterns)
    def change(m, weight_map):
        m.index_text = content


text("empty-file", b"", "empty")
text("not-json", b"{", "JSON")
text("not-an-object", b"[]", "object")
text("no-weight-map", b"{}", "weight_map")
text("empty-weight-map", b'{"weight_map":{}}', "no tensor")
text("weight-map-array", b'{"weight_map":[]}', "object")
text("weight-map-twice", b'{"weight_map":{"a":"a.safetensors"},"weight_map":{}}', "twice")
text("nan", b'{"metadata":{"total_size":NaN},"weight_map":{"a":"a.safetensors"}}', "JSON")
text("trailing", b'{"weight_map":{"a":"a.safetensors"}} x', "JSON")
text("deep", b'{"metadata":' + b"[" * 9999 + b'],"weight_map":{"a":"a.safetensors"}}', "JSON")


@index("shard-missing", r"model-00003\.safetensors: ", "not there")
def shard_missing(m, weight_map):
    m.index = {"weight_map": {**weight_map, "a": "model-00003.safetensors"}}


@index("tensor-nowhere", INDEX + r"a\.b: ", "no shard holds it")
def tensor_nowhere(m, weight_map):
    m.index = {"weight_map": {**weight_map, "a.b": "model-00001-of-00002.safetensors"}}


@index("tensor-unlisted", INDEX + NORM, "does not list")
def tensor_unlisted(m, weight_map):
    del weight_map["model.norm.weight"]
    m.index = {"weight_map": weight_map}


@index("tensor-listed-twice", INDEX + r"a: ", "twice|no shard")
def tensor_listed_twice(m, weight_map):
    pairs = ",".join(f'"{k}":"{v}"' for k, v in weight_map.items())
    first = "model-00001-of-00002.safetensors"
    m.index_text = ('{"weight_map":{' + pairs + f',"a":"{first}","a":"{first}"}}}}').encode()


@index("tensor-in-two-shards", r"model-00002-of-00002\.safetensors: " + NORM, "two shards",
       "model-00001-of-00002")
def tensor_in_two_shards(m, weight_map):
    m.shards[1][1].append("model.norm.weight")


@case("set-incomplete", "number 2")
def set_incomplete(m):
    m.split()

    def after(directory):
        os.remove(os.path.join(directory, "model.safetensors.index.json"))
        os.remove(os.path.join(directory, "model-00002-of-00002.safetensors"))
    m.after = after


@case("set-of-two-models", "more than one model")
def set_of_two_models(m):
    m.split()

    def after(directory):
        os.remove(os.path.join(directory, "model.safetensors.index.json"))
        path = os.path.join(directory, "model-0000%s.safetensors")
        os.rename(path % "2-of-00002", path % "2-of-00003")
    m.after = after
