"""Scales that are NaN or infinite, in every format: specs/checkpoint.md clause 7."""

import json
import math
import re
import struct

from support import DATA, Case, Shard, rewrite, run

MODULE = "model.layers.0.mlp.up_proj"
SCALES = {"F16": "<e", "F32": "<f"}


def bits_of(value, dtype):
    if dtype == "BF16":
        return struct.pack("<f", value)[2:]
    return struct.pack(SCALES[dtype], value)


def spoiled(tensors, suffix, values):
    """Copies of `tensors`, the first elements of the first with `suffix`, beside what is packed,
    replaced by `values`."""
    name = next(name for name in sorted(tensors) if name.endswith(suffix)
                and not tensors[name][0].startswith("F8")
                and any(name.removesuffix(suffix) + packed in tensors
                        for packed in (".qweight", ".weight", ".weight_packed")))
    dtype, shape, data = tensors[name]
    new = b"".join(bits_of(value, dtype) for value in values)
    return tensors | {name: (dtype, shape, new + data[len(new):])}


def models():
    """Each fixture of one shard, and what its scales (and biases that are floats) are called."""
    found = []
    for config in sorted(DATA.glob("**/model/config.json")):
        shard = config.parent / "model.safetensors"
        if not shard.exists():
            continue
        entries = Shard(shard).tensors
        for suffix in (".scales", ".weight_scale", ".SCB", ".biases", ".scaled_zeros"):
            if any(name.endswith(suffix) and math.prod(entry["shape"]) >= 3
                   and entry["dtype"] in ("F16", "BF16", "F32")
                   for name, entry in entries.items()):
                found.append((config.parent, suffix))
    return found


class BadScales(Case):
    def model(self, source, suffix, values, name="model"):
        return rewrite(source, self.work / name,
                       lambda tensors: spoiled(tensors, suffix, values))

    def awq(self, values=(math.nan, math.inf, -math.inf), name="model"):
        return self.model(DATA / "llama-gptqmodel-awq" / "model", ".scales", values, name)

    def warned(self, result, count_nan, count_infinite):
        lines = [line for line in result.stderr.splitlines()
                 if re.search(r"\b(NaN|infinite) scales? in ", line)]
        self.assertEqual(len(lines), 1, result.stderr)
        for count, word in ((count_nan, "NaN"), (count_infinite, "infinite")):
            if count:
                self.assertIn(f"{count} {word} ", lines[0])
        return lines[0]

    def test_every_format_warns_with_counts(self):
        layouts = set()
        for source, suffix in models():
            with self.subTest(source=source.parent.name, suffix=suffix):
                model = self.model(source, suffix, (math.nan, math.inf, -math.inf))
                result = run("convert", model, self.work / "out", "--force", "--quiet")
                self.assert_exit(result, 0)
                self.warned(result, 1, 2)
                verified = run("verify", self.work / "out", "--against", model)
                self.assert_exit(verified, 0)
                report = json.loads(run("inspect", model, "--json").stdout)
                flaws = [group["suspicious_scales"] for group in report["linears"]]
                self.assertEqual((sum(flaw["nan"] for flaw in flaws),
                                  sum(flaw["infinite"] for flaw in flaws)), (1, 2))
                self.assertEqual(len([line for line in report["warnings"] if "1 NaN" in line]), 1)
                layouts.update(group["layout"] for group in report["linears"])
        self.assertGreaterEqual(len(layouts), 9, layouts)

    def test_what_is_wrong_is_said(self):
        one = self.model(DATA / "llama-gptqmodel-awq" / "model", ".scales", (math.nan,))
        line = self.warned(run("convert", one, self.work / "out", "--quiet"), 1, 0)
        self.assertIn("1 NaN scale in model.layers.0.mlp.down_proj: ", line)
        self.assertIn("become NaN", line)
        zero = self.model(DATA / "llama-gptqmodel-awq" / "model", ".scales", (0.0,), "zero")
        self.assertNotIn("scale", self.convert(zero, self.work / "zero-out", "--quiet").stderr)

    def test_strict_stops_before_anything_is_written(self):
        model = self.awq()
        out = self.work / "out"
        for words in (("convert", model, out, "--strict"),
                      ("convert", model, out, "--strict", "--dry-run"),
                      ("convert", model, out, "--strict", "--part", "1/1")):
            with self.subTest(words=words):
                self.assert_refused(run(*words), 3, "1 NaN and 2 infinite scales in ",
                                    "Without --strict")
                self.assertEqual([path for path in self.work.iterdir() if path != model], [])
        self.convert(model, out)
        strict = run("verify", out, "--against", model, "--strict")
        self.assertEqual(strict.returncode, 3)
        self.assertIn("1 NaN and 2 infinite scales in ", strict.stderr)

    def test_the_dry_run_and_jobs_warn(self):
        model = self.awq()
        dry = run("convert", model, self.work / "out", "--dry-run")
        self.assert_exit(dry, 0)
        self.assertIn("1 NaN and 2 infinite scales in ", re.sub(r"\s+", " ", dry.stdout))
        job = self.work / "job.json"
        job.write_text(json.dumps({"input": str(model), "output": "out"}))
        ran = run("run", job, "--log", self.work / "log")
        self.assert_exit(ran, 0)
        self.assertIn("1 NaN and 2 infinite scales in ", ran.stderr + (self.work / "log").read_text())
        job.write_text(json.dumps({"input": str(model), "output": "other", "strict": True}))
        strict = run("run", job, "--log", self.work / "log")
        self.assertEqual(strict.returncode, 3)
        self.assertIn("1 NaN and 2 infinite scales in ", strict.stderr)
        self.assertFalse((self.work / "other").exists())

    def test_a_part_looks_at_its_own(self):
        model = self.awq()
        warned = 0
        for part in (1, 2):
            result = run("convert", model, self.work / "out", "--part", f"{part}/2",
                         "--max-shard-size", "40KB", "--quiet")
            self.assert_exit(result, 0)
            warned += "1 NaN and 2 infinite scales in " in result.stderr
        self.assertEqual(warned, 1)
