"""thaw verify and convert --verify from outside: exit codes, what is named, JSON. specs/verify.md."""

import hashlib
import json
import shutil

from support import COMPRESSED, DATA, LLAMA, QWEN, Case, Shard, run


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 4]))


class Verify(Case):
    def setUp(self):
        super().setUp()
        self.out = self.work / "out"
        self.convert(self.model(), self.out)

    def verify(self, *options, code=0):
        result = run("verify", self.out, "--against", self.model(), *options)
        self.assert_exit(result, code)
        return result

    def test_every_fixture_is_equal(self):
        for name in QWEN + COMPRESSED + LLAMA + ("starcoder2-awq-act_scales",):
            with self.subTest(name):
                out = self.work / name
                self.convert(self.model(name), out)
                result = run("verify", out, "--against", self.model(name), "--json")
                self.assert_exit(result, 0)
                found = json.loads(result.stdout)
                self.assertTrue(found["equal"])
                self.assertEqual(found["differences"], [])
                self.assertEqual((found["certificate"]["wrong"], found["certificate"]["ambiguous"]),
                                 (0, 0))
                expected = json.loads((DATA / name / "expected.json").read_text())
                self.assertEqual({tensor["name"] for tensor in found["tensors"]}, set(expected))

    def test_a_difference_is_exit_7_and_named(self):
        shard = Shard(self.out / "model.safetensors")
        name = "model.layers.1.mlp.up_proj.weight"
        begin, _ = shard.tensors[name]["data_offsets"]
        flip(self.out / "model.safetensors", shard.data_begin + begin + 10)
        flip(self.out / "config.json", 5)
        result = self.verify(code=7)
        self.assertIn("model.safetensors: " + name + ": 1 byte differs", result.stdout)
        self.assertIn("certificate: " + name + ": 1 of 49152 weights", result.stdout)
        self.assertIn("config.json: 1 byte differs, the first at byte 5", result.stdout)
        self.assertIn("result        damaged: 1 tensor of 27 differs", result.stdout)
        self.assertEqual(len(result.stderr.splitlines()), 1)
        self.assertIn("3 differences", result.stderr)
        found = json.loads(self.verify("--json", code=7).stdout)
        self.assertEqual([(entry["file"], entry["part"]) for entry in found["differences"]],
                         [("config.json", ""), ("model.safetensors", name)])
        self.assertEqual([tensor["name"] for tensor in found["tensors"] if tensor["differing"]],
                         [name])
        wrong = [linear for linear in found["certificate"]["linears"] if linear["wrong"]]
        self.assertEqual([(linear["tensor"], linear["row"], linear["column"])
                          for linear in wrong], [(name, 0, 5)])

    def test_without_the_certificate_only_bytes_are_compared(self):
        self.assertNotIn("certificate", self.verify("--no-certificate").stdout)

    def test_json_does_not_depend_on_threads_memory_or_isa(self):
        first = self.verify("--json").stdout
        for options in (["--threads", "1"], ["--memory", "64MB"], ["--isa", "scalar"]):
            self.assertEqual(self.verify("--json", *options).stdout, first)

    def test_what_is_inferred_is_said(self):
        self.convert(self.model(), self.work / "other", "--dtype", "bfloat16", "--rounding",
                     "via-float16", "--max-shard-size", "300kB")
        result = run("verify", self.work / "other", "--against", self.model())
        self.assert_exit(result, 0)
        for note in ("dtype bfloat16", "rounding via-float16", "max-shard-size"):
            self.assertIn(note, result.stdout)
        result = run("verify", self.work / "other", "--against", self.model(), "--rounding",
                     "exact", "--dtype", "bfloat16")
        self.assert_exit(result, 7)

    def test_checksums_alone_and_beside_a_model(self):
        lines = []
        for path in sorted(self.out.iterdir()):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"{digest}  {path.name}\n")
        (self.out / "SHA256SUMS").write_text("".join(lines))
        result = run("verify", self.out)
        self.assert_exit(result, 0)
        self.assertIn(f"{len(lines)} files agree, 0 do not", result.stdout)
        self.assertIn("files agree", self.verify().stdout)
        (self.out / "new").write_text("")
        flip(self.out / "tokenizer.json", 3)
        (self.out / "config.json").unlink()
        result = run("verify", self.out, "--json")
        self.assert_exit(result, 7)
        self.assertEqual(json.loads(result.stdout)["checksums"]["differences"],
                         [{"file": "config.json", "kind": "missing"},
                          {"file": "new", "kind": "unlisted"},
                          {"file": "tokenizer.json", "kind": "differs"}])
        (self.out / "SHA256SUMS").write_text("0" * 64 + "  ../model\n")
        self.assert_refused(run("verify", self.out), 3, "SHA256SUMS", "../model")

    def test_usage(self):
        self.assert_refused(run("verify", self.out), 2, "--against", "SHA256SUMS")
        self.assert_refused(run("verify"), 2, "OUT")
        self.assert_refused(run("verify", self.out, "x"), 2, "x")
        self.assert_refused(run("verify", self.out, "--base", "b"), 2, "--against")
        self.assert_refused(run("verify", self.out / "none", "--against", self.model()), 3)
        self.assert_refused(run("verify", self.out, "--against", self.out), 3, "quantized")
        self.assertIn("--no-certificate", run("verify", "--help").stdout)

    def test_verify_writes_nothing(self):
        before = {path: path.stat().st_mtime_ns for path in self.work.rglob("*")}
        self.verify()
        self.assertEqual({path: path.stat().st_mtime_ns for path in self.work.rglob("*")}, before)

    def test_convert_verifies_before_the_output_appears(self):
        result = self.convert(self.model(), self.work / "checked", "--verify", "--report", "-")
        self.assertEqual(json.loads(result.stdout)["verified"]["recovered"], 393216)
        self.assertIn("393216 codes were recovered", result.stderr)
        shutil.rmtree(self.work / "checked")
        self.assertFalse((self.work / "checked.partial").exists())
