"""Pairs that do not fit, or do not belong together. specs/overlay.md."""

import json
import struct

from overlay_models import BASE, BLOCK, QUANTIZED, Overlay, expected, hashes, messages
from support import read_checkpoint, run


class Differences(Overlay):
    """Clause 4: nothing is skipped silently."""

    def refused(self, *fragments, base=BASE, quantized=QUANTIZED, code=3, options=()):
        result = self.overlay(quantized, base, *options)
        self.assert_refused(result, code, *fragments)
        self.assertFalse((self.work / "out").exists())
        return messages(result)

    def without(self, source, name, *prefixes):
        return self.variant(source, name, lambda tensors: {
            key: value for key, value in tensors.items()
            if not any(key.startswith(prefix) for prefix in prefixes)})

    def test_what_the_quantized_checkpoint_lacks(self):
        rows = {"norm": "input_layernorm.weight", "bias": "self_attn.q_proj.bias",
                "linear": "mlp.up_proj."}
        for name, member in rows.items():
            with self.subTest(name):
                quantized = self.without(QUANTIZED, name, BLOCK + member)
                wanted = BLOCK + (member + "weight" if member.endswith(".") else member)
                lines = self.refused(wanted, "is not in the quantized checkpoint",
                                     quantized=quantized)
                self.assertEqual(len(lines), 1)

    def test_what_the_base_lacks(self):
        base = self.without(BASE, "linear", BLOCK + "mlp.up_proj.")
        self.refused(BLOCK + "mlp.up_proj", "layer 0 has no mlp.up_proj", base=base)
        base = self.without(BASE, "bias", BLOCK + "self_attn.q_proj.bias")
        self.refused(BLOCK + "self_attn.q_proj.bias", "of its values are not zero", base=base)
        base = self.without(BASE, "norm", BLOCK + "input_layernorm.")
        self.refused(BLOCK + "input_layernorm.weight", "the base has no such tensor", base=base)

    def test_what_both_lack(self):
        base = self.without(BASE, "base", BLOCK + "input_layernorm.")
        quantized = self.without(QUANTIZED, "quantized", BLOCK + "input_layernorm.")
        self.refused("layer 0 has no input_layernorm", "nor has the quantized checkpoint",
                     base=base, quantized=quantized)

    def test_the_number_of_layers(self):
        quantized = self.variant(QUANTIZED, "quantized", lambda tensors: {
            key: value for key, value in tensors.items() if not key.startswith("model.layers.1.")},
            num_hidden_layers=1)
        lines = self.refused("number of layers", "got 1, expected 2", quantized=quantized)
        self.assertEqual(len(lines), 1)

    def test_shapes(self):
        def change(tensors):
            dtype, shape, data = tensors[BLOCK + "mlp.up_proj.weight"]
            tensors[BLOCK + "mlp.up_proj.weight"] = (dtype, shape[::-1], data)
            tensors[BLOCK + "input_layernorm.weight"] = ("BF16", [64, 2], bytes(256))
        lines = self.refused(BLOCK + "mlp.up_proj.weight", BLOCK + "input_layernorm.weight",
                             "[128, 384]", "[384, 128]", base=self.variant(BASE, "base", change))
        self.assertEqual(len(lines), 2)

    def test_types_that_cannot_be_cast(self):
        def change(tensors):
            tensors[BLOCK + "input_layernorm.weight"] = ("I16", [128], bytes(256))
            dtype, shape, data = tensors[BLOCK + "mlp.up_proj.weight"]
            tensors[BLOCK + "mlp.up_proj.weight"] = ("I16", shape, data)
        self.refused(BLOCK + "input_layernorm.weight", BLOCK + "mlp.up_proj.weight", "I16",
                     base=self.variant(BASE, "base", change))

    def test_quantized_linears_that_go_nowhere(self):
        def change(tensors):
            for suffix in ("qweight", "qzeros", "scales"):
                for module in ("lm_head", "visual.merger.mlp.9", BLOCK + "mlp.router"):
                    tensors[f"{module}.{suffix}"] = tensors[BLOCK + f"mlp.up_proj.{suffix}"]
            del tensors["lm_head.weight"]
        lines = self.refused("lm_head", "visual.merger.mlp.9", BLOCK + "mlp.router",
                             "outside of the blocks", "no rule of the model spec",
                             quantized=self.variant(QUANTIZED, "quantized", change))
        self.assertEqual(len(lines), 3)

    def test_all_at_once_and_at_most_twenty(self):
        quantized = self.without(QUANTIZED, "quantized", "model.layers.0.mlp.",
                                 "model.layers.1.input")
        self.assertEqual(len(self.refused(BLOCK + "mlp.down_proj.weight", quantized=quantized)), 4)

        def many(tensors):
            for i in range(30):
                for suffix in ("qweight", "qzeros", "scales"):
                    tensors[f"other.{i}.{suffix}"] = tensors[BLOCK + f"mlp.up_proj.{suffix}"]
        lines = self.refused("other.0", quantized=self.variant(QUANTIZED, "many", many))
        self.assertEqual(len(lines), 21)

    def test_a_base_that_is_quantized(self):
        self.refused("the base is itself quantized", base=QUANTIZED)
        base = self.variant(QUANTIZED, "base", quantization_config=None)
        self.refused("the base is itself quantized", base=base)
        base = self.variant(BASE, "fp8", quantization_config={"quant_method": "fp8"})
        self.refused("the base is itself quantized", base=base)

    def test_buffers_that_only_one_side_has_are_told(self):
        def add(tensors):
            for i in (0, 1):
                tensors[f"model.layers.{i}.self_attn.rotary_emb.inv_freq"] = (
                    "F32", [2], b"\0\0\x80\x3f" * 2)
                tensors[f"model.layers.{i}.self_attn.masked_bias"] = ("F32", [1], bytes(4))
        wider = self.variant(BASE, "base", add)
        result = self.overlay(QUANTIZED, wider)
        self.assert_exit(result, 0)
        self.assertIn("only the base has 4 tensors (self_attn.masked_bias, "
                      "self_attn.rotary_emb.inv_freq) of the blocks: kept", result.stderr)
        found = read_checkpoint(self.work / "out")
        self.assertTrue({name: found[name] for name in found if "rotary" in name or "masked" in name}
                        == {name: value for name, value in read_checkpoint(wider).items()
                            if "rotary" in name or "masked" in name})
        quantized = self.variant(QUANTIZED, "quantized", add)
        result = self.overlay(quantized, BASE, "--force")
        self.assert_exit(result, 0)
        self.assertIn("only the quantized checkpoint has 4 tensors", result.stderr)
        self.assertEqual(hashes(self.work / "out"), expected())
        # Where both have them they travel.
        self.assert_exit(self.overlay(quantized, wider, "--force"), 0)

    def test_biases_of_zeros_may_be_left_out(self):
        def add(tensors):
            tensors[BLOCK + "self_attn.o_proj.bias"] = ("F16", [128], bytes(256))
        result = self.overlay(self.variant(QUANTIZED, "quantized", add), BASE)
        self.assert_exit(result, 0)
        self.assertIn("biases that hold zeros only", result.stderr)
        self.assertEqual(hashes(self.work / "out"), expected())


