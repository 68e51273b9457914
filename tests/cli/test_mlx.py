"""MLX's affine mode as mlx-lm writes it, against what another program made of it. specs/mlx.md."""

import json
import random
import shutil
from fractions import Fraction

from fractions_of import bits_of
from support import DATA, Case, Shard, available_isas, hashes, rewrite, run, write_safetensors

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
                     "scales: got U8 [128, 1]")
        self.refused(self.changed(with_("scales", "BF16", [1, 128], bytes(256))),
                     "scales: got BF16 [1, 128]")
        self.refused(self.changed(with_("weight", "U32", [2, 64, 6], bytes(3072))),
                     "MLX with experts in one tensor")

    def test_modes_of_small_floats(self):
        """mxfp4 as mlx-lm wrote it; each mode, of random codes and scales, against fractions."""
        source = DATA / "mlx" / "mxfp4-llama"
        for isa in available_isas():
            out = self.work / "out"
            self.convert(source / "model", out, "--isa", isa, "--force", "--verify")
            self.assertEqual(hashes(out), json.loads((source / "expected.json").read_text()))
        draw = random.Random(5)
        half = [Fraction(x, 2) for x in (0, 1, 2, 3, 4, 6, 8, 12)]

        def e4m3(byte):
            exponent, fraction = byte >> 3 & 15, byte & 7
            if exponent == 0:
                return Fraction(fraction, 512)
            return Fraction(8 + fraction, 8) * Fraction(2) ** (exponent - 7)

        for mode, bits, group in (("mxfp4", 4, 32), ("mxfp8", 8, 32), ("nvfp4", 4, 16)):
            rows, columns = 6, 96
            codes = bytes(draw.randrange(127) for _ in range(rows * columns * bits // 8))
            scales = bytes(draw.randrange(1, 120) for _ in range(rows * columns // group))
            model = self.work / mode
            model.mkdir()
            said = {"group_size": group, "bits": bits, "mode": mode}
            (model / "config.json").write_text(json.dumps(
                {"model_type": "toy", "torch_dtype": "float32", "quantization": said,
                 "quantization_config": said}))
            tensors = {"m.weight": ("U32", [rows, columns * bits // 32], codes),
                       "m.scales": ("U8", [rows, columns // group], scales)}
            write_safetensors(model / "model.safetensors", tensors)
            for dtype in ("float32", "bfloat16"):
                want = b""
                for i in range(rows * columns):
                    code = codes[i // 2] >> (4 * (i % 2)) & 15 if bits == 4 else codes[i]
                    element = half[code & 7] if bits == 4 else e4m3(code & 127)
                    byte = scales[i // group]
                    scale = e4m3(byte) if mode == "nvfp4" else Fraction(2) ** (byte - 127)
                    want += bits_of(element * scale, bool(code & (8 if bits == 4 else 128)), dtype)
                out = self.work / "out"
                self.convert(model, out, "--dtype", dtype, "--force")
                self.assertEqual(Shard(out / "model.safetensors").read("m.weight"), want, mode)
                verified = run("verify", out, "--against", model)
                self.assert_exit(verified, 0)
                self.assertIn(" 0 are wrong", verified.stdout)
            self.assertIn(f"MLX {mode}", run("inspect", model).stdout)
            config = json.loads((model / "config.json").read_text())
            shutil.rmtree(self.work / "out")
            config["quantization"]["mode"] = "mxfp4" if mode != "mxfp4" else "nvfp4"
            (model / "config.json").write_text(json.dumps(config))
            self.refused(model, "the mode of the config is", f"the shapes are those of {mode}")
            write_safetensors(model / "model.safetensors", tensors | {
                "m.biases": ("BF16", [rows, columns // group], bytes(rows * columns // group * 2))})
            self.refused(model, "biases beside scales of bytes")

    def test_weights_that_mlx_keeps_in_another_order_are_refused(self):
        def add(tensors):
            return tensors | {"vision_tower.conv.weight": ("BF16", [2, 3, 3, 1], bytes(36))}
        self.refused(self.changed(add), "vision_tower.conv.weight", "channels last")
