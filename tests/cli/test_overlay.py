"""The overlay: a quantized checkpoint's blocks in the float model that it was made from.
specs/overlay.md."""

import json
import os
import shutil
import struct

from overlay_models import BASE, QUANTIZED, Overlay, expected, hashes
from support import COMPRESSED, LLAMA, QWEN, Shard, available_isas, read_checkpoint, run, tree


class Result(Overlay):
    def test_the_fixture_has_the_expected_bits_whatever_the_machine(self):
        rows = [["--isa", isa] for isa in available_isas()]
        rows += [["--threads", "1"], ["--threads", "7"], ["--memory", "64MB"],
                 ["--output-io", "buffered"]]
        first = None
        for options in rows:
            with self.subTest(options):
                self.assert_exit(self.overlay(QUANTIZED, BASE, "--force", *options), 0)
                self.assertEqual(hashes(self.work / "out"), expected())
                first = first or tree(self.work / "out")
                self.assertEqual(tree(self.work / "out"), first)

    def test_via_float16_rounds_twice(self):
        self.assert_exit(self.overlay(QUANTIZED, BASE, "--rounding", "via-float16"), 0)
        self.assertEqual(hashes(self.work / "out"), expected("expected_via_float16"))

    def test_everything_but_replaced_tensors_is_the_base_s(self):
        self.assert_exit(self.overlay(QUANTIZED, BASE), 0)
        before, after = tree(BASE), tree(self.work / "out")
        self.assertEqual(set(before), set(after))
        changed = {name for name in before if before[name] != after[name]}
        self.assertEqual(changed, {f"model-0000{i}-of-00005.safetensors" for i in (2, 3, 4)})
        for name in changed:
            was, now = Shard(BASE / name), Shard(self.work / "out" / name)
            self.assertEqual(set(was.tensors), set(now.tensors))
            self.assertEqual(now.metadata, was.metadata)
            self.assertEqual(now.data_begin % 4096, 0)

    def test_max_shard_size_assigns_anew(self):
        self.assert_exit(self.overlay(QUANTIZED, BASE, "--max-shard-size", "700kB"), 0)
        out = self.work / "out"
        self.assertEqual(hashes(out), expected())
        self.assertEqual(len(list(out.glob("model-*-of-00003.safetensors"))), 3)
        self.assertEqual((out / "config.json").read_bytes(), (BASE / "config.json").read_bytes())

    def test_a_base_of_one_file_with_a_name_of_its_own(self):
        base = self.variant(BASE, "base")
        (base / "model.safetensors").rename(base / "original.safetensors")
        result = self.overlay(QUANTIZED, base / "original.safetensors")
        self.assert_exit(result, 0)
        self.assertEqual(hashes(self.work / "out"), expected())
        self.assertEqual(sorted(os.listdir(self.work / "out")),
                         ["config.json", "model.safetensors"])

    def test_a_numbered_set_without_index_gets_one(self):
        base = self.work / "base"
        shutil.copytree(BASE, base)
        (base / "model.safetensors.index.json").unlink()
        self.assert_exit(self.overlay(QUANTIZED, base), 0)
        self.assertEqual(hashes(self.work / "out"), expected())

    def test_every_tensor_has_the_base_s_own_type(self):
        def widen(tensors):
            for name, (dtype, shape, data) in tensors.items():
                if "q_proj" in name or "norm" in name:
                    bits = struct.unpack(f"<{len(data) // 2}H", data)
                    tensors[name] = ("F32", shape, b"".join(b"\0\0" + struct.pack("<H", one)
                                                            for one in bits))
        base = self.variant(BASE, "base", widen)
        self.convert(QUANTIZED, self.work / "plain", "--dtype", "float32")
        plain = read_checkpoint(self.work / "plain")
        for rounding, bits in (("exact", "expected"), ("via-float16", "expected_via_float16")):
            with self.subTest(rounding):
                result = self.overlay(QUANTIZED, base, "--rounding", rounding, "--force")
                self.assert_exit(result, 0)
                found = read_checkpoint(self.work / "out")
                wide = {name for name, tensor in found.items() if tensor[0] == "F32"}
                self.assertTrue(any("q_proj.weight" in name for name in wide))
                for name in (name for name in wide if name.startswith("model.layers")
                             and name.endswith("q_proj.weight")):
                    self.assertTrue(found[name] == plain[name], name)  # exact in both
                others = {name: entry for name, entry in expected(bits).items()
                          if name not in wide}
                got = hashes(self.work / "out")
                self.assertEqual({name: got[name] for name in others}, others)

    def test_a_model_over_its_own_floats_changes_nothing(self):
        """Every family and layout: the plain conversion as base has each tensor already."""
        for name in (*QWEN, *COMPRESSED, *LLAMA, "starcoder2-awq-act_scales"):
            with self.subTest(name):
                quantized, base = self.model(name), self.work / "base"
                self.convert(quantized, base, "--force", "--max-shard-size", "300kB")
                result = self.overlay(quantized, base, "--force", "--quiet")
                self.assert_exit(result, 0)
                self.assertTrue(read_checkpoint(self.work / "out") == read_checkpoint(base))
                self.assertEqual((self.work / "out/config.json").read_bytes(),
                                 (base / "config.json").read_bytes())


