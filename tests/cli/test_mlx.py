"""MLX's affine mode as mlx-lm writes it, against what another program made of it. specs/mlx.md."""

import json

from support import DATA, Case, Shard, available_isas, hashes, rewrite, run

FOLDER = DATA / "mlx"
NAMES = ("mixed_3_6-llama", "q8-qwen3-tied")
MODULE = "model.layers.0.mlp.up_proj"


class Mlx(Case):
    def source(self, name):
        return FOLDER / name / "model"

    def changed(self, change=None, config=None, name="mixed_3_6-llama"):
        return rewrite(self.source(name), self.work / "changed", change, config)

    def refused(self, model, *fragments):
        self.assert_refused(run("convert", model, self.work / "out"), 3, *fragments)

    def test_every_weight_is_the_exact_one(self):
        for name in NAMES:
            expected = json.loads((FOLDER / name / "expected.json").read_text())
            for isa in available_isas():
                with self.subTest(name=name, isa=isa):
                    out = self.work / "out"
                    self.convert(self.source(name), out, "--isa", isa, "--force", "--verify")
                    self.assertEqual(hashes(out), expected)
                    config = json.loads((out / "config.json").read_text())
                    self.assertNotIn("quantization", config)
                    self.assertNotIn("quantization_config", config)

    def test_verify_compare_and_inspect(self):
        for name in NAMES:
            for dtype in ("bfloat16", "float16", "float32"):
                with self.subTest(name=name, dtype=dtype):
                    out = self.work / "out"
                    self.convert(self.source(name), out, "--force", "--dtype", dtype)
                    good = run("verify", out, "--against", self.source(name))
                    self.assert_exit(good, 0)
                    self.assertIn(" 0 are wrong", good.stdout)
                    self.assert_exit(run("compare", self.source(name), out), 0)
                    shard = out / "model.safetensors"
                    data = bytearray(shard.read_bytes())
                    header = int.from_bytes(data[:8], "little") + 8
                    data[header + Shard(shard).tensors[MODULE + ".weight"]["data_offsets"][0]] ^= 1
                    shard.write_bytes(data)
                    bad = run("verify", out, "--against", self.source(name))
                    self.assert_exit(bad, 7)
                    self.assertIn(MODULE, bad.stdout)
        inspected = run("inspect", self.source("mixed_3_6-llama"))
        self.assert_exit(inspected, 0)
        self.assertIn("MLX 3-bit", inspected.stdout)
        self.assertIn("MLX 6-bit", inspected.stdout)

    def test_the_config_is_needed_and_must_fit(self):
        def without(config):
            del config["quantization"], config["quantization_config"]

        def other(config):
            config["quantization"][MODULE] = {"bits": 5, "group_size": 64}

        def small_floats(config):
            config["quantization"][MODULE]["mode"] = "mxfp4"

        for change, fragments in (
                (without, ("config.json does not say quantization.bits",)),
                (other, (MODULE, "words a row, expected 10", "codes of 5 bits")),
                (small_floats, (MODULE, "the mode of the config is mxfp4")),
                (lambda config: config["quantization"].update(bits=9),
                 ("quantization.bits: got 9, expected 2 to 8",)),
                (lambda config: config["quantization"].update(group_size="64"),
                 ("quantization.group_size: got", "expected 1 to")),
                (lambda config: config.update(quantization=[4]),
                 ("quantization: got an array, expected an object",))):
            self.refused(self.changed(config=change), *fragments)

    def test_tensors_that_do_not_fit_are_refused(self):
        def with_(name, dtype, shape, data):
            return lambda tensors: tensors | {f"{MODULE}.{name}": (dtype, shape, data)}

        def without(name):
            return lambda tensors: {key: value for key, value in tensors.items()
                                    if key != f"{MODULE}.{name}"}

        self.refused(self.changed(without("biases")), MODULE, "no biases")
        self.refused(self.changed(without("scales")), MODULE)
        self.refused(self.changed(with_("biases", "F16", [128, 1], bytes(256))),
                     "biases: got F16 [128, 1], expected BF16 [128, 1]")
        self.refused(self.changed(with_("scales", "U8", [128, 1], bytes(128))),
                     "MLX of small floats (mxfp4, mxfp8, nvfp4)")
        self.refused(self.changed(with_("scales", "BF16", [1, 128], bytes(256))),
                     "scales: got BF16 [1, 128]")
        self.refused(self.changed(with_("weight", "U32", [2, 64, 6], bytes(3072))),
                     "MLX with experts in one tensor")

    def test_weights_that_mlx_keeps_in_another_order_are_refused(self):
        def add(tensors):
            return tensors | {"vision_tower.conv.weight": ("BF16", [2, 3, 3, 1], bytes(36))}
        self.refused(self.changed(add), "vision_tower.conv.weight", "channels last")
