"""The functions of the package on the fixtures. Clauses: tools/python/README.md."""

import dataclasses
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

import thaw

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
MODEL = DATA / "qwen2-awq-gemm" / "model"


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in pathlib.Path(folder).rglob("*") if path.is_file()}


class Case(unittest.TestCase):
    def setUp(self):
        self.work = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.work)
        self.out = self.work / "out"


class Results(Case):
    def test_convert_writes_what_the_program_writes(self):
        report = thaw.convert(MODEL, self.out, dtype="bfloat16", max_shard_size="400kB",
                              checksums=True, threads=1, allow_overflow=False, isa=None)
        subprocess.run([thaw.program(), "convert", MODEL, self.work / "same", "--dtype", "bfloat16",
                        "--max-shard-size", "400kB", "--checksums", "--quiet"], check=True)
        self.assertEqual(tree(self.out), tree(self.work / "same"))
        self.assertEqual((report.plan.dtype, report.plan.linears, report.plan.tensors),
                         ("bfloat16", 14, 27))
        self.assertEqual(report.bytes_written, sum(map(len, tree(self.out).values()))
                         - len((self.out / "SHA256SUMS").read_bytes()))
        self.assertEqual([shard.name for shard in report.plan.shards],
                         sorted(path.name for path in self.out.glob("*.safetensors")))
        self.assertEqual(report.json["plan"]["fingerprint"], report.plan.fingerprint)

    def test_results_are_frozen_typed_values(self):
        plan = thaw.plan(str(MODEL), dtype="float32")
        with self.assertRaises(dataclasses.FrozenInstanceError):
            plan.dtype = "float16"
        self.assertEqual(plan, thaw.plan(MODEL, dtype="float32"))
        self.assertFalse(self.out.exists())
        package = pathlib.Path(thaw.__file__).parent
        self.assertTrue((package / "py.typed").exists())

    def test_inspect_and_specs_say_what_the_program_says(self):
        found = thaw.inspect(MODEL)
        said = json.loads(subprocess.run([thaw.program(), "inspect", MODEL, "--json"], check=True,
                                         capture_output=True).stdout)
        self.assertEqual(found.json, said)
        self.assertEqual(sum(group.count for group in found.linears), 14)
        self.assertEqual({(group.layout, group.group_size) for group in found.linears},
                         {("awq_gemm", 64)})
        self.assertEqual(found.plan.tensors, 27)
        self.assertIn("starcoder2", [spec.name for spec in thaw.specs()])

    def test_inspect_returns_the_problems_of_a_model(self):
        model = self.work / "model"
        shutil.copytree(MODEL, model)
        config = json.loads((model / "config.json").read_text())
        config["quantization_config"]["quant_method"] = "fp8"
        (model / "config.json").write_text(json.dumps(config))
        found = thaw.inspect(model)
        self.assertIn("quantization method fp8", found.problems[0])
        self.assertIsNone(found.plan)
        self.assertEqual(found.notes, ())
        with self.assertRaises(thaw.ThawError):
            thaw.inspect(self.work / "none")

    def test_verify_and_compare(self):
        thaw.convert(MODEL, self.out)
        proof = thaw.verify(self.out, MODEL)
        self.assertTrue(proof.equal)
        self.assertEqual((proof.certificate["wrong"], len(proof.tensors)), (0, 27))
        # MODEL's values are compared before their rounding to float16.
        far = thaw.compare(self.out, MODEL, fail_above=0.001)
        self.assertEqual((far.total.elements, len(far.tensors)), (525440, 27))
        self.assertTrue(far.same_names_and_shapes)
        self.assertLess(0, far.tensors[0].figures.relative)
        self.assertEqual(thaw.compare(self.out, self.out).tensors[0].figures.relative, 0)

    def test_overlay_in_place_has_no_destination(self):
        base = self.work / "base"
        pair = DATA / "qwen2_5_vl-overlay"
        shutil.copytree(pair / "base", base)
        report = thaw.convert(pair / "awq", base=base, in_place=True)
        self.assertEqual(report.plan.json["overlay"]["base"], str(base))