class Match(Overlay):
    """Clause 6: do they belong together?"""

    def test_the_lowest_cosine_is_told(self):
        plan = run("convert", QUANTIZED, "--base", BASE, "--dry-run", "--json")
        match = json.loads(plan.stdout)["overlay"]["match"]
        self.assertEqual(match["samples"], 4)
        self.assertGreater(match["lowest_cosine"], 0.98)
        self.assertIn("model.layers.", match["lowest"])
        text = run("convert", QUANTIZED, "--base", BASE, "--dry-run", "--no-match-check").stdout
        self.assertIn("not checked", text)

    def other(self, name, *modules):
        """The base with those weights' rows in another order."""
        def change(tensors):
            for key, (dtype, shape, data) in tensors.items():
                if any(module in key for module in modules) and key.endswith("proj.weight"):
                    row = len(data) // shape[0]
                    rows = [data[i * row:(i + 1) * row] for i in range(shape[0])]
                    tensors[key] = (dtype, shape, b"".join(rows[7:] + rows[:7]))
        return self.variant(BASE, name, change)

    def test_another_model_is_refused(self):
        base = self.other("base", "layers.1.mlp.gate_proj")
        result = self.overlay(QUANTIZED, base)
        self.assert_refused(result, 3, "base and quantized checkpoint are not the same model: "
                            "layer 1, "
                            "mlp.gate_proj, cosine ", "expected at least 0.900",
                            "model.layers.1.mlp.gate_proj.weight", "--no-match-check")
        self.assertEqual(len(messages(result)), 1)
        self.assertFalse((self.work / "out").exists())
        self.assert_exit(self.overlay(QUANTIZED, base, "--no-match-check"), 0)
        self.assertEqual(hashes(self.work / "out"), expected())

    def test_norms_of_another_model_are_refused(self):
        def negate(tensors):
            for key, (dtype, shape, data) in tensors.items():
                if "layers.0.input_layernorm" in key:
                    tensors[key] = (dtype, shape, bytes(byte ^ (0x80 * (i % 2))
                                                        for i, byte in enumerate(data)))
        self.assert_refused(self.overlay(QUANTIZED, self.variant(BASE, "base", negate)), 3,
                            "not the same model: layer 0", "input_layernorm.weight", "norms")

    def test_norms_that_did_not_travel_with_their_linears_are_seen(self):
        def double(tensors):
            for key, (dtype, shape, data) in tensors.items():
                if key.endswith("input_layernorm.weight"):
                    values = struct.unpack(f"<{shape[0]}e", data)
                    tensors[key] = (dtype, shape, struct.pack(
                        f"<{shape[0]}e", *(value * (8 if i % 3 else 0.1)
                                           for i, value in enumerate(values))))
        self.assert_refused(self.overlay(self.variant(QUANTIZED, "quantized", double), BASE), 3,
                            "not the same model")

    def test_without_a_rule_for_norms_columns_are_compared_whatever_their_scale(self):
        spec = self.work / "plain.json"
        spec.write_text(json.dumps({
            "model_types": ["plain"], "layers": ["model.layers"],
            "linears": [f"self_attn.{name}_proj" for name in "qkvo"]
            + [f"mlp.{name}_proj" for name in ("gate", "up", "down")]}))
        self.assert_exit(self.overlay(QUANTIZED, BASE, "--spec", spec), 0)
        self.assert_refused(self.overlay(QUANTIZED, self.other("base", "q_proj"), "--spec", spec,
                                         "--force"), 3, "self_attn.q_proj, cosine")
