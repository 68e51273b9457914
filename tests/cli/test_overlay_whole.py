"""An overlay never leaves half of a model: one-sided tensors, padding, adapters, hybrid blocks.
specs/overlay.md clauses 3.4 and 4, specs/models.md clause 7."""

import json

from overlay_models import (BASE, BLOCK, QUANTIZED, Overlay, bf16_bytes, bf16_values, compressed,
                            compressed_config, expected, floats, hashes, messages, quantize_awq)
from support import read_checkpoint, run, write_safetensors


class OneSided(Overlay):
    """Clause 3.4 is for buffers, whatever a spec calls optional."""

    def spec(self, *floats_of_block):
        path = self.work / "mine.json"
        linears = [f"self_attn.{name}_proj" for name in "qkvo"]
        linears += [f"mlp.{name}_proj" for name in ("gate", "up", "down")]
        path.write_text(json.dumps({
            "model_types": ["mine"], "layers": ["model.layers"], "linears": linears,
            "floats": ["input_layernorm", "post_attention_layernorm", *floats_of_block],
            "optional": list(floats_of_block)}))
        return path

    def add(self, source, folder, member, tensor):
        return self.variant(source, folder, lambda tensors: tensors.update(
            {BLOCK + member: tensor}))

    def test_parameters_of_one_side_are_errors(self):
        spec = self.spec("experts", "extra_norm", "mixer")
        rows = {"experts.gate_up_proj": ("BF16", [2, 4, 8], bytes(128)),
                "mixer.conv1d": ("F16", [8, 4], bytes(64)),
                "nobody.names.this": ("F32", [2, 2], bytes(16)),
                "extra_norm.weight": ("BF16", [128], bytes(256)),
                "nobody.bias": ("F16", [4], bytes(8))}
        for i, (member, tensor) in enumerate(rows.items()):
            with self.subTest(member):
                base = self.add(BASE, f"base{i}", member, tensor)
                quantized = self.add(QUANTIZED, f"quantized{i}", member, tensor)
                for pair in ((QUANTIZED, base), (quantized, BASE)):
                    result = self.overlay(*pair, "--spec", spec)
                    self.assert_refused(result, 3, BLOCK + member, tensor[0])
                    self.assertEqual(len(messages(result)), 1)
                    self.assertFalse((self.work / "out").exists())
                self.assert_exit(self.overlay(quantized, base, "--spec", spec, "--force"), 0)
                self.assertEqual(read_checkpoint(self.work / "out")[BLOCK + member], tensor)
                (self.work / "out").rename(self.work / f"out{i}")

    def test_buffers_of_one_side_are_warnings(self):
        rows = {"self_attn.rotary_emb.inv_freq": ("F32", [4], bytes(16)),
                "self_attn.rotary_emb.cos_cached": ("F32", [1, 1, 8, 4], bytes(128)),
                "self_attn.bias": ("F32", [1, 1, 4, 4], bytes(64)),
                "attn.bias": ("U8", [4, 4], bytes(16)),
                "self_attn.masked_bias": ("F32", [], bytes(4))}
        base = self.variant(BASE, "base", lambda tensors: tensors.update(
            {BLOCK + member: tensor for member, tensor in rows.items()}))
        result = self.overlay(QUANTIZED, base)
        self.assert_exit(result, 0)
        self.assertIn("only the base has 5 tensors", result.stderr)
        out = read_checkpoint(self.work / "out")
        self.assertEqual({member: out[BLOCK + member] for member in rows}, rows)

    def test_fused_experts_that_stay_packed_are_named(self):
        """Packed parameters of fused experts in blocks of which a spec says "experts": optional."""
        spec = self.spec("experts")
        base = self.add(BASE, "base", "experts.gate_up_proj", ("BF16", [2, 8, 32], bytes(1024)))
        quantized = self.variant(QUANTIZED, "quantized", lambda tensors: tensors.update({
            BLOCK + "experts.gate_up_proj_packed": ("I32", [2, 8, 4], bytes(256)),
            BLOCK + "experts.gate_up_proj_scale": ("BF16", [2, 8, 1], bytes(32)),
            BLOCK + "experts.gate_up_proj_shape": ("I64", [3], bytes(24))}))
        self.assert_refused(self.overlay(quantized, base, "--spec", spec), 3,
                            BLOCK + "experts.gate_up_proj")
        self.assertFalse((self.work / "out").exists())


