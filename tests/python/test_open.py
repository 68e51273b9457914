"""thaw.open: what it reads is what convert writes. specs/view.md."""

import concurrent.futures
import importlib.util
import json
import os
import pathlib
import pickle
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import warnings

import thaw

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
MODEL = DATA / "qwen2-awq-gemm" / "model"
MODELS = sorted(path for path in DATA.glob("**/model") if (path / "config.json").is_file())
WEIGHT = "model.layers.1.mlp.down_proj.weight"


def header_of(path):
    with open(path, "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        return json.loads(file.read(size)), 8 + size


class Case(unittest.TestCase):
    def setUp(self):
        self.work = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.work)
        self.out = self.work / "out"

    def check_same(self, model, **options):
        """Every byte of every file, every tensor by rows, and what is said of them."""
        thaw.convert(model, self.out, force=True, **options)
        written = {str(path.relative_to(self.out)): path for path in self.out.rglob("*")
                   if path.is_file()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            opened = thaw.open(model, **options)
        with opened:
            self.assertEqual(sorted(opened.files() + opened.side_files()), sorted(written))
            for name, path in written.items():
                self.assertEqual(opened.read_file(name), path.read_bytes(), name)
            found = set()
            for name in opened.files():
                header, begin = header_of(written[name])
                shard = opened.file(name)
                self.assertEqual(shard.metadata(), header.pop("__metadata__", {}))
                self.assertEqual(sorted(shard.keys()), sorted(header))
                data = written[name].read_bytes()
                for tensor, said in header.items():
                    first, last = (begin + at for at in said["data_offsets"])
                    self.assertEqual(bytes(shard.read_rows(tensor)), data[first:last], tensor)
                    self.assertEqual((opened.dtype(tensor), list(opened.shape(tensor))),
                                     (said["dtype"], said["shape"]))
                    found.add(tensor)
            self.assertEqual(found, set(opened.keys()))


class Bytes(Case):
    def test_every_fixture_is_read_as_it_is_converted(self):
        self.assertGreater(len(MODELS), 10)
        for model in MODELS:
            with self.subTest(model=str(model.relative_to(DATA))):
                self.check_same(model)

    def test_options_that_change_bytes_do_here_too(self):
        self.check_same(MODEL, dtype="bfloat16", max_shard_size="200kB")
        self.check_same(MODEL, dtype="bfloat16", rounding="via-float16")
        overlay = DATA / "qwen2_5_vl-overlay"
        self.check_same(overlay / "awq", base=overlay / "base")

    def test_any_rows(self):
        with thaw.open(MODEL) as model:
            whole = bytes(model.read_rows(WEIGHT))
            rows, columns = model.shape(WEIGHT)
            for first, count in ((0, 1), (rows - 1, 1), (5, 17), (rows, 0), (3, rows - 3)):
                self.assertEqual(bytes(model.read_rows(WEIGHT, first, count)),
                                 whole[2 * columns * first:2 * columns * (first + count)])
            for first, count in ((rows, 1), (-1, 2), (0, rows + 1), (1, -1)):
                with self.assertRaises((thaw.UsageError, IndexError)):
                    model.read_rows(WEIGHT, first, count)

    def test_names_in_both_orders(self):
        with thaw.open(MODEL, max_shard_size="200kB") as model:
            self.assertEqual(sorted(model.keys()), sorted(model.offset_keys()))
            at = {name: number for shard in model.files()
                  for number, name in enumerate(model.file(shard).keys())}
            self.assertEqual(set(at), set(model.keys()))
            self.assertIn(WEIGHT, model)
            self.assertNotIn("x", model)
            self.assertEqual(len(list(model)), len(model))
            with self.assertRaisesRegex(KeyError, "no tensor 'x'"):
                model.get_tensor("x")
            with self.assertRaisesRegex(FileNotFoundError, "other.safetensors"):
                model.file("other.safetensors")

    def test_nothing_is_written(self):
        model = self.work / "model"
        shutil.copytree(MODEL, model)
        before = {path: path.stat().st_mtime_ns for path in self.work.rglob("*")}
        with thaw.open(model) as opened:
            for name in opened.keys():
                opened.read_rows(name)
        self.assertEqual({path: path.stat().st_mtime_ns for path in self.work.rglob("*")}, before)


class Trouble(Case):
    def test_errors_are_those_of_convert(self):
        with self.assertRaises(FileNotFoundError) as caught:
            thaw.open(self.work / "nowhere")
        self.assertEqual(caught.exception.filename, str(self.work / "nowhere"))
        pickle.loads(pickle.dumps(caught.exception))
        with self.assertRaisesRegex(thaw.OptionValueError, "dtype: got int9"):
            thaw.open(MODEL, dtype="int9")
        with self.assertRaisesRegex(TypeError, "'dtyp'; did you mean 'dtype'"):
            thaw.open(MODEL, dtyp="float16")
        with self.assertRaisesRegex(ValueError, "'tf'"):
            thaw.open(MODEL, "tf")
        model = self.work / "model"
        shutil.copytree(MODEL, model)
        config = json.loads((model / "config.json").read_text())
        config["quantization_config"]["quant_method"] = "spqr"
        (model / "config.json").write_text(json.dumps(config))
        with self.assertRaises(thaw.InputError) as by_library:
            thaw.open(model)
        with self.assertRaises(thaw.InputError) as by_program:
            thaw.plan(model)
        self.assertEqual(by_library.exception.messages, by_program.exception.messages)
        self.assertEqual(by_library.exception.hint, by_program.exception.hint)

    def test_what_convert_warns_of_is_a_warning(self):
        model = self.work / "model"
        shutil.copytree(MODEL, model)
        config = json.loads((model / "config.json").read_text())
        config["num_hidden_layers"] += 1
        (model / "config.json").write_text(json.dumps(config))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            thaw.open(model).close()
        self.assertEqual([str(one.message) for one in caught], list(thaw.plan(model).warnings))
        self.assertIs(caught[0].category, thaw.ModelWarning)
        self.assertEqual(pathlib.Path(caught[0].filename).name, pathlib.Path(__file__).name)
        with self.assertRaises(thaw.InputError):
            thaw.open(model, strict=True)

    def test_a_model_that_changes_is_an_error(self):
        for change in (lambda path: os.truncate(path, 5000),
                       lambda path: os.utime(path, (1, 1))):
            model = self.work / "model"
            shutil.rmtree(model, ignore_errors=True)
            shutil.copytree(MODEL, model)
            with thaw.open(model) as opened:
                for path in model.glob("*.safetensors"):
                    change(path)
                with self.assertRaises(thaw.InputOutputError):
                    opened.read_rows(WEIGHT)

    def test_a_closed_model_says_so(self):
        opened = thaw.open(MODEL)
        opened.close()
        opened.close()
        with self.assertRaisesRegex(ValueError, "closed"):
            opened.read_rows(WEIGHT)

    def test_no_library_says_where_it_was_looked_for(self):
        code = "import thaw; thaw.open('x')"
        got = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                             env={**os.environ, "THAW_LIBRARY": "/nowhere/libthaw.so"}, check=False)
        self.assertIn("/nowhere/libthaw.so", got.stderr)


