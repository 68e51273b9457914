"""Codes of 1 to 8 bits as their producers pack them, against what another program made of them.
specs/compressed_tensors.md clauses 2 to 4, specs/gptq.md clauses 2.5 to 2.8."""

import json

from support import DATA, Case, Shard, available_isas, hashes, rewrite, run

FOLDER = DATA / "low_bits"
NAMES = sorted(path.name for path in FOLDER.iterdir())
WEIGHT = "model.layers.0.mlp.up_proj.weight"


class LowBits(Case):
    def source(self, name):
        return FOLDER / name / "model"

    def changed(self, name, change=None, config=None):
        def quantization(text):
            if config:
                config(text["quantization_config"])
        return rewrite(self.source(name), self.work / f"changed-{name}", change, quantization)

    def test_every_weight_is_the_exact_one_on_every_instruction_set(self):
        self.assertEqual(len(NAMES), 11)
        for name in NAMES:
            expected = json.loads((FOLDER / name / "expected.json").read_text())
            for isa in available_isas():
                with self.subTest(name=name, isa=isa):
                    out = self.work / "out"
                    self.convert(self.source(name), out, "--isa", isa, "--force", "--verify")
                    self.assertEqual(hashes(out), expected)
                    self.assertNotIn("quantization_config", (out / "config.json").read_text())

    def test_verify_recovers_the_codes_and_sees_a_flipped_bit(self):
        for name in NAMES:
            for dtype, rounding in (("bfloat16", ()), ("float32", ()),
                                    ("bfloat16", ("--rounding", "via-float16"))):
                with self.subTest(name=name, dtype=dtype, rounding=rounding):
                    out = self.work / "out"
                    self.convert(self.source(name), out, "--force", "--dtype", dtype, *rounding)
                    good = run("verify", out, "--against", self.source(name), *rounding)
                    self.assert_exit(good, 0)
                    self.assertIn(" 0 are wrong", good.stdout)
                    shard = out / "model.safetensors"
                    data = bytearray(shard.read_bytes())
                    header = int.from_bytes(data[:8], "little") + 8
                    data[header + Shard(shard).tensors[WEIGHT]["data_offsets"][0]] ^= 1
                    shard.write_bytes(data)
                    bad = run("verify", out, "--against", self.source(name), *rounding)
                    self.assert_exit(bad, 7)
                    self.assertIn(WEIGHT, bad.stdout)

    def test_compare_and_inspect_know_them(self):
        titles = {"ct-3bit-sym": "compressed-tensors 3-bit",
                  "gptqmodel-3bit-gptq_p": "GPTQ 3-bit",
                  "gptqmodel-4bit-gptq-int16words": "GPTQ 4-bit",
                  "autoround-6bit-auto_round-auto_gptq": "GPTQ 6-bit"}
        for name in NAMES:
            with self.subTest(name=name):
                out = self.work / name
                self.convert(self.source(name), out)
                self.assert_exit(run("compare", self.source(name), out), 0)
                inspected = run("inspect", self.source(name))
                self.assert_exit(inspected, 0)
                self.assertIn(titles.get(name, "-bit"), inspected.stdout)

    def test_parts_threads_and_memory_give_the_same(self):
        for name in ("ct-5bit-asym", "gptqmodel-6bit-gptq_p"):
            self.convert(self.source(name), self.work / name, "--memory", "64MB", "--threads", "1")
            expected = json.loads((FOLDER / name / "expected.json").read_text())
            self.assertEqual(hashes(self.work / name), expected)

    def test_a_width_that_neither_config_nor_shapes_have_is_refused(self):
        def bits(count):
            def change(config):
                config["bits"] = count
            return change
        model = self.changed("gptqmodel-2bit-gptq", config=bits(3))
        self.assert_refused(run("convert", model, self.work / "out"), 3,
                            "no width of 2 to 8 bits", "the config says 3", "qweight I32 [6, 64]")
        model = self.changed("autoround-3bit-auto_round", config=bits(9))
        self.assert_refused(run("convert", model, self.work / "out"), 3, "bits: got 9",
                            "expected 2 to 8")

    def test_planes_are_told_by_the_format_only(self):
        def v2(config):
            config["format"] = config["checkpoint_format"] = "gptq_v2"
        model = self.changed("gptqmodel-3bit-gptq_p", config=v2)
        self.convert(model, self.work / "out")
        expected = json.loads((FOLDER / "gptqmodel-3bit-gptq_p" / "expected.json").read_text())
        self.assertNotEqual(hashes(self.work / "out")[WEIGHT]["sha256"],
                            expected[WEIGHT]["sha256"])

    def test_scales_that_are_no_numbers_are_counted(self):
        def spoil(tensors):
            name = WEIGHT + "_scale"
            dtype, shape, data = tensors[name]
            return tensors | {name: (dtype, shape, b"\xc0\x7f\x80\x7f" + data[4:])}
        model = self.changed("ct-3bit-sym", spoil)
        self.convert(model, self.work / "out")
        self.assert_exit(run("verify", self.work / "out", "--against", model), 0)
        inspected = run("inspect", model).stdout
        self.assertIn("NaN", inspected)
        self.assertIn("infinite", inspected)


if __name__ == "__main__":
    raise SystemExit("run tests/cli/run_cli.py")