class Padded(Overlay):
    """Clause 4.8."""

    def cut_base(self, size=320, columns=None):
        """The base with a smaller intermediate size: these columns of 384, else the first ones."""
        columns = columns or list(range(size))

        def cut(tensors):
            for name, (dtype, shape, data) in tensors.items():
                if not name.startswith("model.layers.") or ".mlp." not in name:
                    continue
                if "down_proj" in name:
                    row = 2 * shape[1]
                    data = b"".join(data[n * row + 2 * k:n * row + 2 * k + 2]
                                    for n in range(shape[0]) for k in columns)
                    tensors[name] = (dtype, [shape[0], size], data)
                else:
                    row = 2 * shape[1]
                    data = b"".join(data[k * row:(k + 1) * row] for k in columns)
                    tensors[name] = (dtype, [size, shape[1]], data)
        return self.variant(BASE, "base", cut, intermediate_size=size)

    def padded(self, zeros):
        """The fixture's quantized checkpoint, the MLP's rows and columns `zeros` holding zeros."""
        base = read_checkpoint(BASE)

        def pad(tensors):
            for layer in ("model.layers.0.", "model.layers.1."):
                for module, rows in (("gate_proj", True), ("up_proj", True), ("down_proj", False)):
                    name = f"{layer}mlp.{module}"
                    dtype, shape, data = base[name + ".weight"]
                    values = bf16_values(data)
                    for n in range(shape[0]):
                        for k in range(shape[1]):
                            if (n if rows else k) in zeros:
                                values[n * shape[1] + k] = 0.0
                    tensors.update(quantize_awq(name, (dtype, shape, bf16_bytes(values)), 128)[0])
        return self.variant(QUANTIZED, "quantized", pad)

    def test_other_values_are_refused_with_both_sizes(self):
        result = self.overlay(QUANTIZED, self.cut_base())
        self.assert_refused(
            result, 3, BLOCK + "mlp.gate_proj.weight", "it is [384, 128] there and [320, 128] in",
            "it is [128, 384] there and [128, 320] in the base, and 1 more are like it",
            "intermediate_size is 384 in its config.json and 320 in the base's",
            "0 of its 384 rows hold zeros only", "0 of its 384 columns", "no padding with 64",
            "Name as --base a float model that was padded in the same way")
        self.assertEqual(len(messages(result)), 3)  # gate, up, down: not once a layer

    def test_zeros_at_the_end_are_seen(self):
        result = self.overlay(self.padded(range(320, 384)), self.cut_base())
        self.assert_refused(result, 3, "its last 64 rows hold zeros only",
                            "its last 64 columns hold zeros only")

    def test_zeros_between_the_others_are_seen(self):
        """As Qwen's instructions pad: a row of zeros behind each of the first ones."""
        zeros = range(1, 128, 2)
        base = self.cut_base(columns=[k for k in range(384) if k not in zeros])
        result = self.overlay(self.padded(zeros), base)
        self.assert_refused(result, 3,
                            "64 of its rows hold zeros only, between the others from row 1 on",
                            "64 of its columns hold zeros only")
        self.assertFalse((self.work / "out").exists())

    def test_with_other_errors_all_are_told(self):
        quantized = self.variant(QUANTIZED, "quantized", lambda tensors: {
            key: value for key, value in tensors.items() if "layers.1.input" not in key})
        result = self.overlay(quantized, self.cut_base())
        self.assert_refused(result, 3, "layers.1.input_layernorm", "mlp.down_proj.weight",
                            "intermediate_size")
        self.assertEqual(len(messages(result)), 4)

    def test_a_base_padded_in_the_same_way_is_taken(self):
        self.assert_exit(self.overlay(self.padded(range(320, 384)), BASE), 0)