class Spellings(Overlay):
    NEW = (("model.", "model.language_model."), ("visual.", "model.visual."))

    def check(self, quantized, base, back):
        result = self.overlay(quantized, base)
        self.assert_exit(result, 0)
        found = hashes(self.work / "out")
        self.assertEqual(set(found), set(read_checkpoint(base)))

        def old(name):
            for new, prefix in back:
                if name.startswith(new):
                    return prefix + name[len(new):]
            return name
        self.assertEqual({old(name): entry for name, entry in found.items()}, expected())

    def test_a_base_in_the_newer_spelling(self):
        base = self.renamed(BASE, "base", *self.NEW)
        self.check(QUANTIZED, base, [(new, old) for old, new in self.NEW])

    def test_a_quantized_checkpoint_in_the_newer_spelling(self):
        self.check(self.renamed(QUANTIZED, "quantized", *self.NEW), BASE, [])

    def test_minicpmv_has_its_language_model_below_llm(self):
        pairs = (("model.", "llm.model."), ("lm_head.", "llm.lm_head."), ("visual.", "vpm."))
        base = self.renamed(BASE, "base", *pairs, model_type="minicpmv")
        quantized = self.renamed(QUANTIZED, "quantized", *pairs, model_type="minicpmv")
        self.check(quantized, base, [(new, old) for old, new in pairs])

    def test_a_spec_by_name_and_by_file(self):
        unknown = self.variant(BASE, "base", model_type="nobody_knows")
        self.assert_refused(self.overlay(QUANTIZED, unknown), 3, "nobody_knows")
        self.assert_exit(self.overlay(QUANTIZED, unknown, "--spec", "qwen2_5_vl"), 0)
        self.assertEqual(hashes(self.work / "out"), expected())
        mine = self.work / "mine.json"
        linears = ["q_proj", "k_proj", "v_proj", "o_proj"]
        spec = {"model_types": ["mine"], "layers": ["model.layers"],
                "linears": [f"self_attn.{name}" for name in linears]
                + [f"mlp.{name}_proj" for name in ("gate", "up", "down")]}
        mine.write_text(json.dumps(spec))
        # It says of no norm: norms travel all the same, and columns are compared as they are.
        result = self.overlay(QUANTIZED, unknown, "--spec", mine, "--force")
        self.assert_exit(result, 0)
        self.assertIn("2 linears compared", result.stderr)
        self.assertEqual(hashes(self.work / "out"), expected())
        spec["linears"].remove("mlp.down_proj")
        mine.write_text(json.dumps(spec))
        self.assert_refused(self.overlay(QUANTIZED, unknown, "--spec", mine, "--force"), 3,
                            "model.layers.0.mlp.down_proj", "model.layers.1.mlp.down_proj",
                            "no rule of the model spec mine")


class Usage(Overlay):
    def test_options_that_do_not_go_together(self):
        out = self.work / "out"
        rows = [("--in-place needs --base", [QUANTIZED, "--in-place"]),
                ("--spec needs --base", [QUANTIZED, out, "--spec", "qwen2"]),
                ("--no-match-check needs --base", [QUANTIZED, out, "--no-match-check"]),
                ("--keep-backup needs --in-place",
                 [QUANTIZED, out, "--base", BASE, "--keep-backup"]),
                ("OUT does not go with", [QUANTIZED, out, "--base", BASE, "--in-place"]),
                ("--dtype does not go with",
                 [QUANTIZED, out, "--base", BASE, "--dtype", "float16"]),
                ("expected a name or a path", [QUANTIZED, out, "--base", ""]),
                ("--spec: got", [QUANTIZED, out, "--base", BASE, "--spec", ""]),
                ("OUT is missing", [QUANTIZED, "--base", BASE])]
        for fragment, words in rows:
            with self.subTest(fragment):
                self.assert_refused(run("convert", *words), 2, fragment)
                self.assertFalse(out.exists())
        self.assert_exit(run("convert", QUANTIZED, out, "--base", BASE, "--dtype", "auto"), 0)

    def test_an_out_that_touches_an_input(self):
        base = self.work / "models" / "base"
        shutil.copytree(BASE, base)
        before = tree(self.work)
        for out in (base, base / "deep" / "out", base.parent):
            with self.subTest(out=out):
                self.assert_refused(run("convert", QUANTIZED, out, "--base", base, "--force"), 2,
                                    "inside the input")
        self.assertEqual(tree(self.work), before)

    def test_the_report_tells_what_went_where(self):
        result = self.overlay(QUANTIZED, BASE, "--report", "-")
        self.assert_exit(result, 0)
        overlay = json.loads(result.stdout)["plan"]["overlay"]
        overlay.pop("match")
        self.assertEqual(overlay, {
            "base": str(BASE), "spec": "qwen2_5_vl", "base_layers": "model.layers",
            "model_layers": "model.layers", "layers": 2, "replaced": 24, "kept": 33,
            "ignored": 33})
        self.assertIn("24 tensors replaced, 33 kept", result.stderr)

    def test_the_fingerprint_holds_base_and_spec_and_nothing_else_of_them(self):
        def fingerprint(*words):
            plan = run("convert", QUANTIZED, "--dry-run", "--json", "--base", *words)
            self.assert_exit(plan, 0)
            return json.loads(plan.stdout)["fingerprint"]
        usual = fingerprint(BASE)
        spelled = os.path.relpath(BASE)
        self.assertEqual(usual, fingerprint(spelled, "--no-match-check", "--spec", "qwen2_5_vl",
                                            "--threads", "1"))
        others = {fingerprint(BASE, "--rounding", "via-float16"),
                  fingerprint(BASE, "--max-shard-size", "5GB"),
                  fingerprint(self.variant(BASE, "base"))}
        self.assertEqual(len(others | {usual}), 4)