class Together(Case):
    def test_threads_read_one_model(self):
        with thaw.open(MODEL) as model, concurrent.futures.ThreadPoolExecutor(8) as pool:
            want = {name: bytes(model.read_rows(name)) for name in model.keys()}
            names = list(want) * 8
            for name, got in zip(names, pool.map(lambda name: bytes(model.read_rows(name)), names)):
                self.assertEqual(got, want[name])

    def test_a_forked_child_reads_on(self):
        with thaw.open(MODEL) as model:
            want = bytes(model.read_rows(WEIGHT))
            child = os.fork()
            if child == 0:
                os._exit(0 if bytes(model.read_rows(WEIGHT)) == want else 1)
            self.assertEqual(os.waitpid(child, 0)[1], 0)

    def test_memory_is_what_the_option_says(self):
        """300 MB of packed weights through 64 MB: the largest tensor and the budget, no more."""
        maker = os.environ["THAW_MAKE_CHECKPOINT"]
        model = self.work / "large"
        subprocess.run([maker, "--shape", "llama-3-8b", "--layers", "3", "--vocabulary", "2000",
                        model], check=True, capture_output=True)
        code = f"""
import resource, thaw
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
with thaw.open({str(model)!r}, memory="64MB", threads=2) as model:
    largest = max(len(model.read_rows(name)) for name in model.keys())
    total = sum(len(model.read_rows(name, 0, 1)) for name in model.keys())
print(peak() - before, largest)
"""
        got = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True,
                             text=True, check=True)
        used, largest = map(int, got.stdout.split())
        packed = sum(path.stat().st_size for path in model.glob("*.safetensors"))
        self.assertGreater(packed, 250_000_000)
        self.assertLess(used, 2 * largest + 64_000_000)


@unittest.skipUnless(importlib.util.find_spec("numpy") and importlib.util.find_spec("ml_dtypes"),
                     "needs numpy and ml_dtypes: tests/package/run_wheel.sh has them")
class Arrays(Case):
    def test_slices_as_numpy_has_them(self):
        with thaw.open(MODEL) as model:
            whole = model[WEIGHT]
            part = model.get_slice(WEIGHT)
            self.assertEqual((part.get_shape(), part.get_dtype()), (list(whole.shape), "F16"))
            for index in (3, -1, slice(2, 9), slice(None), slice(5, 5), slice(1, 30, 7), ...,
                          (slice(None), slice(4, 8)), (7, slice(2, None)), (..., 5), (3, 4),
                          (slice(-4, None), slice(None, None, 3)), slice(100, 10_000)):
                got, want = part[index], whole[index]
                self.assertEqual(got.tobytes(), want.tobytes(), index)
                self.assertEqual(got.shape, want.shape, index)
            for index in (len(whole), -len(whole) - 1):
                with self.assertRaises(IndexError):
                    part[index]
            for index in ([1, 2], "a", None):
                with self.assertRaises(TypeError):
                    part[index]

    def test_bfloat16_and_all_at_once(self):
        import ml_dtypes
        tensors = thaw.load_file(MODEL, dtype="bfloat16")
        self.assertEqual(tensors[WEIGHT].dtype, ml_dtypes.bfloat16)
        with thaw.open(MODEL, dtype="bfloat16") as model:
            self.assertEqual(list(tensors), model.offset_keys())
            self.assertEqual(tensors[WEIGHT].tobytes(), bytes(model.read_rows(WEIGHT)))

    def test_code_for_safe_open_works(self):
        """The calls that transformers, accelerate, PEFT and mergekit make."""
        with thaw.open(MODEL, framework="np", device="cpu") as file:
            self.assertEqual(file.metadata()["format"], "pt")
            for name in file.keys():
                part = file.get_slice(name)
                self.assertEqual(list(file.get_tensor(name).shape), part.get_shape())


if __name__ == "__main__":
    unittest.main()