class Failures(Case):
    def test_each_exit_code_has_an_exception(self):
        described = json.loads(subprocess.run([thaw.program(), "--describe"], check=True,
                                              capture_output=True).stdout)
        kinds = {kind.code for kind in thaw.ThawError.__subclasses__()}
        self.assertEqual(kinds, {row["code"] for row in described["exit_codes"]} - {0})

    def test_a_failure_carries_code_message_and_hint(self):
        damaged = self.work / "damaged"
        shutil.copytree(MODEL, damaged)
        os.truncate(damaged / "model-00001-of-00002.safetensors", 100_000)
        rows = {
            "usage": (thaw.UsageError, [MODEL, self.out], {"dtype": "int8"}, "int8", ""),
            "no model": (thaw.InputError, [self.work / "none", self.out], {}, "none", "cache"),
            "damaged": (thaw.InputError, [damaged, self.out], {}, "model-00001", ""),
            "budget": (thaw.NoSpaceError, [MODEL, self.out], {"memory": "1MB"}, "1", "--memory"),
        }
        for name, (kind, names, options, message, hint) in rows.items():
            with self.subTest(name):
                with self.assertRaises(kind) as caught:
                    thaw.convert(*names, **options)
                self.assertEqual(caught.exception.exit_code, kind.code)
                self.assertIn(message, caught.exception.message)
                self.assertIn(hint, caught.exception.hint + caught.exception.message)
                self.assertNotIn("thaw:", str(caught.exception))
                self.assertFalse(self.out.exists())

    def test_a_difference_carries_the_result(self):
        thaw.convert(MODEL, self.out)
        with open(self.out / "model.safetensors", "r+b") as file:
            file.seek(-1, os.SEEK_END)
            last = file.read(1)[0]
            file.seek(-1, os.SEEK_END)
            file.write(bytes([last ^ 1]))
        with self.assertRaises(thaw.DiffersError) as caught:
            thaw.verify(self.out, MODEL)
        self.assertFalse(caught.exception.result.equal)
        self.assertEqual(caught.exception.result.differences[0]["bytes"], 1)
        with self.assertRaises(thaw.DiffersError) as caught:
            thaw.compare(self.out, DATA / "llama-gptqmodel-awq" / "model")
        self.assertFalse(caught.exception.result.same_names_and_shapes)

    def test_a_killed_program_is_a_bug_error(self):
        script = self.work / "thaw"
        script.write_text(f'#!/bin/sh\n[ "$1" = --describe ] && exec {thaw.program()} --describe\n'
                          "kill -9 $$\n")
        script.chmod(0o755)
        with mock.patch.dict(os.environ, {"THAW_BINARY": str(script)}):
            with self.assertRaises(thaw.BugError) as caught:
                thaw.convert(MODEL, self.out)
        self.assertEqual(caught.exception.exit_code, -signal.SIGKILL)

    def test_keywords_are_the_options(self):
        for options in ({"dtyp": "float16"}, {"json": True}, {"force": "yes"}, {"dtype": True},
                        {"dtype": ["float16"]}):
            with self.subTest(options):
                with self.assertRaises(TypeError):
                    thaw.convert(MODEL, self.out, **options)
        self.assertIn("max_shard_size", thaw.options("convert"))
        self.assertFalse(self.out.exists())

    def test_names_that_look_like_options_are_names(self):
        here = os.getcwd()
        self.addCleanup(os.chdir, here)
        os.chdir(self.work)
        thaw.convert(MODEL, "--force")
        self.assertTrue((self.work / "--force" / "config.json").exists())


class Bar(io.StringIO):
    """What tqdm is asked for."""

    def __init__(self, **options):
        super().__init__()
        self.desc, self.total, self.n, self.most = "", 0, 0, 0
        Bar.made = self

    def set_description(self, text, refresh=True):
        self.desc = text + ": "

    def reset(self, total=None):
        self.total, self.n = total, 0

    def update(self, count):
        self.n += count
        self.most = max(self.most, self.n)


class ProgressOf(Case):
    def test_progress_goes_up_to_all(self):
        events = []
        thaw.convert(MODEL, self.out, on_progress=events.append)
        self.assertEqual(events[-1].fraction, 1)
        self.assertEqual(events[-1].tensors_done, 27)
        self.assertEqual(sorted(events, key=lambda event: event.bytes_done), events)

    def test_a_bar_is_drawn_by_tqdm_if_it_is_there(self):
        module = types.ModuleType("tqdm.auto")
        module.tqdm = Bar
        with mock.patch.dict(sys.modules, {"tqdm": types.ModuleType("tqdm"), "tqdm.auto": module}):
            report = thaw.convert(MODEL, self.out, progress=True)
        self.assertEqual(Bar.made.most, report.bytes_written)
        self.assertEqual(Bar.made.total, report.bytes_written)
        with mock.patch.dict(sys.modules, {"tqdm": None, "tqdm.auto": None}):
            thaw.convert(MODEL, self.out, force=True)
            with self.assertRaises(ImportError):
                thaw.convert(MODEL, self.out, force=True, progress=True)


class Interrupts(Case):
    def setUp(self):
        super().setUp()
        self.model = self.work / "model"
        subprocess.run([os.environ["THAW_MAKE_CHECKPOINT"], "--shape", "llama-3-8b", "--layers", "6",
                        "--vocabulary", "1024", str(self.model)], check=True)
        # Some seconds of work, in shards of which some are whole when it is stopped.
        self.options = {"isa": "scalar", "threads": 1, "max_shard_size": "100MB"}

    def assert_resumes(self):
        self.assertFalse(self.out.exists())
        self.assertTrue((self.work / "out.partial").is_dir())
        report = thaw.convert(self.model, self.out, max_shard_size="100MB")
        self.assertGreater(report.files_kept, 0)
        self.assertTrue(thaw.verify(self.out, self.model).equal)

    def test_an_interrupt_in_a_callback_stops_the_program_and_is_raised(self):
        def stop(progress):
            if progress.fraction > 0.25:
                raise KeyboardInterrupt
        with self.assertRaises(KeyboardInterrupt):
            thaw.convert(self.model, self.out, on_progress=stop, **self.options)
        self.assert_resumes()

    def test_a_signal_stops_the_program_and_is_raised(self):
        code = ("import signal, sys, thaw\n"
                "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
                "try:\n"
                f"    thaw.convert({str(self.model)!r}, {str(self.out)!r}, on_progress=lambda p:\n"
                f"                 print(p.fraction, flush=True), **{self.options!r})\n"
                "except KeyboardInterrupt:\n"
                "    sys.exit(42)\n")
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for line in child.stdout:
            if float(line) > 0.25:
                break
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=60)
        self.assertEqual(child.returncode, 42)
        self.assert_resumes()
