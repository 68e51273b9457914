"""thaw specs: the list, one spec, a draft from a checkpoint. specs/cli.md 7, specs/models.md."""

import json
import shutil

from support import DATA, ROOT, Case, run

SPECS = ROOT / "specs" / "models"
KEYS = ["model_types", "layers", "layer_count", "extra_layer_count", "linears", "floats",
        "optional", "absorbs", "activation_scales", "prefixes", "experts"]


class Specs(Case):
    def out(self, *words, **more):
        result = run("specs", *words, **more)
        self.assert_exit(result, 0)
        return result.stdout

    def test_the_list_has_every_file_in_columns(self):
        lines = self.out().splitlines()
        self.assertEqual([line.split()[0] for line in lines[1:]],
                         sorted(path.stem for path in SPECS.glob("*.json")))
        layers, types = lines[0].index("layers"), lines[0].index("model types")
        for line in lines:
            self.assertEqual((line[layers - 2:layers], line[types - 2:types]), ("  ", "  "))
            self.assertNotIn(" ", line[0] + line[layers] + line[types])
        row = next(line for line in lines if line.startswith("falcon "))
        self.assertTrue(row[layers:].startswith("transformer.h "))
        self.assertTrue(row[types:].startswith("falcon, RefinedWeb, "))

    def test_the_list_as_json(self):
        specs = json.loads(self.out("--json"))["specs"]
        self.assertEqual([spec["name"] for spec in specs],
                         sorted(path.stem for path in SPECS.glob("*.json")))
        for spec in specs:
            content = json.loads((SPECS / (spec["name"] + ".json")).read_text())
            self.assertEqual(spec["model_types"], content["model_types"])
            self.assertEqual(spec["layers"], content["layers"])
            self.assertTrue(spec["file"].endswith(f"/{spec['name']}.json"))

    def test_a_name_a_model_type_and_a_file_print_the_file_as_it_is(self):
        mine = self.work / "my own.json"
        mine.write_text('{"model_types":["x"],  "layers":["h"],"linears":["y"]}\n\n')
        for word, path in (("qwen2_5_vl", SPECS / "qwen2_5_vl.json"),
                           ("qwen2.5_vl", SPECS / "qwen2_5_vl.json"),
                           ("qwen2.5", SPECS / "qwen2.json"),
                           ("RefinedWeb", SPECS / "falcon.json"),
                           (SPECS / "mpt.json", SPECS / "mpt.json"), (mine, mine)):
            with self.subTest(word):
                self.assertEqual(self.out(word), path.read_text())

    def test_what_is_unknown_or_broken_is_refused(self):
        self.assert_refused(run("specs", "qwen25"), 3, '"qwen25"', '"qwen2"', "thaw specs lists")
        self.assert_refused(run("specs", "no/such.json"), 3, "no/such.json")
        for words in (["a", "b"], ["--json", "llama"], ["llama", "--derive", "x"], [""],
                      ["--json", "--derive", "x"], ["--derive"], ["--other"]):
            with self.subTest(words):
                self.assert_refused(run("specs", *words), 2, "thaw specs --help")
        self.assertIn("--derive", self.out("--help"))
        folder = self.work / "specs"
        folder.mkdir()
        shutil.copy(SPECS / "llama.json", folder)
        (folder / "broken.json").write_text('{"layers": 1}')
        env = {"THAW_MODELS": str(folder)}
        for words in ([], ["--json"], ["llama"]):
            self.assert_refused(run("specs", *words, env=env), 3, "broken.json: model_types")
        (folder / "broken.json").unlink()
        self.assertEqual(len(self.out(env=env).splitlines()), 2)

    def test_a_draft_of_every_fixture_serves_as_its_spec(self):
        for name in ("qwen2-awq-gemm", "starcoder2-awq-act_scales", "qwen3moe-ct-w4a16-sym",
                     "llama-gptq-v1-desc_act"):
            with self.subTest(name):
                result = run("specs", "--derive", DATA / name / "model")
                self.assert_exit(result, 0)
                lines = result.stderr.splitlines()
                self.assertTrue(lines and all(line.startswith("thaw: check: ") for line in lines))
                draft = json.loads(result.stdout)
                self.assertEqual(draft["layers"], ["model.layers"])
                self.assertEqual(draft["layer_count"], ["num_hidden_layers"])
                self.assertEqual(draft["absorbs"], [])
                file = self.work / f"{name}.json"
                file.write_text(result.stdout)
                self.assertEqual(self.out(file), result.stdout)

    def test_no_draft_of_what_has_no_blocks(self):
        golden = DATA / "golden" / "awq_gemm_k128_n64_g32.safetensors"
        self.assert_refused(run("specs", "--derive", golden), 3,
                            "no tensor lies in a numbered block")
        self.assert_refused(run("specs", "--derive", self.work / "none"), 3, "none")

    def test_the_files_are_written_alike(self):
        """specs/models.md clause 2.7."""
        for path in sorted(SPECS.glob("*.json")):
            with self.subTest(path.name):
                text = path.read_text()
                keys = list(json.loads(text))
                self.assertEqual(keys, [key for key in KEYS if key in keys])
                self.assertTrue(text.endswith("}\n"))
                for line in text.splitlines():
                    self.assertLessEqual(len(line), 100)
                    self.assertEqual(line, line.rstrip())
