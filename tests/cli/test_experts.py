"""Experts in the architecture's form, against what transformers saves. specs/models.md clause 8."""

import json
import shutil

from support import (DATA, Case, Shard, available_isas, hashes, read_checkpoint, rewrite, run,
                     write_safetensors)

NAMES = ("gpt_oss", "llama4", "mixtral", "gemma4")


def turn(tensor):
    """The last two dimensions exchanged."""
    dtype, (experts, rows, columns), data = tensor
    at = [data[2 * i:2 * i + 2] for i in range(experts * rows * columns)]
    return dtype, [experts, columns, rows], b"".join(
        at[(e * rows + row) * columns + column]
        for e in range(experts) for column in range(columns) for row in range(rows))


class Experts(Case):
    def source(self, name):
        return DATA / "experts" / name / "model"

    def changed(self, name, change=None, config=None):
        """A copy of the model whose tensors `change` has altered."""
        return rewrite(self.source(name), self.work / f"changed-{name}", change, config)

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
        model = self.changed("mixtral",
                             config=lambda config: config.update(model_type="unheard_of"))
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
                (lambda tensors: tensors, lambda text: text.update(num_local_experts=5),
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

    def base_of(self, name, change=lambda tensors: tensors):
        """The float original, with another model's experts, so that it shows whose are taken."""
        base = self.work / f"base-{name}"
        self.convert(self.source(name), base, "--force")
        tensors = {key: (dtype, shape, bytes(len(data)) if "experts." in key else data)
                   for key, (dtype, shape, data) in change(read_checkpoint(base)).items()}
        write_safetensors(base / "model.safetensors", tensors)
        return base

    def laid_over(self, model, base, *how):
        out = self.work / "laid"
        self.convert(model, out, "--base", base, "--no-match-check", "--verify", "--force", *how)
        self.assert_exit(run("verify", out, "--against", model, "--base", base,
                             "--no-match-check"), 0)
        self.assertEqual(read_checkpoint(out).keys(), read_checkpoint(base).keys())
        return read_checkpoint(out)

    def test_experts_go_into_a_base_that_holds_them_as_the_architecture_does(self):
        for name in NAMES:
            with self.subTest(name=name):
                float_model = self.work / f"float-{name}"
                self.convert(self.source(name), float_model)
                self.assertEqual(self.laid_over(self.source(name), self.base_of(name)),
                                 read_checkpoint(float_model))

    def test_the_base_says_names_and_fusing_whatever_the_spec_says(self):
        for name in ("llama4", "gpt_oss"):
            with self.subTest(name=name):
                kept = self.kept(name)
                base = self.work / f"split-{name}"
                shutil.copytree(kept, base)
                tensors = read_checkpoint(kept)
                write_safetensors(base / "model.safetensors",
                                  {key: (dtype, shape, bytes(len(data)))
                                   for key, (dtype, shape, data) in tensors.items()})
                found = self.laid_over(self.source(name), base)
                for key in (key for key in tensors if ".experts." in key):
                    self.assertEqual(found[key], tensors[key], key)

    def test_a_packed_parameter_goes_into_a_base_of_single_experts(self):
        parameters = {}

        def divided(tensors):
            found = {}
            for key, (dtype, shape, data) in tensors.items():
                if "experts." not in key:
                    found[key] = (dtype, shape, data)
                    continue
                parameters[key] = data
                names = ("gate_proj", "up_proj") if key.endswith("gate_up_proj") else ("down_proj",)
                rows, path = shape[1] // len(names), key[:key.rindex(".")]
                each = len(data) // shape[0] // len(names)
                for i in range(shape[0] * len(names)):
                    one = f"{path}.{i // len(names)}.{names[i % len(names)]}.weight"
                    found[one] = (dtype, [rows, shape[2]], data[i * each:(i + 1) * each])
            self.wanted = found
            return found
        found = self.laid_over(self.source("gemma4"), self.base_of("gemma4", divided))
        self.assertEqual(found, self.wanted)

    def test_a_base_that_holds_them_transposed_against_the_spec(self):
        """The shapes of the base decide, also where one of them is square."""
        for name in ("llama4", "gpt_oss"):
            float_out = read_checkpoint(self.kept_whole(name))

            def turned(tensors):
                found = dict(tensors)
                for key in (key for key in tensors if key.endswith(("gate_up_proj", "down_proj"))
                            and "experts." in key):
                    found[key] = turn(tensors[key])
                return found
            with self.subTest(name=name):
                found = self.laid_over(self.source(name), self.base_of(name, turned))
                self.assertEqual(found, turned(float_out))

    def kept_whole(self, name):
        out = self.work / f"whole-{name}"
        self.convert(self.source(name), out)
        return out

    def test_a_base_of_other_experts_is_refused_by_name(self):
        for name, config, wanted in (("llama4", lambda shape: [shape[0] - 1] + shape[1:], "experts"),
                                     ("llama4", lambda shape: shape[:2] + [shape[2] // 2], "shape")):
            def smaller(tensors):
                found = dict(tensors)
                for key, (dtype, shape, data) in tensors.items():
                    if key.endswith("experts.gate_up_proj"):
                        shape = config(list(shape))
                        size = 2 * shape[0] * shape[1] * shape[2]
                        found[key] = (dtype, shape, bytes(size))
                return found
            with self.subTest(wanted=wanted):
                out = self.work / "none"
                refused = run("convert", self.source(name), out, "--base",
                              self.base_of(name, smaller), "--no-match-check")
                self.assert_refused(refused, 3, wanted, "gate_up_proj")
                self.assertFalse(out.exists())

    def test_biases_of_zeros_that_the_architecture_does_not_have(self):
        def with_biases(fill):
            def change(tensors):
                found = dict(tensors)
                for key in (key for key in tensors if key.endswith("weight_packed")
                            and ".experts." in key):
                    rows = tensors[key][1][0]
                    found[key.replace("weight_packed", "bias")] = ("F16", [rows], fill * rows)
                return found
            return change
        out = self.work / "out"
        expected = json.loads((DATA / "experts" / "llama4" / "expected.json").read_text())
        model = self.changed("llama4", with_biases(b"\0\0"))
        result = self.convert(model, out)
        self.assertIn("biases of experts that hold zeros only", result.stderr)
        self.assertEqual(hashes(out), expected)
        self.laid_over(model, self.base_of("llama4"))
        shutil.rmtree(out)
        model = self.changed("llama4", with_biases(b"\0\x3c"))
        refused = run("convert", model, out)
        self.assert_refused(refused, 3, "the architecture's experts have no such bias",
                            "of its values are not zero")
        self.assertFalse(out.exists())