class InPlace(Overlay):
    """Clause 7."""

    def copy(self, name="float"):
        shutil.copytree(BASE, self.work / name)
        return self.work / name

    def replace(self, base, *options):
        return run("convert", QUANTIZED, "--base", base, "--in-place", *options)

    def test_the_base_is_replaced_and_nothing_is_left_beside_it(self):
        base = self.copy()
        result = self.replace(base)
        self.assert_exit(result, 0)
        self.assertEqual(os.listdir(self.work), ["float"])
        self.assertEqual(hashes(base), expected())
        self.assertEqual(set(tree(base)), set(tree(BASE)))
        self.assertIn(str(base), result.stderr)

    def test_the_backup_stays_where_it_is_asked_for(self):
        base = self.copy()
        result = self.replace(base, "--keep-backup")
        self.assert_exit(result, 0)
        self.assertEqual(sorted(os.listdir(self.work)), ["float", "float.backup"])
        self.assertEqual(tree(self.work / "float.backup"), tree(BASE))
        self.assertEqual(hashes(base), expected())
        self.assertIn("float.backup", result.stderr)
        # It is the only copy of the floats now.
        self.assert_refused(self.replace(base), 2, "float.backup", "exists")

    def test_the_result_is_what_an_out_would_hold(self):
        base = self.copy()
        self.assert_exit(self.overlay(QUANTIZED, base), 0)
        self.assert_exit(self.replace(base), 0)
        self.assertEqual(tree(base), tree(self.work / "out"))
        # Once more: the blocks are those of the quantized checkpoint already.
        self.assert_exit(self.replace(base), 0)
        self.assertEqual(tree(base), tree(self.work / "out"))

    def test_a_link_stays_and_its_directory_is_replaced(self):
        base = self.copy()
        (self.work / "link").symlink_to("float")
        self.assert_exit(self.replace(self.work / "link"), 0)
        self.assertTrue((self.work / "link").is_symlink())
        self.assertEqual(hashes(base), expected())

    def test_what_is_refused(self):
        base = self.copy()
        (self.work / "alone").mkdir()
        single = shutil.copy(BASE / "model-00001-of-00005.safetensors",
                             self.work / "alone/model.safetensors")
        shutil.copy(BASE / "config.json", self.work / "alone")
        snapshot = self.work / "hub/models--org--name/snapshots/0123abc"
        shutil.copytree(BASE, snapshot)
        weights, git, nested = self.copy("weights"), self.copy("git"), self.copy("nested")
        (weights / "pytorch_model.bin").write_bytes(b"mine")
        (git / ".git").mkdir()
        shutil.copytree(QUANTIZED, nested / "awq")
        before = tree(self.work)
        rows = [(single, "is a file"), (snapshot, "snapshot in a Hugging Face cache"),
                (weights, "pytorch_model.bin"), (git, ".git")]
        for path, fragment in rows:
            with self.subTest(path=path):
                self.assert_refused(self.replace(path), 2, fragment)
        self.assert_refused(run("convert", nested / "awq", "--base", nested, "--in-place"), 2,
                            "contains or lies inside the quantized checkpoint")
        (self.work / "float.backup").mkdir()
        self.assert_refused(self.replace(base), 2, "float.backup")
        (self.work / "float.backup").rmdir()
        self.assertEqual(tree(self.work), before)
        # Nothing of the user's goes where the old directory stays.
        self.assert_exit(self.replace(weights, "--keep-backup"), 0)
        self.assertEqual((self.work / "weights.backup/pytorch_model.bin").read_bytes(), b"mine")

    def test_a_dry_run_and_a_failure_change_nothing(self):
        base = self.copy()
        before = tree(self.work)
        plan = self.replace(base, "--dry-run", "--json")
        self.assert_exit(plan, 0)
        self.assertEqual(json.loads(plan.stdout)["out"], str(base.resolve()))
        wrong = self.variant(QUANTIZED, "wrong", lambda tensors: {
            name: value for name, value in tensors.items() if "layers.1.mlp" not in name})
        self.assert_refused(run("convert", wrong, "--base", base, "--in-place"), 3, "layers.1.mlp")
        shutil.rmtree(wrong)
        self.assertEqual(tree(self.work), before)
