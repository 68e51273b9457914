"""The functions of the package on the fixtures. Clauses: tools/python/README.md."""

import dataclasses
import inspect
import io
import json
import os
import pathlib
import pickle
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
        config["quantization_config"]["quant_method"] = "spqr"
        (model / "config.json").write_text(json.dumps(config))
        found = thaw.inspect(model)
        self.assertIn("quantization method spqr", found.problems[0])
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


class Signatures(unittest.TestCase):
    """The functions name their options; the program says what there is."""

    def test_every_option_is_a_keyword_and_every_keyword_an_option(self):
        for name, function in (("convert", thaw.convert), ("convert", thaw.plan),
                               ("inspect", thaw.inspect), ("verify", thaw.verify),
                               ("compare", thaw.compare)):
            with self.subTest(function.__name__):
                parameters = inspect.signature(function).parameters
                keywords = {keyword for keyword, one in parameters.items()
                            if one.kind == inspect.Parameter.KEYWORD_ONLY}
                keywords -= {"on_progress", "progress"}
                expected = set(thaw.options(name))
                if name == "verify":
                    expected.remove("against")  # by place too
                self.assertEqual(keywords, expected)
                for keyword in keywords:
                    self.assertIn(parameters[keyword].default, (None, False))

    def test_switches_are_booleans_and_choices_are_spelled_out(self):
        described = json.loads(subprocess.run([thaw.program(), "--describe"], check=True,
                                              capture_output=True).stdout)
        rows = {command["name"]: command["options"] for command in described["commands"]}
        for name, function in (("convert", thaw.convert), ("convert", thaw.plan),
                               ("verify", thaw.verify), ("compare", thaw.compare)):
            parameters = inspect.signature(function).parameters
            for row in rows[name]:
                parameter = parameters.get(row["name"].replace("-", "_"))
                if parameter is None or row["name"] == "progress":
                    continue
                with self.subTest(f"{function.__name__}, {row['name']}"):
                    self.assertEqual(parameter.annotation == "bool", "value" not in row)
                    if "choices" in row and row["name"] not in ("dtype", "isa"):
                        for choice in row["choices"]:
                            self.assertIn(f"'{choice}'",
                                          parameter.annotation.replace('"', "'"))

    def test_types_of_other_packages_say_their_name(self):
        class Torch:
            def __str__(self):
                return "torch.bfloat16"

        numpy_type = type("float32", (), {})
        numpy_dtype = types.SimpleNamespace(name="float16")
        for given, dtype in ((Torch(), "bfloat16"), (numpy_type, "float32"),
                             (numpy_dtype, "float16"), ("torch.float16", "float16")):
            self.assertEqual(thaw.plan(MODEL, dtype=given).dtype, dtype)

    def test_version(self):
        self.assertEqual(thaw.__version__, thaw.version())
        with self.assertRaises(AttributeError):
            thaw.no_such_name


