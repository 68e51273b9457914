"""What no linear consumes is plain, left out with a word, or a reason to stop
(specs/closed_world.md): inputs as people meet them, and what convert, verify, inspect and compare
say of them."""

import hashlib
import json
import shutil
import struct

from support import Case, read_checkpoint, run, write_safetensors

GPTQ = "llama-gptq-v1-desc_act"
COMPRESSED = "qwen3-ct-awq-asym"
UP = "model.layers.0.mlp.up_proj"


def zeros(dtype, *shape):
    size = {"F16": 2, "BF16": 2, "F32": 4, "F64": 8, "I32": 4, "I64": 8}.get(dtype, 1)
    for extent in shape:
        size *= extent
    return (dtype, list(shape), bytes(size))


class ClosedWorld(Case):
    def write(self, foreign, source=COMPRESSED, config=None):
        """A copy of a small model with more tensors, and with another config."""
        folder = self.work / "model"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        write_safetensors(folder / "model.safetensors",
                          read_checkpoint(self.model(source)) | foreign)
        text = (self.model(source) / "config.json").read_text()
        if config is not None:
            changed = json.loads(text)
            config(changed)
            text = json.dumps(changed)
        (folder / "config.json").write_text(text)
        return folder

    def assert_stops(self, model, *fragments):
        """convert, its plan and verify refuse; inspect says the same, and ends alike."""
        out = self.work / "out"
        refused = run("convert", model, out)
        self.assert_refused(refused, 3, *fragments)
        self.assertFalse(out.exists())
        self.assertFalse((self.work / "out.partial").exists())
        self.assert_refused(run("convert", model, "--dry-run"), 3, *fragments)
        inspected = run("inspect", model, "--json")
        self.assert_exit(inspected, 3)
        found = json.loads(inspected.stdout)
        for fragment in fragments:
            self.assertTrue(any(fragment in line for line in found["problems"]), fragment)
        self.assertNotIn("plan", found)
        text = run("inspect", model)
        self.assert_exit(text, 3)
        self.assertIn("problems", text.stdout)

    def test_packed_parameters_that_are_no_experts(self):
        foreign = {}
        for layer in range(2):
            at = f"model.layers.{layer}.mlp.heads."
            for name, rows, columns in (("gate_up_proj", 64, 64), ("down_proj", 64, 32)):
                foreign[f"{at}{name}_packed"] = zeros("I32", 4, rows, columns // 8)
                foreign[f"{at}{name}_scale"] = zeros("BF16", 4, rows, columns // 32)
                foreign[f"{at}{name}_shape"] = zeros("I64", 3)
        self.assert_stops(self.write(foreign), "model.layers.*.mlp.heads: ",
                          "gate_up_proj_packed I32 [4, 64, 8] (packed codes)",
                          "down_proj_scale BF16 [4, 64, 1] (scales)",
                          "2 of them, the first model.layers.0.mlp.heads")

    def test_experts_packed_under_other_names(self):
        at = "model.layers.0.mlp.experts."
        rows = {
            "vLLM": {"w13_qweight": zeros("I32", 4, 8, 64), "w13_scales": zeros("F16", 4, 2, 64),
                     "w13_qzeros": zeros("I32", 4, 2, 8), "w2_qweight": zeros("I32", 4, 4, 64)},
            "quanto": {"0.up_proj.weight._data": zeros("U8", 32, 32),
                       "0.up_proj.weight._scale": zeros("BF16", 32, 1)},
            "NVFP4": {"gate_up_proj_packed": zeros("U8", 4, 64, 32),
                      "gate_up_proj_scale": zeros("F8_E4M3", 4, 64, 4),
                      "gate_up_proj_global_scale": zeros("F32", 4, 1)},
            "MXFP4": {"gate_up_proj_blocks": zeros("U8", 4, 64, 2, 16),
                      "gate_up_proj_bias": zeros("BF16", 4, 64)},
            "fp8": {"gate_up_proj": zeros("F8_E4M3", 4, 64, 64)},
            "torchao": {"0.up_proj._weight_qdata": zeros("U8", 32, 32),
                        "0.up_proj._weight_scale": zeros("BF16", 32, 2)},
            "AWQ": {"0.w1_qweight": zeros("I32", 64, 4), "0.w1_scales": zeros("F16", 2, 32)},
        }
        for name, tensors in rows.items():
            with self.subTest(name):
                model = self.write({at + key: value for key, value in tensors.items()})
                self.assert_stops(model, *(key.rpartition(".")[2] for key in tensors
                                           if not key.endswith("_bias")))

    def test_odd_types_among_the_float_tensors(self):
        plain = {"model.rotary.inv_freq": zeros("F64", 8), "visual.position_ids": zeros("I64", 1, 16),
                 "model.mask": zeros("BOOL", 4, 4), "logit_scale": ("F32", [], struct.pack("<f", 2.5)),
                 "model.empty": zeros("BF16", 0, 64), "num_batches_tracked": zeros("I64")}
        model = self.write(plain)
        result = self.convert(model, self.work / "good")
        # Of the one without elements alone (specs/checkpoint.md clause 6).
        self.assertEqual(result.stderr.count("warning"), 1)
        self.assertIn("1 tensor holds no values", result.stderr)
        found = read_checkpoint(self.work / "good")
        for name, tensor in plain.items():
            self.assertEqual(found[name], tensor, name)
        model = self.write(plain | {"mtp.0.e_proj.weight": zeros("F8_E4M3", 64, 64)})
        self.assert_stops(model, "mtp.0.e_proj.weight: F8_E4M3 [64, 64]", "float without scales")

    def test_tensors_that_change_what_a_linear_computes(self):
        companions = {COMPRESSED: ("pre_quant_scale", "smooth_scale", "weight_global_scale",
                                   "weight_offset", "act_scale"),
                      "qwen2-awq-gemm": ("pre_quant_scale", "input_channel_scale", "perm"),
                      GPTQ: ("channel_scale", "theta")}
        for source, suffixes in companions.items():
            foreign = {f"{UP}.{suffix}": zeros("BF16", 64) for suffix in suffixes}
            foreign[f"model.layers.1.mlp.down_proj.{suffixes[0]}"] = zeros("I32", 8)
            with self.subTest(source):
                model = self.write(foreign, source)
                self.assert_stops(model, f"{UP}: ", "may change what they mean",
                                  *(f"{suffix} BF16 [64]" for suffix in suffixes),
                                  "model.layers.1.mlp.down_proj: ")

    def test_copy_unknown_lists_and_copies_the_whole_module(self):
        foreign = {f"{UP}.pre_quant_scale": zeros("F16", 64),
                   "mtp.0.e_proj.weight": zeros("F8_E4M3", 8, 8)}
        model, out = self.write(foreign), self.work / "out"
        result = self.convert(model, out, "--copy-unknown")
        before, after = read_checkpoint(model), read_checkpoint(out)
        kept = [name for name in before if name.startswith(UP + ".")] + ["mtp.0.e_proj.weight"]
        self.assertIn(f"{len(kept)} tensors are copied unchanged", result.stderr)
        for name in kept:
            self.assertIn(name, result.stderr)
            self.assertEqual(after[name], before[name])
        self.assertNotIn(UP + ".weight", after)
        self.assertIn(UP.replace("up", "gate") + ".weight", after)

        # verify knows the same world: equal only where the option says what was copied.
        self.assert_refused(run("verify", out, "--against", model), 3, "pre_quant_scale")
        self.assert_exit(run("verify", out, "--against", model, "--copy-unknown"), 0)

    def test_an_output_that_still_has_packed_tensors_is_not_equal(self):
        foreign = {"x.mlp.up_proj_packed": zeros("I32", 4, 64, 8)}
        model, out = self.write(foreign), self.work / "out"
        self.convert(self.model(COMPRESSED), out)
        write_safetensors(out / "model.safetensors", read_checkpoint(out) | foreign)
        self.assert_refused(run("verify", out, "--against", model), 3, "up_proj_packed")
        differs = run("verify", out, "--against", self.model(COMPRESSED))
        self.assert_exit(differs, 7)
        sums = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
                       for path in sorted(out.iterdir()))
        (out / "SHA256SUMS").write_text(sums)
        digests = run("verify", out)
        self.assert_exit(digests, 7)
        self.assertIn("up_proj_packed", digests.stdout)
        self.assertIn("a float model has none", digests.stdout)
        self.assert_exit(run("verify", out, "--copy-unknown"), 0)
        compared = run("compare", out, out)
        self.assertIn("compared as it is stored", compared.stderr)

    def test_experts_under_the_quantizers_names(self):
        """In the architecture's form where a spec says it, else as they are, with a warning."""
        def renamed(member, model_type):
            model = self.write({}, config=lambda config: config.update(model_type=model_type))
            write_safetensors(model / "model.safetensors",
                              {name.replace("mlp.up_proj.", member): tensor
                               for name, tensor in read_checkpoint(model).items()})
            return model

        at = "model.layers.1.mlp.experts.0."
        moe = at.replace("mlp", "block_sparse_moe")
        rows = (("block_sparse_moe.experts.0.up_proj.", "mixtral", False, moe + "w3.weight"),
                ("block_sparse_moe.experts.0.w3.", "mixtral", False, moe + "w3.weight"),
                ("block_sparse_moe.experts.0.linear.", "mixtral", True, moe + "linear.weight"),
                ("mlp.experts.0.up_proj.", "mixtral", True, at + "up_proj.weight"),
                ("mlp.experts.0.up_proj.", "qwen3_moe", False, at + "up_proj.weight"),
                ("mlp.experts.0.up_proj.", "of_tomorrow", True, at + "up_proj.weight"),
                ("mlp.up_proj.", "of_tomorrow", False, "model.layers.1.mlp.up_proj.weight"))
        for member, model_type, warned, written in rows:
            with self.subTest(member=member, model_type=model_type):
                model = renamed(member, model_type)
                warning = (f"no model spec says how {model_type} holds its experts: the names of 2 "
                           "expert weights are the quantizer's and may not be the architecture's "
                           f"(first: model.layers.0.{member}weight)")
                result = self.convert(model, self.work / "out", "--force", "--quiet")
                self.assertEqual(warning in result.stderr, warned)
                self.assertIn(written, read_checkpoint(self.work / "out"))
                found = json.loads(run("inspect", model, "--json").stdout)["warnings"]
                self.assertEqual(warning in found, warned)

    def test_scales_of_a_kv_cache_are_left_out_with_a_warning(self):
        foreign = {}
        for layer in range(2):
            at = f"model.layers.{layer}.self_attn."
            for name in ("k_scale", "v_scale", "k_proj.output_scale", "v_proj.output_scale"):
                foreign[at + name] = zeros("BF16", 1)
            foreign[at + "q_proj.input_scale"] = zeros("BF16", 1)
        model, out = self.write(foreign), self.work / "out"
        result = self.convert(model, out)
        self.assertEqual(result.stderr.count("warning: "), 1)
        self.assertIn("8 tensors of a quantized KV cache", result.stderr)
        self.assertIn("first: model.layers.0.self_attn.k_proj.output_scale", result.stderr)
        self.assertIn("note", result.stderr)
        self.assertIn("the scales of quantized activations are left out in 2 modules", result.stderr)
        self.convert(self.model(COMPRESSED), self.work / "plain")
        self.assertEqual(read_checkpoint(out), read_checkpoint(self.work / "plain"))
        self.assert_exit(run("verify", out, "--against", model), 0)
        plan = json.loads(run("convert", model, "--dry-run", "--json").stdout)
        self.assertEqual((len(plan["warnings"]), len(plan["notes"])), (1, 1))
        inspected = run("inspect", model, "--json")
        self.assert_exit(inspected, 0)
        self.assertEqual(json.loads(inspected.stdout)["notes"], plan["notes"])

    def test_rotations(self):
        def spinquant(**members):
            def change(config):
                config["quantization_config"]["spinquant_config"] = members
            return change
        left = {"spinquant_R1": zeros("F32", 8, 8), "spinquant_R2_head": zeros("F32", 4, 4)}
        model = self.write(left, "llama-autoround-gptq",
                           spinquant(r1=True, r2=True, r3=False, r4=False,
                                     online_r1_rotation=False))
        result = self.convert(model, self.work / "good")
        self.assertIn("2 tensors of rotations that are fused", result.stderr)
        self.convert(self.model("llama-autoround-gptq"), self.work / "plain")
        self.assertEqual(read_checkpoint(self.work / "good"), read_checkpoint(self.work / "plain"))
        config = json.loads((model / "config.json").read_text())
        spinquant(r1=True, r2=True, r4=True)(config)
        (model / "config.json").write_text(json.dumps(config))
        self.assert_stops(model, "spinquant_config.r4: weights in a rotated basis")

    def test_inspect_names_what_is_packed_where_the_config_is_refused(self):
        def change(config):
            config["quantization_config"] = {"quant_method": "exl3"}
        model = self.write({"x.up_proj_packed": zeros("U8", 4, 64, 8)}, config=change)
        inspected = run("inspect", model)
        self.assert_exit(inspected, 3)
        self.assertIn("quantization method exl3 is not supported", inspected.stdout)
        self.assertIn("x.up_proj_packed: U8 [4, 64, 8]: looks like packed codes", inspected.stdout)

    def test_gptq_in_narrow_words_is_not_called_awq(self):
        tensors = read_checkpoint(self.model(GPTQ))
        changed = {}
        for name in tensors:
            if name.endswith((".qweight", ".qzeros")):
                _, (rows, columns), data = tensors[name]
                shape = [2 * rows, columns] if name.endswith("qweight") else [rows, 2 * columns]
                changed[name] = ("I16", shape, data)
        model = self.write(changed, GPTQ)
        result = self.convert(model, self.work / "out")
        self.assertNotIn("GEMV_FAST", result.stderr)
        inspected = run("inspect", model)
        self.assert_exit(inspected, 0)
        self.assertIn("GPTQ 4-bit", inspected.stdout)

    def test_the_guess_of_gptq_v1_is_said(self):
        def forget(config):
            for key in ("checkpoint_format", "format"):
                config["quantization_config"].pop(key, None)
        model = self.write({}, GPTQ, forget)
        said = "no config says checkpoint_format"
        self.assertIn(said, self.convert(model, self.work / "out").stderr)
        self.assertNotIn(said, self.convert(self.model(GPTQ), self.work / "plain").stderr)
        self.assertEqual(read_checkpoint(self.work / "out"), read_checkpoint(self.work / "plain"))
