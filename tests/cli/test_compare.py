"""thaw compare from outside: figures, names, exit codes, and the faults that it names.
specs/verify.md clauses 6 to 9."""

import json
import math
import random
import struct

from support import DATA, Case, Shard, read_checkpoint, run, write_safetensors
from test_golden import write_case

# What GPTQModel's dequantize_model does to AWQ words: row n has the codes of this row of its eight.
TAKEN = (0, 2, 4, 6, 1, 3, 5, 7)
GROUP = 64


def floats(data):
    return list(struct.unpack(f"<{len(data) // 2}e", data))


def halves(values):
    return struct.pack(f"<{len(values)}e", *values)


def is_linear(name):
    return name.endswith("_proj.weight")


class Compare(Case):
    def setUp(self):
        super().setUp()
        self.right = self.work / "right"
        self.convert(self.model(), self.right)
        self.tensors = read_checkpoint(self.right)

    def wrong(self, change, name="wrong"):
        """A checkpoint whose tensors are change(name, rows, columns, values) of the right ones."""
        changed = {}
        for tensor, (dtype, shape, data) in self.tensors.items():
            values = change(tensor, shape[0], shape[-1], floats(data))
            changed[tensor] = (dtype, shape, data if values is None else halves(values))
        return self.write(name, changed)

    def write(self, name, tensors):
        folder = self.work / name
        folder.mkdir()
        write_safetensors(folder / "model.safetensors", tensors)
        (folder / "config.json").write_bytes((self.right / "config.json").read_bytes())
        return folder

    def compare(self, a, b, *options, code=0):
        result = run("compare", a, b, "--json", *options)
        self.assert_exit(result, code)
        return json.loads(result.stdout)

    def faults(self, found):
        return {tensor["name"]: tensor["fault"] for tensor in found["tensors"]
                if tensor["fault"] != "none"}

    def test_equal_checkpoints_are_equal(self):
        for a, b in ((self.right, self.right), (self.model(), self.model())):
            found = self.compare(a, b)
            self.assertEqual(found["total"]["relative"], 0)
            self.assertEqual(found["total"]["equal"], found["total"]["elements"])
            self.assertIsNone(found["total"]["snr_db"])
            self.assertEqual(found["verdicts"], [])
        self.convert(self.model(), self.work / "f32", "--dtype", "float32")
        self.assertEqual(self.compare(self.model(), self.work / "f32")["total"]["relative"], 0)

    def test_layouts_of_one_model_agree(self):
        found = self.compare(self.model("qwen2-awq-gemm"), self.model("qwen2-awq-gemv"))
        self.assertEqual(found["total"]["relative"], 0)
        found = self.compare(self.model("qwen2-awq-gemm"), self.model("qwen2-awq-gemv_fast"))
        self.assertTrue(0 < found["total"]["relative"] < 1e-3)
        self.assertEqual(self.faults(found), {})

    def test_figures_are_those_of_the_formulas(self):
        rng = random.Random(1)
        name = "model.layers.0.mlp.up_proj.weight"
        wrong = self.wrong(lambda tensor, rows, columns, values:
                           [v + rng.gauss(0, 0.01) for v in values] if tensor == name else None)
        a = floats(self.tensors[name][2])
        b = floats(read_checkpoint(wrong)[name][2])
        (found,) = [t for t in self.compare(self.right, wrong)["tensors"] if t["name"] == name]
        dd = math.fsum((x - y) ** 2 for x, y in zip(a, b))
        aa, bb = math.fsum(x * x for x in a), math.fsum(y * y for y in b)
        ab = math.fsum(x * y for x, y in zip(a, b))
        for key, want in (("max_abs", max(abs(x - y) for x, y in zip(a, b))),
                          ("rms", math.sqrt(dd / len(a))), ("relative", math.sqrt(dd / aa)),
                          ("cosine", ab / math.sqrt(aa * bb)),
                          ("snr_db", 10 * math.log10(aa / dd))):
            self.assertAlmostEqual(found[key] / want, 1, places=9, msg=key)
        self.assertEqual(found["elements"], len(a))
        self.assertEqual(found["equal"], sum(x == y for x, y in zip(a, b)))
        counts = {}
        for x, y in zip(a, b):
            if x != y:
                power = math.frexp(abs(x - y))[1] - 1
                counts[2.0 ** max(power, -40)] = counts.get(2.0 ** max(power, -40), 0) + 1
        self.assertEqual({bin["from"]: bin["count"] for bin in found["histogram"]}, counts)
        self.assertEqual((found["module"], found["layer"], found["shape"]),
                         ("model.layers.0.mlp.up_proj", 0, [384, 128]))
        self.assertEqual((found["type_a"], found["type_b"]), ("F16", "F16"))

    def test_output_does_not_depend_on_threads_memory_or_isa(self):
        b = self.model("qwen2-awq-gemv_fast")
        first = run("compare", self.model(), b, "--json").stdout
        for options in (["--threads", "1"], ["--threads", "5"], ["--memory", "128MB"],
                        ["--isa", "scalar"]):
            self.assertEqual(run("compare", self.model(), b, "--json", *options).stdout, first)

    def test_the_worst_comes_first(self):
        relative = [tensor["relative"] for tensor in self.compare(
            self.model(), self.model("qwen2-awq-gemv_fast"))["tensors"]]
        self.assertEqual(relative, sorted(relative, reverse=True))

    def test_the_fault_of_another_tool_is_named(self):
        # Codes and zeros of another row of the eight, the scales of the right one.
        shard = {}
        for path in sorted(self.model().glob("*.safetensors")):
            file = Shard(path)
            shard.update({name: floats(file.read(name)) for name in file.tensors
                          if name.endswith(".scales")})

        def mistaken(name, rows, columns, values):
            if not is_linear(name):
                return None
            scales = shard[name.replace(".weight", ".scales")]
            out = []
            for n in range(rows):
                other = n // 8 * 8 + TAKEN[n % 8]
                for k in range(columns):
                    group = k // GROUP * rows
                    out.append(values[other * columns + k] / scales[group + other]
                               * scales[group + n])
            return out

        wrong = self.wrong(mistaken)
        for right in (self.right, self.model()):
            found = self.compare(right, wrong)
            linears = {name for name in self.tensors if is_linear(name)}
            self.assertEqual(self.faults(found), dict.fromkeys(linears, "row_order"))
            self.assertIn("14 tensors: nibbles in the wrong order", found["verdicts"][0])
        text = run("compare", self.right, wrong).stdout
        self.assertIn("nibbles in the wrong order", text)
        self.assertIn("row_order", text)

    def test_rows_or_columns_in_the_order_of_the_nibbles(self):
        for order in (TAKEN, (0, 4, 1, 5, 2, 6, 3, 7)):
            for fault in ("row_order", "column_order"):
                with self.subTest(fault, order=order):
                    def mistaken(name, rows, columns, v):
                        if not is_linear(name):
                            return None
                        if fault == "row_order":
                            return [v[(n // 8 * 8 + order[n % 8]) * columns + k]
                                    for n in range(rows) for k in range(columns)]
                        return [v[n * columns + k // 8 * 8 + order[k % 8]]
                                for n in range(rows) for k in range(columns)]
                    wrong = self.wrong(mistaken, f"{fault}{order[1]}")
                    self.assertEqual(set(self.faults(self.compare(self.right, wrong)).values()),
                                     {fault})

    def test_transposed_weights(self):
        turned = {}
        for name, (dtype, shape, data) in self.tensors.items():
            if is_linear(name):
                rows, columns = shape
                values = floats(data)
                data = halves([values[n * columns + k] for k in range(columns)
                               for n in range(rows)])
                shape = [columns, rows]
            turned[name] = (dtype, shape, data)
        found = self.compare(self.right, self.write("turned", turned), code=7)
        square = [name for name, (_, shape, _) in self.tensors.items()
                  if is_linear(name) and shape[0] == shape[1]]
        self.assertEqual(self.faults(found), dict.fromkeys(square, "transposed"))
        self.assertEqual(len(found["shapes"]), 14 - len(square))
        self.assertEqual({shape["fault"] for shape in found["shapes"]}, {"transposed"})

    def test_zero_points_off_by_one(self):
        cases = json.loads((DATA / "golden" / "manifest.json").read_text())["cases"]
        (case,) = [c for c in cases if c["case"] == "gptq_v1_asym_k128_n64_g32"]
        shard = Shard(DATA / "golden" / case["file"])
        write_case(self.work / "v1", case, shard)
        other = dict(case, quantization_config=dict(case["quantization_config"],
                                                    checkpoint_format="gptq_v2"))
        write_case(self.work / "v2", other, shard)
        found = self.compare(self.work / "v1", self.work / "v2")
        self.assertEqual(self.faults(found), {"model.layers.0.layer.weight": "zero_off_by_one"})

    def scaled(self, weights, norms, name):
        """q, k and v of layer 0 scaled by channel, the norm in front the other way."""
        rng = random.Random(2)
        factors = [rng.uniform(0.5, 2) for _ in range(128)]

        def change(tensor, rows, columns, values):
            if weights and tensor.startswith("model.layers.0.self_attn.") and (
                    tensor.endswith(("q_proj.weight", "k_proj.weight", "v_proj.weight"))):
                return [v * factors[i % columns] for i, v in enumerate(values)]
            if norms and tensor == "model.layers.0.input_layernorm.weight":
                return [v / f for v, f in zip(values, factors)]
            return None
        return self.wrong(change, name)

    def test_norms_not_taken_along(self):
        linears = {f"model.layers.0.self_attn.{part}_proj.weight" for part in "qkv"}
        found = self.compare(self.right, self.scaled(True, False, "weights"))
        self.assertEqual(self.faults(found), dict.fromkeys(linears, "norm_not_taken"))
        found = self.compare(self.right, self.scaled(False, True, "norms"))
        self.assertEqual(self.faults(found),
                         {"model.layers.0.input_layernorm.weight": "norm_not_taken"})
        found = self.compare(self.right, self.scaled(True, True, "both"))
        self.assertEqual(self.faults(found), dict.fromkeys(linears, "scaled_with_norm"))

    def test_one_factor_for_all(self):
        found = self.compare(self.right, self.wrong(
            lambda name, rows, columns, v: [2 * x for x in v] if is_linear(name) else None))
        self.assertEqual(set(self.faults(found).values()), {"scaled"})

    def test_another_model(self):
        rng = random.Random(3)
        found = self.compare(self.right, self.wrong(
            lambda name, rows, columns, v: rng.sample(v, len(v)) if is_linear(name) else None))
        self.assertEqual(set(self.faults(found).values()), {"unrelated"})
        self.assertTrue(found["verdicts"][0].startswith("another model: 14 of 16 weights"),
                        found["verdicts"])

    def test_infinite_and_nan_values_are_counted(self):
        def change(name, rows, columns, values):
            if name != "model.norm.weight":
                return None
            return [math.inf, math.nan, *values[2:]]
        wrong = self.wrong(change)
        found = self.compare(self.right, wrong)
        worst = found["tensors"][0]
        self.assertEqual((worst["name"], worst["nonfinite_a"], worst["nonfinite_b"],
                          worst["nonfinite_differ"], worst["relative"]),
                         ("model.norm.weight", 0, 2, 2, 0))
        self.compare(self.right, wrong, "--fail-above", "1000", code=7)
        self.assertEqual(self.compare(wrong, wrong)["total"]["nonfinite_differ"], 0)

    def test_names_and_shapes_that_differ_are_exit_7(self):
        tensors = dict(self.tensors)
        tensors["extra"] = tensors.pop("model.norm.weight")
        dtype, shape, data = tensors["model.layers.0.input_layernorm.weight"]
        tensors["model.layers.0.input_layernorm.weight"] = (dtype, [2, 64], data)
        found = self.compare(self.right, self.write("other", tensors), code=7)
        self.assertEqual((found["only_a"], found["only_b"]), (["model.norm.weight"], ["extra"]))
        self.assertEqual([shape["name"] for shape in found["shapes"]],
                         ["model.layers.0.input_layernorm.weight"])
        self.assertFalse(found["same_names_and_shapes"])
        text = run("compare", self.right, self.work / "other")
        self.assertIn("only in A     model.norm.weight", text.stdout)
        self.assertIn("1 shapes differ", text.stderr)

    def test_other_spellings_are_the_same_tensors(self):
        renamed = {name.removeprefix("model."): tensor for name, tensor in self.tensors.items()}
        found = self.compare(self.right, self.write("renamed", renamed))
        self.assertEqual(found["total"]["relative"], 0)
        self.assertEqual(found["spec"], "qwen2")
        self.assertEqual({(t["name"], t["name_b"]) for t in found["tensors"]},
                         {(name, name.removeprefix("model.")) for name in self.tensors})

    def test_a_limit_for_scripts(self):
        b = self.model("qwen2-awq-gemv_fast")
        self.assert_exit(run("compare", self.model(), b, "--fail-above", "0.01"), 0)
        result = run("compare", self.model(), b, "--fail-above", "1e-5")
        self.assert_exit(result, 7)
        self.assertIn("--fail-above", result.stderr)

    def test_other_types_are_compared_too(self):
        values = struct.pack("<4q", 1, 2, 3, 4)
        other = struct.pack("<4q", 1, 2, 3, 6)
        a = self.write("a", {"x": ("I64", [4], values), "s": ("F64", [], struct.pack("<d", 0.5)),
                             "c": ("F8_E4M3", [2], bytes([0x38, 0x40])), "e": ("F16", [0], b"")})
        b = self.write("b", {"x": ("I64", [4], other), "s": ("F32", [], struct.pack("<f", 0.5)),
                             "c": ("F16", [2], halves([1, 2])), "e": ("F16", [0], b"")})
        found = {tensor["name"]: tensor for tensor in self.compare(a, b)["tensors"]}
        self.assertEqual((found["x"]["max_abs"], found["x"]["equal"]), (2, 3))
        self.assertEqual((found["s"]["relative"], found["c"]["relative"]), (0, 0))

    def test_usage(self):
        self.assert_refused(run("compare", self.right), 2, "A and B")
        self.assert_refused(run("compare", self.right, self.right, "x"), 2, "x")
        for limit in ("-1", "x", "nan", "inf", "1x"):
            self.assert_refused(run("compare", self.right, self.right, "--fail-above", limit), 2,
                                "--fail-above")
        self.assert_refused(run("compare", self.right, self.work / "none"), 3)
        self.assert_refused(run("compare", self.right, self.right, "--memory", "1MB"), 6, "MB")
        self.assertIn("--fail-above", run("compare", "--help").stdout)