class Shown(Case):
    def test_results_show_themselves_in_one_line(self):
        thaw.convert(MODEL, self.out)
        rows = {"<Plan: 14 linears, 27 tensors as float16, 1.1 MB in 1 shard>": thaw.plan(MODEL),
                f"<Inspection: awq, 14 linears in 2 shards: {MODEL}>": thaw.inspect(MODEL),
                f"<Verification: equal, 6 files, 1.1 MB: {self.out}>":
                    thaw.verify(self.out, MODEL)}
        for expected, result in rows.items():
            self.assertEqual(repr(result), expected)
        self.assertRegex(repr(thaw.convert(MODEL, self.out, force=True)),
                         r"^<ConvertReport: 14 linears, 27 tensors to float16, 1\.1 MB in 1 shard, "
                         r"\d+\.\d\d s: .*out>$")
        self.assertRegex(repr(thaw.compare(self.out, MODEL)), r"^<Comparison: 27 tensors, .*>$")

    def test_a_notebook_shows_the_page(self):
        for result in (thaw.inspect(MODEL), thaw.compare(MODEL, MODEL)):
            for one in (result, pickle.loads(pickle.dumps(result))):
                shown = one._repr_html_()
                self.assertTrue(shown.startswith("<iframe srcdoc="))
                self.assertIn("&lt;!doctype html&gt;", shown)
                self.assertIn("down_proj", shown)
        with mock.patch.dict(sys.modules, {"ipykernel": types.ModuleType("ipykernel")}):
            made = thaw.compare(MODEL, MODEL, progress=False)
        with mock.patch.dict(os.environ, {"THAW_BINARY": "/nowhere"}):
            # Made in the same run: the models are not read again.
            self.assertTrue(made._repr_html_().startswith("<iframe"))


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
            "budget": (thaw.NoSpaceError, [MODEL, self.out], {"memory": "1MB"}, "1", "memory="),
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

    def test_values_are_checked_before_anything_runs(self):
        rows = [({"force": "yes"}, TypeError, "force must be True or False, not 'yes'"),
                ({"dtype": True}, TypeError, "dtype must be a string or a dtype, not True"),
                ({"dtype": ["float16"]}, TypeError, "dtype must be a string or a dtype"),
                ({"threads": [1]}, TypeError, "threads must be a string, a number or a path"),
                ({"dtype": "float61"}, thaw.UsageError, "did you mean 'float16'?"),
                ({"rounding": "via_float16"}, ValueError, "did you mean 'via-float16'?")]
        for options, kind, words in rows:
            with self.subTest(options):
                with self.assertRaises(kind) as caught:
                    thaw.convert(MODEL, self.out, **options)
                self.assertIn(words, str(caught.exception))
        self.assertFalse(self.out.exists())

    def test_a_mistyped_keyword_names_the_nearest(self):
        for call, nearest in ((lambda: thaw.convert(MODEL, self.out, dtyp="float16"), "dtype"),
                              (lambda: thaw.plan(MODEL, shard_size="1GB"), "max_shard_size"),
                              (lambda: thaw.verify(MODEL, agianst=MODEL), "against")):
            with self.subTest(nearest), self.assertRaises(TypeError) as caught:
                call()
            self.assertIn(f"did you mean {nearest!r}?", str(caught.exception))
        with self.assertRaises(TypeError) as caught:
            thaw.convert(MODEL, self.out, json=True)
        self.assertIn("unexpected keyword argument 'json'", str(caught.exception))

    def test_what_is_missing_or_exists_is_an_error_of_python_too(self):
        with self.assertRaises(FileNotFoundError) as caught:
            thaw.convert(self.work / "none", self.out)
        self.assertIsInstance(caught.exception, thaw.InputError)
        self.assertEqual(caught.exception.filename, str(self.work / "none"))
        self.assertIn("no such file or directory", str(caught.exception))
        with self.assertRaises(FileNotFoundError) as caught:
            thaw.inspect("org/name-that-nobody-has")
        self.assertIn("hf download org/name-that-nobody-has", caught.exception.hint)
        thaw.convert(MODEL, self.out)
        with self.assertRaises(FileExistsError) as caught:
            thaw.convert(MODEL, self.out)
        self.assertIsInstance(caught.exception, thaw.UsageError)
        self.assertEqual(caught.exception.filename, str(self.out))
        # In words of Python, as the rest of the call.
        self.assertIn("force=True", caught.exception.hint)
        self.assertNotIn("--", str(caught.exception))
        same = pickle.loads(pickle.dumps(caught.exception))
        self.assertEqual((type(same), str(same), same.filename, same.exit_code),
                         (thaw.OutputExistsError, str(caught.exception), str(self.out), 2))
        with self.assertRaises(thaw.NoSpaceError) as caught:
            thaw.plan(MODEL, memory="1MB")
        self.assertRegex(caught.exception.hint, r"memory='\d+MB'")

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
        self.desc, self.total, self.n, self.most, self.resets = "", 0, 0, 0, 0
        self.postfix, self.stages = "", []
        Bar.made = self

    def set_description(self, text, refresh=True):
        self.desc = text + ": "
        if text not in self.stages:
            self.stages.append(text)

    def set_postfix_str(self, text, refresh=True):
        self.postfix = text

    def refresh(self):
        pass

    def reset(self, total=None):
        self.total, self.n = total, 0
        self.resets += 1

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
        for run in (lambda show: thaw.verify(self.out, MODEL, on_progress=show),
                    lambda show: thaw.compare(self.out, MODEL, on_progress=show)):
            events.clear()
            run(events.append)
            self.assertEqual(events[-1].fraction, 1)

    def test_a_bar_is_drawn_by_tqdm_if_it_is_there(self):
        module = types.ModuleType("tqdm.auto")
        module.tqdm = Bar
        with mock.patch.dict(sys.modules, {"tqdm": types.ModuleType("tqdm"), "tqdm.auto": module}):
            report = thaw.convert(MODEL, self.out, progress=True)
        self.assertEqual(Bar.made.most, report.bytes_written)
        self.assertEqual(Bar.made.total, report.bytes_written)
        # It stays full while the run finishes, and ends so.
        self.assertEqual(Bar.made.n, Bar.made.total)
        self.assertEqual(Bar.made.stages, ["reading headers", "reading scales", "converting",
                                             "finishing"])
        self.assertEqual(Bar.made.resets, 1)
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