class Architectures(Overlay):
    def write(self, name, tensors, config):
        folder = self.work / name
        folder.mkdir()
        write_safetensors(folder / "model.safetensors", tensors)
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    def check_overlay(self, quantized, base, blocks):
        """The blocks' tensors are the plain conversion's, all others the base's."""
        self.assert_exit(self.overlay(quantized, base, "--no-match-check"), 0)
        self.convert(quantized, self.work / "plain")
        out, plain = read_checkpoint(self.work / "out"), read_checkpoint(self.work / "plain")
        before = read_checkpoint(base)
        self.assertEqual(set(out), set(before))
        for name, tensor in out.items():
            self.assertTrue(tensor == (plain if name.startswith(blocks) else before)[name], name)
        self.assertEqual((self.work / "out/config.json").read_bytes(),
                         (base / "config.json").read_bytes())
        verify = ("verify", self.work / "out", "--against", quantized, "--base", base)
        self.assert_refused(run(*verify), 3, "not the same model")  # both are random
        self.assert_exit(run(*verify, "--no-match-check"), 0)

    def qwen3_5(self, quantized, experts):
        """Two layers of linear attention and one of full attention; a tower; an MTP part."""
        tensors = {}
        seed = 1000 if quantized else 2000

        def linear(name, inputs, outputs):
            nonlocal seed
            seed += 1
            if quantized:
                compressed(tensors, name, inputs, outputs, seed)
            else:
                floats(tensors, name + ".weight", [outputs, inputs], seed)

        def plain(name, *shape):
            nonlocal seed
            seed += 1
            floats(tensors, name, shape, seed)
        top = "model.language_model."
        plain(top + "embed_tokens.weight", 32, 64)
        for i in range(3):
            block = f"{top}layers.{i}."
            for norm in ("input_layernorm", "post_attention_layernorm"):
                plain(f"{block}{norm}.weight", 64)
            if i == 2:
                for name, outputs in (("q_proj", 128), ("k_proj", 32), ("v_proj", 32),
                                      ("o_proj", 64)):
                    linear(f"{block}self_attn.{name}", 64, outputs)
                for name in ("q_norm", "k_norm"):
                    plain(f"{block}self_attn.{name}.weight", 16)
            else:
                mixer = block + "linear_attn."
                for name, outputs in (("in_proj_qkv", 128), ("in_proj_z", 64), ("out_proj", 64)):
                    linear(mixer + name, 64, outputs)
                for name in ("in_proj_a", "in_proj_b"):
                    plain(f"{mixer}{name}.weight", 4, 64)
                plain(mixer + "conv1d.weight", 128, 1, 4)
                plain(mixer + "norm.weight", 16)
                plain(mixer + "A_log", 4)
                plain(mixer + "dt_bias", 4)
            parts = ["mlp."]
            if experts:
                plain(block + "mlp.gate.weight", 2, 64)
                plain(block + "mlp.shared_expert_gate.weight", 1, 64)
                parts = ["mlp.experts.0.", "mlp.experts.1.", "mlp.shared_expert."]
            for part in parts:
                for name, inputs, outputs in (("gate_proj", 64, 96), ("up_proj", 64, 96),
                                              ("down_proj", 96, 64)):
                    linear(block + part + name, inputs, outputs)
        plain(top + "norm.weight", 64)
        plain("lm_head.weight", 32, 64)
        plain("mtp.fc.weight", 64, 128)
        plain("mtp.layers.0.mlp.up_proj.weight", 64, 64)
        plain("model.visual.blocks.0.attn.qkv.weight", 48, 16)
        kind = "qwen3_5_moe" if experts else "qwen3_5"
        config = {"model_type": kind, "dtype": "bfloat16",
                  "text_config": {"model_type": kind + "_text", "num_hidden_layers": 3}}
        if quantized:
            config["quantization_config"] = compressed_config("lm_head", "re:.*visual.*",
                                                              "re:.*in_proj_[ab]")
        return tensors, config

    def test_qwen3_5(self):
        for experts in (False, True):
            with self.subTest(experts=experts):
                name = "moe" if experts else "dense"
                quantized = self.write(name + "-ct", *self.qwen3_5(True, experts))
                base = self.write(name, *self.qwen3_5(False, experts))
                self.check_overlay(quantized, base, "model.language_model.layers.")
                (self.work / "out").rename(self.work / f"{name}-out")
                (self.work / "plain").rename(self.work / f"{name}-plain")

    def test_qwen3_5_s_mixers_are_one_with_their_blocks(self):
        tensors, config = self.qwen3_5(True, False)
        base = self.write("base", *self.qwen3_5(False, False))
        for member in ("conv1d.weight", "in_proj_a.weight", "norm.weight"):
            with self.subTest(member):
                name = f"model.language_model.layers.1.linear_attn.{member}"
                less = {key: value for key, value in tensors.items() if key != name}
                quantized = self.write(member, less, config)
                self.assert_refused(self.overlay(quantized, base, "--no-match-check"), 3, name)

    def test_qwen3_5_s_quantized_mtp_part_is_left(self):
        tensors, config = self.qwen3_5(True, False)
        for name in ("mtp.fc", "mtp.layers.0.mlp.up_proj"):
            del tensors[name + ".weight"]
            compressed(tensors, name, 64, 64, 5)
        quantized = self.write("quantized", tensors, config)
        base = self.write("base", *self.qwen3_5(False, False))
        self.assert_refused(self.overlay(quantized, base, "--no-match-check"), 3, "mtp.fc",
                            "mtp.layers.0.mlp.up_proj")
        self.assert_exit(self.overlay(quantized, base, "--no-match-check", "--leave", "mtp"), 0)
        out, before = read_checkpoint(self.work / "out"), read_checkpoint(base)
        for name in before:
            if name.startswith("mtp."):
                self.assertEqual(out[name], before[name])

    def phi4mm(self, quantized, adapters=("vision", "speech")):
        tensors = {}
        seed = 3000 if quantized else 4000
        floats(tensors, "model.embed_tokens.weight", [32, 64], seed)
        for i in range(2):
            block = f"model.layers.{i}."
            for norm in ("input_layernorm", "post_attention_layernorm"):
                seed += 1
                floats(tensors, f"{block}{norm}.weight", [64], seed)
            for module, inputs, outputs in (("self_attn.qkv_proj", 64, 192),
                                            ("self_attn.o_proj", 64, 64),
                                            ("mlp.gate_up_proj", 64, 256),
                                            ("mlp.down_proj", 128, 64)):
                seed += 10
                if quantized:
                    compressed(tensors, f"{block}{module}.base_layer", inputs, outputs, seed)
                else:
                    floats(tensors, f"{block}{module}.base_layer.weight", [outputs, inputs], seed)
                for adapter in adapters:
                    floats(tensors, f"{block}{module}.lora_A.{adapter}.weight", [8, inputs],
                           seed + 1)
                    floats(tensors, f"{block}{module}.lora_B.{adapter}.weight", [outputs, 8],
                           seed + 2)
        floats(tensors, "model.norm.weight", [64], seed + 3)
        config = {"model_type": "phi4mm", "dtype": "bfloat16", "tie_word_embeddings": True,
                  "num_hidden_layers": 2}
        if quantized:
            config["quantization_config"] = compressed_config()
        return tensors, config

    def test_phi4mm_has_its_adapters(self):
        tensors, config = self.phi4mm(True)
        quantized = self.write("quantized", tensors, config)
        base = self.write("base", *self.phi4mm(False))
        self.check_overlay(quantized, base, "model.layers.")
        plain = read_checkpoint(self.work / "plain")
        adapters = [name for name in tensors if ".lora_" in name]
        self.assertEqual(len(adapters), 32)
        for name in adapters:
            self.assertEqual(plain[name], tensors[name])
        inspected = json.loads(run("inspect", quantized, "--json").stdout)
        self.assertEqual(inspected.get("problems", []), [])
        self.assert_exit(run("compare", quantized, self.work / "plain"), 0)
        self.assert_exit(run("verify", self.work / "plain", "--against", quantized), 0)
        # One side without an adapter would get the other's.
        less = self.write("less", *self.phi4mm(True, adapters=("vision",)))
        self.assert_refused(self.overlay(less, base, "--no-match-check", "--force"), 3,
                            "lora_A.speech.weight", "is not in the quantized checkpoint")

    def test_adapters_that_no_spec_names_stay_refused(self):
        tensors, config = self.phi4mm(True)
        rows = {"other type": (tensors, config | {"model_type": "phi3"}),
                "no type": (tensors, {key: value for key, value in config.items()
                                      if key != "model_type"}),
                "other name": (tensors | {"model.layers.0.mlp.down_proj.lora_A.mine.weight":
                                          ("BF16", [1, 1], bytes(2))}, config),
                "outside of the blocks": (tensors | {"lm_head.lora_A.vision.weight":
                                                     ("BF16", [1, 1], bytes(2))}, config)}
        for name, (changed, about) in rows.items():
            with self.subTest(name):
                model = self.write(name, changed, about)
                self.assert_refused(run("convert", model, self.work / "out"), 3,
                                    "adapters are not supported")
