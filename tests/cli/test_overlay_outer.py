"""Quantized modules beside the blocks: a head, an embedding, a tower. specs/overlay.md clause 8."""

import json

from overlay_models import (BASE, BLOCK, QUANTIZED, Overlay, expected, hashes, messages,
                            quantize_awq)
from support import read_checkpoint, run, tree

HEAD = "lm_head"
EMBEDDING = "model.embed_tokens"


class Outer(Overlay):
    def quantized(self, *modules, name="quantized", source=None, **config):
        """The fixture's quantized checkpoint with these modules packed, made from the base's
        weights, and what the weights must be."""
        values = {}

        def pack(tensors):
            base = source or read_checkpoint(BASE)
            for module in modules:
                tensors.pop(f"{module}.weight", None)
                packed, values[module] = quantize_awq(module, base[f"{module}.weight"], 64)
                tensors.update(packed)
        return self.variant(QUANTIZED, name, pack, **config), values

    def check(self, quantized, base, values, *options):
        result = self.overlay(quantized, base, *options, "--force")
        self.assert_exit(result, 0)
        out = read_checkpoint(self.work / "out")
        before = read_checkpoint(base)
        for module, data in values.items():
            self.assertTrue(out[f"{module}.weight"] ==
                            ("BF16", before[f"{module}.weight"][1], data), module)
        found = hashes(self.work / "out")
        taken = {f"{module}.weight" for module in values}
        self.assertEqual({name: found[name] for name in found if name not in taken},
                         {name: value for name, value in expected().items()
                          if name not in taken and name in before})
        return result


class Choice(Outer):
    def test_without_a_word_it_is_refused_and_both_options_are_named(self):
        quantized, _ = self.quantized(HEAD, EMBEDDING)
        result = self.overlay(quantized, BASE)
        self.assert_refused(result, 3, "lm_head: is quantized and lies outside of the blocks",
                            "model.embed_tokens: is quantized", "--take ", "--leave ")
        self.assertEqual(len(messages(result)), 2)
        quantized, _ = self.quantized(HEAD, name="head")
        self.assert_refused(self.overlay(quantized, BASE), 3, "--take lm_head",
                            "--leave lm_head")

    def test_a_head_and_an_embedding_are_taken_to_the_bit(self):
        both, values = self.quantized(HEAD, EMBEDDING)
        self.check(both, BASE, values, "--take", "lm_head,embed_tokens")
        self.check(both, BASE, {HEAD: values[HEAD]}, "--take", "lm_head", "--leave",
                   "model.embed_tokens")
        self.check(both, BASE, {}, "--leave", "embed_tokens,lm_head")
        self.check(both, BASE, values, "--take", "lm_head,embed_tokens", "--threads", "1",
                   "--isa", "scalar", "--max-shard-size", "300kB")

    def test_a_base_in_another_spelling(self):
        quantized, values = self.quantized(EMBEDDING)
        base = self.renamed(BASE, "base", ("model.", "model.language_model."))
        self.assert_exit(self.overlay(quantized, base, "--take", "embed_tokens"), 0)
        out = read_checkpoint(self.work / "out")
        self.assertEqual(out["model.language_model.embed_tokens.weight"][2], values[EMBEDDING])

    def test_dry_run_report_verify_and_parts_know_it(self):
        quantized, values = self.quantized(HEAD, EMBEDDING)
        words = ("--base", BASE, "--take", HEAD, "--leave", "embed_tokens")
        plan = run("convert", quantized, *words, "--dry-run", "--json")
        self.assert_exit(plan, 0)
        overlay = json.loads(plan.stdout)["overlay"]
        self.assertEqual((overlay["taken"], overlay["left"]), ([HEAD], [EMBEDDING]))
        self.assertEqual((overlay["replaced"], overlay["kept"], overlay["match"]["samples"]),
                         (25, 32, 5))
        out = self.work / "out"
        result = run("convert", quantized, out, *words)
        self.assert_exit(result, 0)
        self.assertIn("--take lm_head --leave embed_tokens", result.stderr)  # the next command
        verified = run("verify", out, "--against", quantized, *words)
        self.assert_exit(verified, 0)
        self.assert_exit(run("verify", out, "--against", quantized, "--base", BASE), 3)
        self.assert_exit(run("verify", out, "--against", quantized, "--base", BASE,
                             "--leave", "lm_head,embed_tokens"), 7)
        left = run("convert", quantized, "--base", BASE, "--leave", "lm_head,embed_tokens",
                   "--dry-run", "--json")
        self.assertNotEqual(json.loads(plan.stdout)["fingerprint"],
                            json.loads(left.stdout)["fingerprint"])
        for part in ("1/2", "2/2"):
            self.assert_exit(run("convert", quantized, self.work / "parts", *words, "--part",
                                 part), 0)
        self.assertEqual(tree(self.work / "parts"), tree(out))
        self.assertEqual(read_checkpoint(out)["lm_head.weight"][2], values[HEAD])

    def test_a_job_takes_it(self):
        quantized, values = self.quantized(HEAD)
        job = self.work / "job.json"
        job.write_text(json.dumps({"input": str(quantized), "output": str(self.work / "out"),
                                   "base": str(BASE), "take": "lm_head"}))
        self.assert_exit(run("run", job), 0)
        self.assertEqual(read_checkpoint(self.work / "out")["lm_head.weight"][2], values[HEAD])

    def test_in_place(self):
        quantized, values = self.quantized(HEAD)
        base = self.variant(BASE, "float")
        self.assert_exit(run("convert", quantized, "--base", base, "--in-place", "--take",
                             "lm_head"), 0)
        self.assertEqual(read_checkpoint(base)["lm_head.weight"][2], values[HEAD])


