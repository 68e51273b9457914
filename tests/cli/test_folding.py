"""Activation scales are folded, and packed tensors that thaw does not read are refused or copied."""

import json
import struct

from support import DATA, ROOT, Case, Shard, available_isas, hashes, read_checkpoint, run, \
    write_safetensors

STARCODER = "starcoder2-awq-act_scales"
SCALES = "model.layers.{}.mlp.act.scales"
LINEAR = "model.layers.{}.mlp.c_proj"


def floats(dtype, data):
    if dtype == "F32":
        return [value for (value,) in struct.iter_unpack("<f", data)]
    if dtype == "F16":
        return [value for (value,) in struct.iter_unpack("<e", data)]
    return [value for (bits,) in struct.iter_unpack("<H", data)
            for value in struct.unpack("<f", struct.pack("<I", bits << 16))]


def bfloat16(value):
    """One rounding of a double that is no exact tie between floats: by its float32 neighbours."""
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    (nearest,) = struct.unpack("<f", struct.pack("<I", bits))
    if nearest != value:  # to odd
        if abs(nearest) > abs(value):
            bits -= 1
        bits |= 1
    return struct.pack("<H", (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)


def rounded(values, dtype, via_float16=False):
    if via_float16:
        values = floats("F16", rounded(values, "F16"))
    if dtype == "BF16":
        return b"".join(map(bfloat16, values))
    return struct.pack(f"<{len(values)}{'e' if dtype == 'F16' else 'f'}", *values)


class Folding(Case):
    def tensors(self):
        shard = Shard(self.model(STARCODER) / "model.safetensors")
        return {name: (entry["dtype"], entry["shape"], shard.read(name))
                for name, entry in shard.tensors.items()}

    def write(self, name, tensors, **config):
        folder = self.work / name
        folder.mkdir()
        write_safetensors(folder / "model.safetensors", tensors)
        text = json.loads((self.model(STARCODER) / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(text | config))
        return folder

    def test_the_fixture_has_the_expected_bits_on_every_instruction_set(self):
        expected = json.loads((DATA / STARCODER / "expected.json").read_text())
        for options in ([["--isa", isa] for isa in available_isas()]
                        + [["--threads", "1"], ["--threads", "7"], ["--memory", "64MB"]]):
            with self.subTest(options):
                out = self.work / "out"
                self.convert(self.model(STARCODER), out, "--force", *options)
                self.assertEqual(hashes(out), expected)

    def exact_weights(self):
        """c_proj as it is packed, in float32, which is exact; and the scales."""
        tensors = self.tensors()
        scales = {i: floats(*tensors.pop(SCALES.format(i))[::2]) for i in (0, 1)}
        self.convert(self.write("without", tensors), self.work / "exact", "--dtype", "float32")
        found = read_checkpoint(self.work / "exact")
        return {i: found[LINEAR.format(i) + ".weight"] for i in (0, 1)}, scales

    def test_every_output_type_is_the_exact_quotient_rounded_once(self):
        weights, scales = self.exact_weights()
        rows = [(name, dtype, []) for name, dtype in (("float16", "F16"), ("bfloat16", "BF16"),
                                                      ("float32", "F32"))]
        rows.append(("bfloat16", "BF16", ["--rounding", "via-float16"]))
        for name, dtype, options in rows:
            wanted = {}
            for i, (_, shape, data) in weights.items():
                quotients = [value / scales[i][k % shape[1]]
                             for k, value in enumerate(floats("F32", data))]
                wanted[i] = (dtype, shape, rounded(quotients, dtype, bool(options)))
            for isa in available_isas():
                with self.subTest(dtype=name, isa=isa, options=options):
                    out = self.work / "out"
                    self.convert(self.model(STARCODER), out, "--dtype", name, "--isa", isa,
                                 "--force", *options)
                    found = read_checkpoint(out)
                    for i, tensor in wanted.items():
                        self.assertTrue(found[LINEAR.format(i) + ".weight"] == tensor)
                        self.assertNotIn(SCALES.format(i), found)

    def test_scales_of_other_types_and_a_linear_that_is_not_quantized(self):
        weights, scales = self.exact_weights()
        for dtype in ("F32", "BF16"):
            for kept in ("F32", "F16"):
                with self.subTest(scales=dtype, weight=kept):
                    tensors = self.tensors()
                    by = rounded(scales[0], dtype)
                    tensors[SCALES.format(0)] = (dtype, [len(scales[0])], by)
                    for suffix in ("qweight", "qzeros", "scales"):
                        del tensors[f"{LINEAR.format(0)}.{suffix}"]
                    _, shape, data = weights[0]
                    packed = rounded(floats("F32", data), kept)
                    tensors[LINEAR.format(0) + ".weight"] = (kept, shape, packed)
                    model = self.write(f"model-{dtype}-{kept}", tensors)
                    self.convert(model, self.work / "out", "--force")
                    by = floats(dtype, by)
                    quotients = [value / by[k % shape[1]]
                                 for k, value in enumerate(floats(kept, packed))]
                    found = read_checkpoint(self.work / "out")
                    self.assertTrue(found[LINEAR.format(0) + ".weight"]
                                    == (kept, shape, rounded(quotients, kept)))

    def test_a_quotient_beyond_float16_is_an_overflow(self):
        tensors = self.tensors()
        dtype, shape, data = tensors[SCALES.format(0)]
        tensors[SCALES.format(0)] = (dtype, shape, b"\x01\x00" + data[2:])  # 2^-24
        model = self.write("model", tensors)
        out = self.work / "out"
        self.assert_refused(run("convert", model, out), 4, LINEAR.format(0), "bfloat16")
        self.assertFalse(out.exists())
        self.convert(model, out, "--allow-overflow")
        self.convert(model, self.work / "wide", "--dtype", "bfloat16")

    def test_specs_come_from_the_environment_too(self):
        specs = self.work / "models"
        specs.mkdir()
        env = {"THAW_MODELS": str(specs)}
        model, out = self.model(STARCODER), self.work / "out"
        self.assert_refused(run("convert", model, out, env=env), 3, "act.scales", "starcoder2")
        (specs / "mine.json").write_text("{}")
        self.assert_refused(run("convert", model, out, env=env), 3, "mine.json", "layers")
        text = (ROOT / "specs" / "models" / "starcoder2.json").read_text()
        (specs / "mine.json").write_text(text)
        self.convert(model, out, env=env)
        # A model without such scales needs no specs.
        self.convert(self.model(), self.work / "other", env={"THAW_MODELS": "/nowhere"})

    def test_the_plan_and_the_report_tell_of_it(self):
        plan = run("convert", self.model(STARCODER), "--dry-run", "--json")
        self.assertEqual(json.loads(plan.stdout)["folded"], 2)
        result = self.convert(self.model(STARCODER), self.work / "out")
        self.assertIn("activation scales into 2 linears", result.stderr)


class Unknown(Case):
    def write(self, foreign):
        shard = Shard(self.model("qwen2-awq-gemv") / "model.safetensors")
        tensors = {name: (entry["dtype"], entry["shape"], shard.read(name))
                   for name, entry in shard.tensors.items()}
        folder = self.work / "model"
        folder.mkdir()
        write_safetensors(folder / "model.safetensors", tensors | foreign)
        (folder / "config.json").write_text((self.model("qwen2-awq-gemv")
                                             / "config.json").read_text())
        return folder

    def test_fp8_is_refused_with_a_list_or_copied_with_a_warning(self):
        weight = bytes(range(256)) * 2
        foreign = {}
        for i in range(30):
            foreign[f"extra.{i}.weight"] = ("U8", [16, 32], weight)
            foreign[f"extra.{i}.weight_scale"] = ("BF16", [2], b"\x80\x3f\xc0\xff")
        model, out = self.write(foreign), self.work / "out"
        refused = run("convert", model, out, "--dtype", "float16")
        self.assert_refused(refused, 3, "extra.*.weight_scale",
                            "30 of them, the first extra.0.weight_scale", "--copy-unknown")
        result = self.convert(model, out, "--dtype", "float16", "--copy-unknown")
        self.assertIn("60 tensors are copied unchanged", result.stderr)
        self.assertIn("extra.0.weight, extra.0.weight_scale", result.stderr)
        self.assertIn("and 40 more", result.stderr)
        found = read_checkpoint(out)
        for name, tensor in foreign.items():
            self.assertEqual(found[name], tensor)
        self.convert(self.model("qwen2-awq-gemv"), self.work / "alone")
        for name, tensor in read_checkpoint(self.work / "alone").items():
            self.assertTrue(found[name] == tensor, name)

    def test_the_option_alone_changes_nothing(self):
        plans = [json.loads(run("convert", self.model(), "--dry-run", "--json", *options).stdout)
                 for options in ([], ["--copy-unknown"])]
        self.assertEqual(plans[0], plans[1])


class Inspect(Case):
    def test_reasons_contradictions_and_suspicious_scales(self):
        model = self.work / "model"
        model.mkdir()
        shard = Shard(self.model("qwen2-awq-marlin") / "model.safetensors")
        tensors = {name: (entry["dtype"], entry["shape"], shard.read(name))
                   for name, entry in shard.tensors.items()}
        name = "model.layers.1.mlp.up_proj.scales"
        dtype, shape, data = tensors[name]
        tensors[name] = (dtype, shape, b"\x00\x7c\x00\xfe\x00\x00\x00\x80" + data[8:])
        write_safetensors(model / "model.safetensors", tensors)
        config = json.loads((self.model("qwen2-awq-marlin") / "config.json").read_text())
        config["quantization_config"]["group_size"] = 64
        (model / "config.json").write_text(json.dumps(config))
        found = json.loads(run("inspect", model, "--json").stdout)
        for group in found["linears"]:
            self.assertIn("two words of qweight for a column of scales", group["reason"])
            self.assertIn("qweight I32 [", group["reason"])
            self.assertEqual(group["contradictions"], ["group_size 64, 128 by shape"])
            wanted = {"infinite": 0, "nan": 0, "zero": 0}
            if group["modules"].endswith("up_proj"):
                wanted = {"infinite": 1, "nan": 1, "zero": 2,
                          "first": "model.layers.1.mlp.up_proj"}
            self.assertEqual(group["suspicious_scales"], wanted)
        details = run("inspect", model, "--details").stdout
        self.assertIn("model.layers.*.mlp.up_proj: AWQ Marlin, by two words of qweight", details)
        text = run("inspect", model).stdout
        self.assertIn("14 linears as AWQ Marlin by two words of qweight for a column of scales",
                      text)
        self.assertIn("model.layers.*.mlp.up_proj: scales that are infinite (1), NaN (1), zero (2),"
                      " first in model.layers.1.mlp.up_proj", text)
        self.assertIn("model.layers.*.mlp.down_proj: the config says group_size 64, 128 by shape",
                      text)
