"""What a conversion writes: every tensor, the config, the side files, the shards."""

import json
import re
import shutil
import struct

from support import (COMPRESSED, DATA, LLAMA, QWEN, Case, Shard, hashes, read_checkpoint, run,
                     tree)


def config_after(text, dtype=None):
    """config.json as thaw must leave it: without its quantization_config, else byte for byte."""
    text = re.sub(r'  "quantization_config": \{[^}]*\},\n', "", text)
    return text if dtype is None else text.replace('"torch_dtype": "float16"',
                                                   f'"torch_dtype": "{dtype}"')


def halves(data):
    return [value for (value,) in struct.iter_unpack("<f", data)]


def bfloat16_bits(data):
    """float32 bytes rounded to bfloat16, nearest even."""
    out = bytearray()
    for (bits,) in struct.iter_unpack("<I", data):
        out += struct.pack("<H", (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)
    return bytes(out)


def float16_bits(data):
    values = halves(data)
    return struct.pack(f"<{len(values)}e", *values)


class Fixtures(Case):
    def test_every_tensor_has_the_expected_bits(self):
        for name in QWEN + COMPRESSED + LLAMA:
            with self.subTest(name):
                out = self.work / name
                self.convert(self.model(name), out)
                expected = json.loads((DATA / name / "expected.json").read_text())
                self.assertEqual(hashes(out), expected)

    def test_config_differs_by_the_documented_edit_only(self):
        before = (self.model() / "config.json").read_text()
        for dtype in ("float16", "bfloat16", "float32"):
            with self.subTest(dtype):
                self.convert(self.model(), self.work / dtype, "--dtype", dtype)
                after = (self.work / dtype / "config.json").read_text()
                self.assertEqual(after, config_after(before, dtype))

    def test_side_files_are_carried_and_nothing_else_is_there(self):
        model = self.work / "model"
        shutil.copytree(self.model(), model)
        (model / "chat").mkdir()
        (model / "chat" / "template.jinja").write_text("{{ messages }}")
        carried = ("generation_config.json", "special_tokens_map.json", "tokenizer.json",
                   "tokenizer_config.json", "chat/template.jinja")
        for name in ("quant_log.csv", "recipe.yaml", "pytorch_model.bin"):
            (model / name).write_text("{}")
        result = self.convert(model, self.work / "out")
        for name in carried:
            self.assertEqual((self.work / "out" / name).read_bytes(), (model / name).read_bytes())
        self.assertEqual(set(tree(self.work / "out")) - set(carried) - {"chat"},
                         {"config.json", "model.safetensors"})
        for name in ("quant_log.csv", "recipe.yaml", "pytorch_model.bin"):
            self.assertIn(name, result.stderr)

    def test_shards_are_aligned_and_say_what_they_are(self):
        for dtype in ("float16", "float32"):
            self.convert(self.model(), self.work / dtype, "--dtype", dtype)
            shard = Shard(self.work / dtype / "model.safetensors")
            self.assertEqual(shard.metadata["format"], "pt")
            self.assertEqual(shard.data_begin % 4096, 0)
            for name, entry in shard.tensors.items():
                element = 4 if entry["dtype"] == "F32" else 2
                self.assertEqual(entry["data_offsets"][0] % element, 0, name)

    def test_small_shards_have_an_index_and_the_same_tensors(self):
        self.convert(self.model(), self.work / "one")
        self.convert(self.model(), self.work / "many", "--max-shard-size", "200kB")
        one, many = read_checkpoint(self.work / "one"), read_checkpoint(self.work / "many")
        self.assertEqual(one, many)
        names = sorted(path.name for path in (self.work / "many").glob("*.safetensors"))
        count = len(names)
        self.assertGreater(count, 2)
        self.assertEqual(names, [f"model-{i + 1:05}-of-{count:05}.safetensors"
                                 for i in range(count)])
        for name in names:
            sizes = [end - begin for begin, end in (
                entry["data_offsets"] for entry in Shard(self.work / "many" / name)
                .tensors.values())]
            self.assertTrue(sum(sizes) <= 200_000 or len(sizes) == 1, name)
        index = json.loads((self.work / "many" / "model.safetensors.index.json").read_text())
        self.assertEqual(index["metadata"]["total_size"],
                         sum(len(data) for _, _, data in many.values()))

    def test_narrow_types_are_float32_rounded_once(self):
        outputs = {}
        for dtype, options in (("float32", []), ("float16", []), ("bfloat16", []),
                               ("via", ["--rounding", "via-float16"])):
            out = self.work / dtype
            real = "bfloat16" if dtype == "via" else dtype
            self.convert(self.model(), out, "--dtype", real, *options)
            outputs[dtype] = read_checkpoint(out)
        for name, (dtype, shape, data) in outputs["float32"].items():
            self.assertEqual(dtype, "F32", name)
            half = float16_bits(data)
            self.assertEqual(outputs["float16"][name], ("F16", shape, half), name)
            self.assertEqual(outputs["bfloat16"][name], ("BF16", shape, bfloat16_bits(data)), name)
            values = struct.unpack(f"<{len(half) // 2}e", half)
            twice = bfloat16_bits(struct.pack(f"<{len(values)}f", *values))
            self.assertEqual(outputs["via"][name], ("BF16", shape, twice), name)

    def test_a_bare_file_gives_weights_and_config(self):
        self.convert(self.model("qwen2-awq-marlin"), self.work / "folder")
        self.convert(self.model("qwen2-awq-marlin") / "model.safetensors", self.work / "bare")
        self.assertEqual(set(tree(self.work / "bare")), {"model.safetensors", "config.json"})
        for name, digest in tree(self.work / "bare").items():
            self.assertEqual(tree(self.work / "folder")[name], digest, name)

    def test_a_second_conversion_has_nothing_to_do(self):
        self.convert(self.model(), self.work / "out")
        result = run("convert", self.work / "out", self.work / "again")
        self.assert_refused(result, 3)
        self.assertFalse((self.work / "again").exists())