class Names(Outer):
    def test_words_that_are_no_names(self):
        for option in ("--take", "--leave"):
            for word in ("", ",", "lm_head,", "lm_head,lm_head", ".lm_head", "lm_head."):
                with self.subTest(option=option, word=word):
                    self.assert_refused(self.overlay(QUANTIZED, BASE, option, word), 2, option)
            self.assert_refused(run("convert", QUANTIZED, self.work / "out", option, "lm_head"), 2,
                                f"{option} needs --base")
        self.assert_refused(self.overlay(QUANTIZED, BASE, "--take", "lm_head", "--leave",
                                         "lm_head"), 2, "both name lm_head")

    def test_names_that_mean_nothing(self):
        quantized, _ = self.quantized(HEAD)
        self.assert_refused(self.overlay(quantized, BASE, "--take", "lm_head,head"), 3,
                            "--take head names no quantized module", "lm_head")
        self.assert_refused(self.overlay(quantized, BASE, "--leave", "lm_head,nothing"), 3,
                            "--leave nothing names no")
        # A module of a block goes with its block.
        self.assert_refused(self.overlay(quantized, BASE, "--take", "lm_head,q_proj"), 3,
                            "--take q_proj names no")
        # What is not quantized cannot be taken, and is the base's anyway.
        self.assert_refused(self.overlay(QUANTIZED, BASE, "--take", "lm_head"), 3,
                            "--take lm_head names no", "there is none")
        self.assert_exit(self.overlay(QUANTIZED, BASE, "--leave", "lm_head"), 0)
        self.assertEqual(hashes(self.work / "out"), expected())

    def test_a_module_that_both_mean(self):
        quantized, _ = self.quantized(EMBEDDING)
        self.assert_refused(self.overlay(quantized, BASE, "--take", "embed_tokens", "--leave",
                                         "model.embed_tokens"), 3, "is meant by --take")

    def test_a_tower_is_left_and_not_taken(self):
        def add(tensors):
            for suffix in ("qweight", "qzeros", "scales"):
                tensors[f"visual.blocks.1.mlp.fc1.{suffix}"] = (
                    tensors[BLOCK + f"mlp.up_proj.{suffix}"])
        quantized = self.variant(QUANTIZED, "quantized", add)
        self.assert_refused(self.overlay(quantized, BASE), 3, "--leave visual.blocks")
        self.assert_refused(self.overlay(quantized, BASE, "--take", "visual"), 3,
                            "visual.blocks.1.mlp.fc1", "one of the layers at visual.blocks",
                            "--leave visual.blocks")
        for name in ("visual", "visual.blocks", "mlp.fc1"):
            self.assert_exit(self.overlay(quantized, BASE, "--leave", name, "--force"), 0)
            self.assertEqual(hashes(self.work / "out"), expected())


