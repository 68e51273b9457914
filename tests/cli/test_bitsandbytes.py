"""LLM.int8 as bitsandbytes writes it, against what another program made of it.
specs/bitsandbytes.md."""

import json

from support import DATA, Case, Shard, available_isas, hashes, rewrite, run

FOLDER = DATA / "bitsandbytes" / "int8-llama"
MODEL = FOLDER / "model"
MODULE = "model.layers.0.mlp.up_proj"


class BitsAndBytes(Case):
    def changed(self, name, content):
        """A copy with another tensor; None: without it."""
        def change(tensors):
            rest = {key: tensor for key, tensor in tensors.items() if key != name}
            return rest if content is None else rest | {name: content}
        return rewrite(MODEL, self.work / "changed", change)

    def test_every_weight_is_the_exact_one(self):
        expected = json.loads((FOLDER / "expected.json").read_text())
        for isa in available_isas():
            out = self.work / "out"
            done = self.convert(MODEL, out, "--isa", isa, "--force", "--verify")
            self.assertNotIn("warning", done.stderr)
            self.assertEqual(hashes(out), expected)
            self.assertNotIn("quantization_config", (out / "config.json").read_text())

    def test_verify_compare_and_inspect(self):
        for dtype in ("bfloat16", "float16", "float32"):
            out = self.work / "out"
            self.convert(MODEL, out, "--force", "--dtype", dtype)
            good = run("verify", out, "--against", MODEL)
            self.assert_exit(good, 0)
            self.assertIn(" 0 are wrong", good.stdout)
            self.assert_exit(run("compare", MODEL, out), 0)
            shard = out / "model.safetensors"
            data = bytearray(shard.read_bytes())
            header = int.from_bytes(data[:8], "little") + 8
            data[header + Shard(shard).tensors[MODULE + ".weight"]["data_offsets"][0]] ^= 1
            shard.write_bytes(data)
            bad = run("verify", out, "--against", MODEL)
            self.assert_exit(bad, 7)
            self.assertIn(MODULE, bad.stdout)
        self.assertIn("bitsandbytes int8", run("inspect", MODEL).stdout)

    def test_what_does_not_fit_is_refused(self):
        for name, content, fragments in (
                ("SCB", None, (MODULE,)),
                ("SCB", ("F32", [1], bytes(4)), ("SCB: got F32 [1]",)),
                ("weight_format", ("U8", [], b"\1"), ("weight_format: got 1, expected 0",)),
                ("weight.absmax", ("F32", [96], bytes(384)), ("bitsandbytes",)),
                ("CB", ("I8", [4], bytes(4)), (MODULE, "CB"))):
            model = self.changed(f"{MODULE}.{name}", content)
            self.assert_refused(run("convert", model, self.work / "out"), 3, *fragments)
