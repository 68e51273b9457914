"""Experts in the architecture's form, against what transformers saves. specs/models.md clause 7."""

import hashlib
import json
import shutil

from support import DATA, Case, Shard, available_isas, read_checkpoint, run, write_safetensors

NAMES = ("gpt_oss", "llama4", "mixtral", "gemma4")


def hashes(folder):
    return {name: {"dtype": dtype, "shape": list(shape),
                   "sha256": hashlib.sha256(data).hexdigest()}
            for name, (dtype, shape, data) in read_checkpoint(folder).items()}


class Experts(Case):
    def source(self, name):
        return DATA / "experts" / name / "model"

    def changed(self, name, change, config=None):
        """A copy of the model whose tensors `change` has altered."""
        model = self.work / f"changed-{name}"
        shutil.rmtree(model, ignore_errors=True)
        model.mkdir()
        shard = Shard(self.source(name) / "model.safetensors")
        tensors = {key: (entry["dtype"], entry["shape"], shard.read(key))
                   for key, entry in shard.tensors.items()}
        write_safetensors(model / "model.safetensors", change(tensors))
        text = json.loads((self.source(name) / "config.json").read_text())
        (model / "config.json").write_text(json.dumps(config(text) if config else text))
        return model

    def test_every_tensor_is_that_of_the_float_checkpoint(self):
        for name in NAMES:
            expected = json.loads((DATA / "experts" / name / "expected.json").read_text())
            for isa in available_isas():
                with self.subTest(name=name, isa=isa):
                    out = self.work / "out"
                    result = self.convert(self.source(name), out, "--isa", isa, "--force",
                                          "--verify")
                    self.assertNotIn("may not be the architecture's", result.stderr)
                    self.assertEqual(hashes(out), expected)

    def test_verify_recovers_the_codes_where_they_lie_and_sees_a_flipped_bit(self):
        for name in NAMES:
            for how in ((), ("--rounding", "via-float16"), ("--keep-names",)):
                with self.subTest(name=name, how=how):
                    out = self.work / "out"
                    self.convert(self.source(name), out, "--force", *how)
                    kept = how if how == ("--keep-names",) else ()
                    good = run("verify", out, "--against", self.source(name), *kept)
                    self.assert_exit(good, 0)
                    self.assertIn(" 0 are wrong", good.stdout)
                    shard = out / "model.safetensors"
                    data = bytearray(shard.read_bytes())
                    tensors = Shard(shard).tensors
                    expert = next(key for key in tensors if "experts" in key)
                    header = int.from_bytes(data[:8], "little") + 8
                    data[header + tensors[expert]["data_offsets"][0]] ^= 1
                    shard.write_bytes(data)
                    bad = run("verify", out, "--against", self.source(name), *kept)
                    self.assert_exit(bad, 7)
                    self.assertIn(expert, bad.stdout)

    def test_keep_names_leaves_experts_as_they_are_packed(self):
        found = read_checkpoint(self.kept("gpt_oss"))
        self.assertIn("model.layers.0.mlp.experts.3.up_proj.weight", found)
        self.assertNotIn("model.layers.0.mlp.experts.gate_up_proj", found)
        # A packed parameter is the parameter in any case.
        self.assertIn("model.layers.0.experts.gate_up_proj", read_checkpoint(self.kept("gemma4")))

        refused = run("convert", self.source("mixtral"), self.work / "o", "--keep-names", "--base",
                      self.work)
        self.assert_refused(refused, 2, "--keep-names", "--base")

    def kept(self, name):
        out = self.work / f"kept-{name}"
        self.convert(self.source(name), out, "--keep-names")
        return out

    def test_parts_and_streams_and_small_memory_give_the_same(self):
        self.convert(self.source("llama4"), self.work / "whole", "--max-shard-size", "30KB")
        for part in ("1/2", "2/2"):
            self.convert(self.source("llama4"), self.work / "parts", "--max-shard-size", "30KB",
                         "--part", part, "--memory", "64MB", "--threads", "1")
        self.assertEqual(hashes(self.work / "parts"), hashes(self.work / "whole"))

    def test_compare_brings_both_into_the_form(self):
        for name in NAMES:
            with self.subTest(name=name):
                out = self.work / f"plain-{name}"
                self.convert(self.source(name), out, "--dtype", "float32")
                for other in (self.source(name), self.kept(name)):
                    result = run("compare", other, out)
                    self.assert_exit(result, 0)
                    self.assertNotIn("only in", result.stdout)

    def test_without_a_spec_the_names_stay_with_a_warning(self):
        model = self.changed("mixtral", lambda tensors: tensors,
                             lambda config: {**config, "model_type": "unheard_of"})
        result = self.convert(model, self.work / "out")
        self.assertIn("may not be the architecture's", result.stderr)
        self.assertIn("unheard_of", result.stderr)
        self.assertIn("model.layers.0.block_sparse_moe.experts.0.gate_proj.weight",
                      read_checkpoint(self.work / "out"))

    def test_experts_that_are_missing_or_too_many_are_refused_by_name(self):
        def without(fragment):
            return lambda tensors: {key: value for key, value in tensors.items()
                                    if fragment not in key}
        out = self.work / "out"
        for change, config, wanted in (
                (without("layers.0.mlp.experts.2."), None, "2.gate_proj"),
                (without("layers.0.mlp.experts.1.up_proj."), None, "1.up_proj"),
                (without("layers.0.mlp.experts.1.up_proj.bias"), None, "bias"),
                (lambda tensors: tensors, lambda text: {**text, "num_local_experts": 5},
                 "config.json says 5")):
            with self.subTest(wanted=wanted):
                model = self.changed("gpt_oss", change, config)
                refused = run("convert", model, out)
                self.assert_refused(refused, 3, wanted, "--keep-names")
                self.assertFalse(out.exists())
                self.convert(model, out, "--keep-names")
                shutil.rmtree(out)

    def test_an_expert_that_was_left_float_goes_where_the_others_do(self):
        float_out = read_checkpoint(self.kept("llama4"))
        name = "language_model.model.layers.0.feed_forward.experts.1.up_proj"

        def change(tensors):
            kept = {key: value for key, value in tensors.items() if not key.startswith(name)}
            return {**kept, name + ".weight": float_out[name + ".weight"]}
        self.convert(self.changed("llama4", change), self.work / "out")
        expected = json.loads((DATA / "experts" / "llama4" / "expected.json").read_text())
        self.assertEqual(hashes(self.work / "out"), expected)

    def test_packed_parameters_go_into_a_base_that_holds_them_fused(self):
        base = self.work / "base"
        self.convert(self.source("gemma4"), base)
        expected = json.loads((DATA / "experts" / "gemma4" / "expected.json").read_text())
        # Another model's experts, so that it shows whose are taken.
        tensors = {name: (dtype, shape, bytes(len(data)) if "experts." in name else data)
                   for name, (dtype, shape, data) in read_checkpoint(base).items()}
        write_safetensors(base / "model.safetensors", tensors)
        out = self.work / "laid"
        self.convert(self.source("gemma4"), out, "--base", base, "--no-match-check", "--verify")
        found = hashes(out)
        self.assertEqual(found.keys(), expected.keys())
        for name in (name for name in expected if "experts." in name):
            self.assertEqual(found[name], expected[name], name)

    def test_split_experts_and_a_base_that_holds_them_fused_are_refused(self):
        base = self.work / "base"
        self.convert(self.source("llama4"), base)
        out = self.work / "laid"
        refused = run("convert", self.source("llama4"), out, "--base", base)
        self.assert_refused(refused, 3, "experts", "the base has no such weight")
        self.assertFalse(out.exists())