class Tied(Outer):
    def without_head(self, name, **config):
        return self.variant(BASE, name, lambda tensors: {
            key: value for key, value in tensors.items() if not key.startswith("lm_head")},
            **config)

    def test_a_head_has_no_place_in_a_base_that_ties_it(self):
        quantized, _ = self.quantized(HEAD)
        for name, base in (("absent", self.without_head("absent", tie_word_embeddings=True)),
                           ("present", self.variant(BASE, "present", tie_word_embeddings=True))):
            with self.subTest(name):
                self.assert_refused(self.overlay(quantized, base, "--take", "lm_head"), 3,
                                    "lm_head: cannot be taken", "tie_word_embeddings",
                                    "--leave lm_head")
                self.check(quantized, base, {}, "--leave", "lm_head")
        silent = self.without_head("silent", tie_word_embeddings=None)
        self.assert_refused(self.overlay(quantized, silent, "--take", "lm_head", "--force"), 3,
                            "cannot be taken: the base has no lm_head.weight")

    def test_a_tied_embedding_is_taken_as_both(self):
        base = self.without_head("base", tie_word_embeddings=True)
        source = read_checkpoint(BASE)
        quantized, values = self.quantized(EMBEDDING, source=source, tie_word_embeddings=True)
        self.check(quantized, base, values, "--take", "embed_tokens")
        # A head of its own would be lost.
        untied, _ = self.quantized(EMBEDDING, name="untied")
        self.assert_refused(self.overlay(untied, base, "--take", "embed_tokens"), 3,
                            "a head of its own")
        own, _ = self.quantized(EMBEDDING, HEAD, name="own", tie_word_embeddings=True)
        self.assert_refused(self.overlay(own, base, "--take", "embed_tokens", "--leave",
                                         "lm_head"), 3, "a head of its own")

    def test_a_plain_conversion_says_that_readers_ignore_the_head(self):
        tied, values = self.quantized(HEAD, tie_word_embeddings=True)
        result = self.convert(tied, self.work / "out", "--dtype", "bfloat16")
        self.assertIn("lm_head is quantized with values of its own", result.stderr)
        self.assertIn("tie_word_embeddings", result.stderr)
        self.assertEqual(read_checkpoint(self.work / "out")["lm_head.weight"][2], values[HEAD])
        inspected = json.loads(run("inspect", tied, "--json").stdout)
        self.assertIn("tie_word_embeddings", "\n".join(inspected["warnings"]))
        nested, _ = self.quantized(HEAD, name="nested", tie_word_embeddings=None,
                                   text_config={"tie_word_embeddings": True})
        self.assertIn("readers use the embeddings",
                      run("convert", nested, "--dry-run").stdout)
        untied, _ = self.quantized(HEAD, name="untied")
        plan = run("convert", untied, "--dry-run")
        self.assert_exit(plan, 0)
        self.assertNotIn("readers use the embeddings", plan.stdout + plan.stderr)


class Match(Outer):
    """Clause 6.6: what is taken is looked at too."""

    def changed(self, change):
        tensors = read_checkpoint(BASE)
        dtype, shape, data = tensors["lm_head.weight"]
        tensors["lm_head.weight"] = (dtype, shape, change(data, shape))
        return tensors

    def test_another_model_s_head_is_refused(self):
        def turn(data, shape):
            row = len(data) // shape[0]
            return data[7 * row:] + data[:7 * row]
        quantized, values = self.quantized(HEAD, source=self.changed(turn))
        self.assert_refused(self.overlay(quantized, BASE, "--take", "lm_head"), 3,
                            "not the same model: lm_head, cosine ")
        self.check(quantized, BASE, values, "--take", "lm_head", "--no-match-check")
        self.check(quantized, BASE, {}, "--leave", "lm_head")

    def test_a_head_whose_columns_were_scaled_is_refused(self):
        def scale(data, shape):
            shifted = bytearray(data)
            for at in range(0, len(data), 2 * shape[1]):
                for column in range(0, shape[1], 2):  # twice the value: one more in the exponent
                    place = at + 2 * column
                    bits = int.from_bytes(data[place:place + 2], "little")
                    if bits & 0x7f80:
                        bits += 0x80
                    shifted[place:place + 2] = bits.to_bytes(2, "little")
            return bytes(shifted)
        quantized, _ = self.quantized(HEAD, source=self.changed(scale))
        self.assert_refused(self.overlay(quantized, BASE, "--take", "lm_head"), 3,
                            "lm_head, columns scaled")
