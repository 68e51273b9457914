"""Exit codes and messages of what cannot be asked, and of what cannot be converted."""

import json
import os
import re
import shutil

from support import DATA, Case, available_isas, run, tree


class Usage(Case):
    def test_bad_words_exit_2_with_one_line_and_a_hint(self):
        model, out = str(self.model()), str(self.work / "out")
        rows = {
            "no command": ([], "convert, inspect"),
            "unknown command": (["melt"], "melt"),
            "unknown option before a command": (["--melt"], "--melt"),
            "no MODEL": (["convert"], "MODEL"),
            "no OUT": (["convert", model], "OUT"),
            "three names": (["convert", model, out, "x"], "x"),
            "unknown option": (["convert", model, out, "--fast"], "--fast"),
            "abbreviated option": (["convert", model, out, "--dry"], "--dry"),
            "option without value": (["convert", model, out, "--dtype"], "--dtype"),
            "option twice": (["convert", model, out, "--isa", "scalar", "--isa", "scalar"], "isa"),
            "bad dtype": (["convert", model, out, "--dtype", "int8"], "int8"),
            "bad rounding": (["convert", model, out, "--rounding", "up"], "up"),
            "bad shard size": (["convert", model, out, "--max-shard-size", "5XB"], "5XB"),
            "no shard size": (["convert", model, out, "--max-shard-size", "0"], "--max-shard-size"),
            "negative memory": (["convert", model, out, "--memory", "-1GB"], "--memory"),
            "huge memory": (["convert", model, out, "--memory", "99999999TB"], "--memory"),
            "no threads": (["convert", model, out, "--threads", "0"], "--threads"),
            "threads in words": (["convert", model, out, "--threads", "two"], "two"),
            "bad progress": (["convert", model, out, "--progress", "loud"], "loud"),
            "bad output io": (["convert", model, out, "--output-io", "mmap"], "mmap"),
            "json without dry run": (["convert", model, out, "--json"], "--dry-run"),
            "report of a dry run": (["convert", model, out, "--dry-run", "--report", "r"],
                                    "--report"),
            "report nowhere": (["convert", model, out, "--report", out + "/no/report.json"],
                               "report"),
            "report inside OUT": (["convert", model, out, "--report", out + "/report.json"],
                                  "report"),
            "standard output": (["convert", model, "-"], "./-"),
            "empty OUT": (["convert", model, ""], "OUT"),
            "inspect nothing": (["inspect"], "MODEL"),
            "inspect two": (["inspect", model, model], model),
            "two roundings to float16": (["convert", model, out, "--rounding", "via-float16"],
                                         "via-float16"),
        }
        before = tree(DATA / "qwen2-awq-gemm")
        for name, (words, fragment) in rows.items():
            with self.subTest(name):
                self.assert_refused(run(*words), 2, fragment)
                self.assertEqual(list(self.work.iterdir()), [])
        self.assertEqual(tree(DATA / "qwen2-awq-gemm"), before)

    def test_escape_sequences_in_words_are_escaped(self):
        result = run("convert", self.model(), self.work / "out", "--dtype", "\x1b[31mred\n")
        self.assert_refused(result, 2, "\\x1b[31mred\\n")
        self.assertNotIn("\x1b", result.stderr)

    def test_instruction_set_names_come_from_option_or_environment(self):
        out = self.work / "out"
        names = ", ".join(available_isas())
        self.assert_refused(run("convert", self.model(), out, "--isa", "mmx"), 2, "mmx", names)
        self.assert_refused(run("convert", self.model(), out, env={"THAW_ISA": "mmx"}), 2,
                            "THAW_ISA", "mmx", names)
        self.assertFalse(out.exists())
        plan = run("convert", self.model(), "--dry-run", "--json", "--isa", "scalar",
                   env={"THAW_ISA": "mmx"})
        self.assert_exit(plan, 0)
        self.assertEqual(json.loads(plan.stdout)["memory"]["isa"], "scalar")
        plan = run("convert", self.model(), "--dry-run", "--json", env={"THAW_ISA": "scalar"})
        self.assertEqual(json.loads(plan.stdout)["memory"]["isa"], "scalar")

    def test_help_and_version_are_data(self):
        for words in (["--help"], ["convert", "--help"], ["inspect", "--help"], ["--version"],
                      ["convert", "-h"]):
            result = run(*words)
            self.assert_exit(result, 0)
            self.assertEqual(result.stderr, "")
            self.assertTrue(result.stdout.endswith("\n"))
            self.assertLessEqual(max(map(len, result.stdout.splitlines())), 100)
        self.assertIn("scalar", run("--version").stdout)


class Destination(Case):
    def test_destinations_that_are_refused(self):
        model = self.work / "model"
        shutil.copytree(self.model(), model)
        (self.work / "file").write_text("x")
        (self.work / "full").mkdir()
        (self.work / "full" / "notes.txt").write_text("x")
        (self.work / "link").symlink_to(model)
        rows = {
            "a file": (self.work / "file", []),
            "a directory with files": (self.work / "full", []),
            "no checkpoint to replace": (self.work / "full", ["--force"]),
            "the model": (model, ["--force"]),
            "the model through a link": (self.work / "link", ["--force"]),
            "inside the model": (model / "out", []),
            "around the model": (self.work, ["--force"]),
            "the model, spelled otherwise": (self.work / "full" / ".." / "model", ["--force"]),
        }
        before = tree(self.work)
        for name, (out, options) in rows.items():
            with self.subTest(name):
                self.assert_refused(run("convert", model, out, *options), 2)
                self.assertEqual(tree(self.work), before)

    def test_force_replaces_a_checkpoint_and_an_empty_directory_needs_none(self):
        out = self.work / "out"
        out.mkdir()
        self.convert(self.model(), out)
        first = tree(out)
        self.assert_refused(run("convert", self.model(), out), 2, "--force")
        self.assertEqual(tree(out), first)
        self.convert(self.model(), out, "--dtype", "bfloat16", "--force")
        self.assertNotEqual(tree(out), first)
        self.assertEqual(sorted(path.name for path in self.work.iterdir()), ["out"])

    def test_parents_are_made(self):
        self.convert(self.model(), self.work / "a" / "b" / "out")


class Input(Case):
    def test_models_that_are_refused(self):
        empty = self.work / "empty"
        empty.mkdir()
        floats = self.work / "floats"
        self.convert(self.model(), floats)
        damaged = self.work / "damaged"
        shutil.copytree(self.model("qwen2-awq-gemv"), damaged)
        os.truncate(damaged / "model.safetensors", 100_000)
        rows = {
            "missing": (self.work / "none", "none"),
            "empty": (empty, "empty"),
            "nothing quantized": (floats, ""),
            "cut short": (damaged, "model.safetensors"),
            "no such name in the cache": ("nobody/nothing", "download"),
        }
        for name, (model, fragment) in rows.items():
            with self.subTest(name):
                result = run("convert", model, self.work / "out",
                             env={"HF_HUB_CACHE": str(self.work / "cache")})
                self.assert_refused(result, 3, fragment)
                self.assertFalse((self.work / "out").exists())

    def test_too_small_a_budget_says_the_smallest(self):
        result = run("convert", self.model(), self.work / "out", "--memory", "1MB")
        self.assert_refused(result, 6, "at least", "--memory")
        self.assertFalse((self.work / "out").exists())
        smallest = re.search(r"at least ([0-9.]+ ?[kMG]B)", result.stderr).group(1)
        self.convert(self.model(), self.work / "out", "--memory", smallest)
