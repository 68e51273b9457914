"""What belongs to a model stays with it, and what is missing is said: specs/checkpoint.md."""

import json
import os
import shutil
import struct
import unittest

from support import Case, read_checkpoint, run, tree, write_safetensors

AWQ = {"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemm", "zero_point": True}


def plain(*shape):
    count = 1
    for extent in shape:
        count *= extent
    return ("F16", list(shape), struct.pack("<e", 0.5) * count)


def awq(module, inputs, outputs):
    """A linear of AWQ GEMM: codes of 3, zeros of 1, scales of 0.25, so that every weight is 0.5."""
    groups = inputs // 32
    return {f"{module}.qweight": ("I32", [inputs, outputs // 8], b"\x33" * (inputs * outputs // 2)),
            f"{module}.qzeros": ("I32", [groups, outputs // 8], b"\x11" * (groups * outputs // 2)),
            f"{module}.scales": ("F16", [groups, outputs],
                                 struct.pack("<e", 0.25) * (groups * outputs))}


def llama(layers=2, path="model.", head=True, embedding=True):
    tensors = {}
    if embedding:
        tensors[f"{path}embed_tokens.weight"] = plain(32, 64)
    for i in range(layers):
        layer = f"{path}layers.{i}."
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{layer}{norm}.weight"] = plain(64)
        for name in "qkvo":
            tensors |= awq(f"{layer}self_attn.{name}_proj", 64, 64)
        tensors |= awq(f"{layer}mlp.gate_proj", 64, 128) | awq(f"{layer}mlp.up_proj", 64, 128)
        tensors |= awq(f"{layer}mlp.down_proj", 128, 64)
    tensors[f"{path}norm.weight"] = plain(64)
    if head:
        tensors["lm_head.weight"] = plain(32, 64)
    return tensors


def without(tensors, beginning):
    return {name: value for name, value in tensors.items() if not name.startswith(beginning)}


class CompanionsCase(Case):
    def write_model(self, tensors, name="m", file="model.safetensors", **config):
        folder = self.work / name
        folder.mkdir(exist_ok=True)
        content = {"model_type": "llama", "num_hidden_layers": 2, "torch_dtype": "float16",
                   "quantization_config": AWQ} | config
        (folder / "config.json").write_text(json.dumps(content))
        (folder / "tokenizer.json").write_text("{}")
        write_safetensors(folder / file, tensors)
        return folder

    def write_index(self, folder, parts, name="model.safetensors.index.json"):
        """Writes the shards, {file: tensors}, and the index that names them."""
        for file, tensors in parts.items():
            write_safetensors(folder / file, tensors)
        self.write_map(folder, parts, name)

    @staticmethod
    def write_map(folder, parts, name="model.safetensors.index.json"):
        names = {tensor: file for file, tensors in parts.items() for tensor in tensors}
        (folder / name).write_text(json.dumps({"metadata": {}, "weight_map": names}))

    def warnings_of(self, model, *options):
        """Of convert, with --quiet: the lines."""
        out = self.work / "out"
        shutil.rmtree(out, ignore_errors=True)
        result = self.convert(model, out, "--quiet", *options)
        return result.stderr.splitlines()

    def assert_warns(self, model, fragment, *options):
        """The warning stands with --quiet, in the dry run, in inspect, and is an error of --strict
        in convert, verify, the dry run and a part."""
        lines = self.warnings_of(model, *options)
        self.assertEqual(len(lines), 1, lines)
        self.assertIn(fragment, lines[0])
        self.assertTrue(lines[0].startswith("thaw: warning: "), lines)
        out = self.work / "out"
        self.assertIn(fragment, run("convert", model, "--dry-run", *options).stdout)
        inspected = json.loads(run("inspect", model, "--json").stdout)
        self.assertTrue(any(fragment in line for line in inspected["warnings"]), inspected)
        self.assert_exit(run("verify", out, "--against", model, *options), 0)
        for words in (("convert", model, self.work / "none"),
                      ("convert", model, "--dry-run"),
                      ("convert", model, self.work / "none", "--part", "1/2"),
                      ("verify", out, "--against", model)):
            result = run(*words, "--strict", *options)
            self.assert_refused(result, 3, fragment, "Without --strict")
        self.assertFalse((self.work / "none").exists())


class MissingTests(CompanionsCase):
    def test_a_whole_model_warns_of_nothing_and_passes_strict(self):
        model = self.write_model(llama())
        self.assertEqual(self.warnings_of(model, "--strict"), [])

    def test_missing_layers_modules_and_embeddings(self):
        for tensors, config, fragment in (
                (llama(1), {}, "config.json says num_hidden_layers 2, but of model.layers 1 is there"),
                (without(llama(), "model.layers.1.mlp.up_proj."), {},
                 "1 module that other layers have is missing: model.layers.1.mlp.up_proj"),
                (without(llama(), "model.layers.0.self_attn.o_proj."), {},
                 "missing: model.layers.0.self_attn.o_proj"),
                (llama(embedding=False), {"tie_word_embeddings": True},
                 "the embeddings are missing (model.embed_tokens.weight"),
                (llama() | {"model.rope.none": ("F16", [0], b"")}, {},
                 "1 tensor holds no values, with a 0 in the shape: model.rope.none"),
                (llama(path="model.language_model.") |
                 llama(path="model.language_model.language_model.", head=False), {},
                 "are there under two prefixes")):
            with self.subTest(fragment):
                self.assert_warns(self.write_model(tensors, **config), fragment)

    def test_a_job_may_be_strict(self):
        model = self.write_model(llama(1))
        (self.work / "jobs").mkdir()
        job = self.work / "jobs" / "j.json"
        for strict in (True, False):
            job.write_text(json.dumps({"input": str(model), "output": str(self.work / "out"),
                                       "strict": strict}))
            result = run("run", job)
            self.assert_exit(result, 3 if strict else 0)
            self.assertIn("num_hidden_layers 2", result.stderr)


class PredictionBlockTests(CompanionsCase):
    def blocks(self):
        return {name: value for name, value in llama(3).items()
                if name.startswith("model.layers.2.")}

    def test_a_shard_that_nothing_names_is_read_where_the_config_speaks_of_it(self):
        model = self.write_model(llama(), num_nextn_predict_layers=1)
        write_safetensors(model / "mtp.safetensors", self.blocks())
        self.assertEqual(self.warnings_of(model), [])
        names = set(read_checkpoint(self.work / "out"))
        self.assertIn("model.layers.2.mlp.up_proj.weight", names)
        self.assertIn("model.layers.1.mlp.up_proj.weight", names)
        self.write_map(model, {"model.safetensors": llama()})  # an index that does not name it
        self.assertEqual(self.warnings_of(model), [])
        self.assertEqual(set(read_checkpoint(self.work / "out")), names)

    def test_else_it_is_named(self):
        model = self.write_model(llama())
        write_safetensors(model / "mtp.safetensors", self.blocks())
        self.assert_warns(model, "are left behind, because neither an index nor config.json speaks "
                                 "of them: mtp.safetensors")


class SideFileTests(CompanionsCase):
    FILES = ("spk_dict.pt", "assets/Vocos.pt", "speech.onnx", "2_Dense/model.safetensors",
             "2_Dense/config.json")
    LEFT = ("pytorch_model.bin", "consolidated.safetensors", "x.gguf", "tf_model.h5", "optimizer.pt",
            "adapter_model.safetensors", "adapter_config.json")

    def add_files(self, model):
        for name in self.FILES + self.LEFT:
            (model / name).parent.mkdir(exist_ok=True)
            (model / name).write_bytes(b"12345" + name.encode())

    def test_what_is_no_form_of_the_model_is_carried(self):
        model = self.write_model(llama())
        self.add_files(model)
        out = self.work / "out"
        result = self.convert(model, out, "--strict")
        for name in self.FILES:
            self.assertEqual((out / name).read_bytes(), (model / name).read_bytes())
        for name in self.LEFT:
            self.assertFalse((out / name).exists(), name)
            self.assertIn(name, result.stderr)
        carried = sum((model / name).stat().st_size for name in self.FILES + ("tokenizer.json",))
        self.assertIn(f"with 6 side files of {carried} B", result.stderr)
        plan = json.loads(run("convert", model, "--dry-run", "--json").stdout)
        self.assertEqual(plan["side_bytes"], carried)
        self.assert_exit(run("verify", out, "--against", model), 0)
        # A module in a folder of its own is no other checkpoint, where the new output has it too.
        before = tree(out)
        self.convert(model, out, "--force")
        self.assertEqual(tree(out), before)
        shutil.rmtree(model / "2_Dense")
        self.assert_refused(run("convert", model, out, "--force"), 2, "holds another checkpoint")

    def test_with_a_base_they_are_the_base_s(self):
        base = self.work / "base"
        shutil.copytree(self.model("qwen2_5_vl-overlay").parent / "base", base)
        self.add_files(base)
        out = self.work / "out"
        self.convert(self.model("qwen2_5_vl-overlay").parent / "awq", out, "--base", base)
        for name in self.FILES:
            self.assertEqual((out / name).read_bytes(), (base / name).read_bytes())
        for name in self.LEFT:
            os.remove(base / name)
        before = {name: (base / name).read_bytes() for name in self.FILES}
        self.convert(self.model("qwen2_5_vl-overlay").parent / "awq", "--base", base, "--in-place")
        self.assertEqual({name: (base / name).read_bytes() for name in self.FILES}, before)

    def test_in_place_does_not_lose_an_adapter(self):
        base = self.work / "base"
        shutil.copytree(self.model("qwen2_5_vl-overlay").parent / "base", base)
        (base / "adapter_config.json").write_text("{}")
        before = tree(base)
        result = run("convert", self.model("qwen2_5_vl-overlay").parent / "awq", "--base", base,
                     "--in-place")
        self.assert_refused(result, 2, "adapter_config.json", "--keep-backup")
        self.assertEqual(tree(base), before)

    def test_an_adapter_that_the_spec_makes_a_part_is_carried(self):
        specs = self.work / "specs"
        specs.mkdir()
        (specs / "s.json").write_text(json.dumps({
            "model_types": ["llama"], "layers": ["model.layers"],
            "linears": ["self_attn.q_proj", "self_attn.q_proj.lora_A.vision"]}))
        model = self.write_model(llama())
        for name in ("adapter_model.safetensors", "adapter_config.json"):
            (model / "vision-lora").mkdir(exist_ok=True)
            (model / "vision-lora" / name).write_text("{}")
        out = self.work / "out"
        self.convert(model, out, env={"THAW_MODELS": str(specs)})
        self.assertTrue((out / "vision-lora" / "adapter_model.safetensors").exists())
        self.assertTrue((out / "vision-lora" / "adapter_config.json").exists())
        self.convert(model, self.work / "without")
        self.assertFalse((self.work / "without" / "vision-lora").exists())


class WhichShardsTests(CompanionsCase):
    def test_old_names_of_gptq_s_tools(self):
        expected = self.write_model(llama(), "plain")
        self.convert(expected, self.work / "plain-out")
        name = "gptq_model-4bit-128g"
        model = self.write_model(llama(), "one", f"{name}.safetensors")
        self.convert(model, self.work / "one-out")
        self.assertEqual(tree(self.work / "one-out"), tree(self.work / "plain-out"))
        names = sorted(llama())
        parts = {f"{name}-0000{i + 1}-of-00002.safetensors": {n: llama()[n] for n in names[i::2]}
                 for i in range(2)}
        os.remove(model / f"{name}.safetensors")
        self.write_index(model, parts, f"{name}.safetensors.index.json")
        shutil.rmtree(self.work / "one-out")
        self.convert(model, self.work / "one-out")
        self.assertEqual(tree(self.work / "one-out"), tree(self.work / "plain-out"))

    def test_an_index_of_others_is_left_aside(self):
        model = self.write_model(llama())
        self.write_map(model, {"model-00001-of-00002.safetensors": {"model.norm.weight": None}})
        self.assert_warns(model, "is left aside: it does not name model.safetensors")
        write_safetensors(model / "model-00001-of-00002.safetensors",
                          {"model.norm.weight": plain(64)})
        self.assert_warns(model, "is left aside: it does not name model.safetensors")

    def test_one_shard_of_several(self):
        model = self.write_model(llama())
        os.rename(model / "model.safetensors", model / "model-00001-of-00002.safetensors")
        shard = model / "model-00001-of-00002.safetensors"
        result = run("convert", shard, self.work / "out")
        self.assert_refused(result, 3, "is one shard of several (1 of 2)",
                            f"Pass the directory as MODEL: {model}", "--this-file-only")
        result = self.convert(shard, self.work / "out", "--this-file-only")
        self.assertIn("; without tokenizer.json", result.stderr)
        self.assertIn("--this-file-only", result.stderr)  # in the command that comes next
        self.assert_exit(run("verify", self.work / "out", "--against", shard), 3)
        self.assert_exit(run("verify", self.work / "out", "--against", shard, "--this-file-only"), 0)
        self.assertIn("is one shard of several", run("inspect", shard).stdout)


class MessageTests(CompanionsCase):
    def test_a_missing_shard_and_a_stale_index(self):
        names = sorted(llama())
        parts = {f"model-0000{i + 1}-of-00002.safetensors": {n: llama()[n] for n in names[i::2]}
                 for i in range(2)}
        model = self.write_model({}, file="x.tmp")
        os.remove(model / "x.tmp")
        self.write_index(model, parts)
        stale = {file.replace("-of-00002", "-of-00003"): tensors for file, tensors in parts.items()}
        self.write_map(model, stale)
        result = run("convert", model, self.work / "out")
        self.assert_refused(result, 3, "index.json: is stale: it names model-00001-of-00003",
                            f"rm {model}/model.safetensors.index.json")
        self.assertEqual(len(result.stderr.splitlines()), 2)
        os.remove(model / "model.safetensors.index.json")
        self.convert(model, self.work / "out")
        self.write_map(model, parts)
        os.remove(model / "model-00002-of-00002.safetensors")
        self.assert_refused(run("convert", model, self.work / "no"), 3,
                            "model-00002-of-00002.safetensors: is not there",
                            f"hf download ORG/NAME --local-dir {model}")

    def test_a_truncated_shard_is_one_line(self):
        model = self.write_model(llama())
        size = (model / "model.safetensors").stat().st_size
        os.truncate(model / "model.safetensors", size - 20000)
        result = run("convert", model, self.work / "out")
        self.assert_refused(result, 3, f"is cut off: it has {size - 20000} bytes and should have "
                                       f"{size}; ", "tensors lie beyond its end, the first is ",
                            "hf download")
        self.assertEqual(len(result.stderr.splitlines()), 2)


class ActivationScaleTests(CompanionsCase):
    def experts(self, scales_name):
        tensors = without(llama(path="language_model.model."), "language_model.model.layers.0.mlp.")
        tensors = without(tensors, "language_model.model.layers.1.mlp.")
        for i in range(2):
            for e in range(2):
                expert = f"language_model.model.layers.{i}.feed_forward.experts.{e}."
                tensors |= awq(expert + "gate_proj", 64, 128) | awq(expert + "up_proj", 64, 128)
                tensors |= awq(expert + "down_proj", 128, 64)
                tensors[expert + scales_name] = ("F16", [128], struct.pack("<e", 0.5) * 64 +
                                                 struct.pack("<e", 2.0 ** e) * 64)
        return tensors

    def test_experts_of_llama4(self):
        model = self.write_model(self.experts("activation_fn.scales"), model_type="llama4")
        self.assertEqual(self.warnings_of(model, "--strict"), [])
        tensors = read_checkpoint(self.work / "out")
        # As Llama 4 holds its experts: all in one, and transposed.
        columns = b""
        for e in range(2):
            columns += struct.pack("<e", 1.0) * 64 * 64
            columns += struct.pack("<e", 0.5 / 2.0 ** e) * 64 * 64
        self.assertEqual(tensors["language_model.model.layers.1.feed_forward.experts.down_proj"],
                         ("F16", [2, 128, 64], columns))
        self.assertFalse([name for name in tensors if name.endswith(".scales")])

    def test_without_a_rule_the_hint_says_where_it_would_go(self):
        model = self.write_model(self.experts("act.scales"), model_type="llama4")
        self.assert_refused(run("convert", model, self.work / "out"), 3, "no rule of the model spec "
                            "llama4 names them", "activation_scales of ", "/llama4.json",
                            "feed_forward.experts.#.act.scales")


if __name__ == "__main__":
    unittest.main()
