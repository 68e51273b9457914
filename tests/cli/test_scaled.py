"""Small floats with scales as their producers write them, against what another program made of
them. specs/scaled_elements.md, specs/numbers.md clause 1.3."""

import json
import struct
import tarfile

from support import DATA, Case, Shard, available_isas, hashes, rewrite, run

FOLDER = DATA / "scaled"
NAMES = sorted(path.name for path in FOLDER.iterdir())
LLAMA = "model.layers.0.mlp.up_proj"


def expected_of(name):
    return json.loads((FOLDER / name / "expected.json").read_text())


class Scaled(Case):
    def source(self, name):
        return FOLDER / name / "model"

    def changed(self, name, change=None, config=None):
        def quantization(text):
            if config:
                config(text["quantization_config"])
        return rewrite(self.source(name), self.work / f"changed-{name}", change, quantization)

    def test_every_weight_is_the_exact_one_on_every_instruction_set(self):
        self.assertEqual(len(NAMES), 30)
        for name in NAMES:
            for isa in available_isas():
                with self.subTest(name=name, isa=isa):
                    out = self.work / "out"
                    self.convert(self.source(name), out, "--isa", isa, "--force", "--verify")
                    self.assertEqual(hashes(out), expected_of(name))
                    self.assertNotIn("quantization_config", (out / "config.json").read_text())
                    self.assertFalse((out / "hf_quant_config.json").exists())

    def test_verify_recovers_the_codes_and_sees_a_flipped_bit(self):
        for name in NAMES:
            for dtype, rounding in (("bfloat16", ()), ("float32", ()),
                                    ("bfloat16", ("--rounding", "via-float16"))):
                with self.subTest(name=name, dtype=dtype, rounding=rounding):
                    out = self.work / "out"
                    self.convert(self.source(name), out, "--force", "--dtype", dtype, *rounding,
                                 "--allow-overflow")
                    against = ("--against", self.source(name), *rounding, "--allow-overflow")
                    good = run("verify", out, *against)
                    self.assert_exit(good, 0)
                    self.assertIn(" 0 are wrong", good.stdout)
                    shard = next(out.glob("*.safetensors"))
                    packed = {key.rpartition(".")[0] for path in self.source(name).glob("*.safetensors")
                              for key in Shard(path).tensors if "scale" in key.rpartition(".")[2]}
                    weight = next(key for key in Shard(shard).tensors
                                  if key.removesuffix(".weight") in packed
                                  or key.endswith("experts.down_proj"))
                    data = bytearray(shard.read_bytes())
                    header = int.from_bytes(data[:8], "little") + 8
                    data[header + Shard(shard).tensors[weight]["data_offsets"][0]] ^= 1
                    shard.write_bytes(data)
                    bad = run("verify", out, *against)
                    self.assert_exit(bad, 7)
                    self.assertIn(weight, bad.stdout)

    def test_compare_and_inspect_know_them(self):
        titles = {"fp8": "float8 E4M3", "fp8-e5m2-block-tf-llama": "float8 E5M2", "mxfp4": "MXFP4",
                  "nvfp4": "NVFP4", "mixed": "float8 E4M3", "mxfp8": "float8 E4M3"}
        for name in NAMES:
            with self.subTest(name=name):
                out = self.work / name
                self.convert(self.source(name), out)
                self.assert_exit(run("compare", self.source(name), out), 0)
                inspected = run("inspect", self.source(name))
                self.assert_exit(inspected, 0)
                self.assertIn(titles.get(name, titles[name.partition("-")[0]]), inspected.stdout)

    def test_parts_archives_threads_and_memory_give_the_same(self):
        name = "nvfp4-ct-a16-llama"
        self.convert(self.source(name), self.work / "little", "--memory", "64MB", "--threads", "1")
        self.assertEqual(hashes(self.work / "little"), expected_of(name))
        for part in ("1/2", "2/2"):
            self.convert(self.source(name), self.work / "parts", "--part", part,
                         "--max-shard-size", "60kB")
        self.assertEqual(hashes(self.work / "parts"), expected_of(name))
        self.convert(self.source(name), self.work / "model.tar")
        with tarfile.open(self.work / "model.tar") as archive:
            archive.extractall(self.work / "unpacked", filter="data")
        self.assertEqual(hashes(self.work / "unpacked" / "model"), expected_of(name))

    def test_scales_that_are_nan_are_said(self):
        # E8M0 has one NaN, 255; E4M3 two.
        for name, suffix in (("mxfp4-ct-a16-llama", "weight_scale"),
                             ("nvfp4-modelopt-llama", "weight_scale")):
            scales = f"{LLAMA}.{suffix}"

            def change(tensors, scales=scales):
                dtype, shape, data = tensors[scales]
                return tensors | {scales: (dtype, shape, b"\xff" + data[1:])}
            model = self.changed(name, change)
            done = run("convert", model, self.work / f"nan-{name}", "--allow-overflow")
            self.assert_exit(done, 0)
            self.assertIn(f"1 NaN scale in {LLAMA}", done.stderr)
            self.assert_refused(run("convert", model, self.work / "strict", "--strict"), 3,
                                f"1 NaN scale in {LLAMA}")

    def test_compare_names_scales_that_were_divided_by(self):
        name = "fp8-channel-ct-llama"

        def invert(tensors):
            for key, (dtype, shape, data) in list(tensors.items()):
                if key.endswith(".weight_scale") and dtype == "BF16":
                    values = [struct.unpack("<f", b"\0\0" + data[i:i + 2])[0]
                              for i in range(0, len(data), 2)]
                    tensors[key] = ("F32", shape, b"".join(struct.pack("<f", 1 / value)
                                                          for value in values))
            return tensors
        model = self.changed(name, invert)
        self.convert(self.source(name), self.work / "right")
        self.convert(model, self.work / "divided", "--allow-overflow")
        told = run("compare", self.work / "divided", self.work / "right")
        self.assertNotEqual(told.returncode, 3)
        self.assertIn("another model", told.stdout)


class Refused(Case):
    def test_what_cannot_be_told_apart_is_refused_by_name(self):
        source = FOLDER / "fp8-block128-ue8m0f32-qwen3" / "model"
        weight = next(key.removesuffix("_scale_inv") for key in
                      Shard(source / "model.safetensors").tensors if key.endswith("weight_scale_inv"))

        def without_scale(tensors):
            del tensors[weight + "_scale_inv"]
            return tensors
        model = rewrite(source, self.work / "missing", without_scale)
        self.assert_refused(run("convert", model, self.work / "out"), 3, weight, "F8_E4M3")

        def of_gptqmodel(config):
            config["quantization_config"]["checkpoint_format"] = "float8_e4m3fn"
        model = rewrite(source, self.work / "gptqmodel", None, of_gptqmodel)
        self.assert_refused(run("convert", model, self.work / "out"), 3,
                            "GPTQModel without weight_scale_semantics")

        def grid(tensors):
            dtype, shape, data = tensors[weight + "_scale_inv"]
            tensors[weight + "_scale_inv"] = (dtype, [shape[0] + 1, *shape[1:]],
                                              data + data[:len(data) // shape[0]])
            return tensors
        model = rewrite(source, self.work / "grid", grid)
        self.assert_refused(run("convert", model, self.work / "out"), 3, weight.removesuffix(".weight"),
                            "weight_scale_inv: got", "in blocks of 128 x 128")
