"""Every linear that a producer packed, end to end: each instruction set, each output type."""

import json
import struct

from support import DATA, Case, Shard, available_isas, read_checkpoint, run, write_safetensors

TYPES = {"float16": ("expected.fp16", "F16"), "bfloat16": ("expected.bf16", "BF16"),
         "float32": ("expected.fp32", "F32")}


def without_nan_payload(dtype, data):
    """NaNs made equal: a NaN matches any NaN."""
    if dtype == "F32":
        words = struct.unpack(f"<{len(data) // 4}I", data)
        return [0x7FC00000 if word & 0x7FFFFFFF > 0x7F800000 else word for word in words]
    infinity = 0x7C00 if dtype == "F16" else 0x7F80
    return [infinity + 1 if word & 0x7FFF > infinity else word
            for word in struct.unpack(f"<{len(data) // 2}H", data)]


def write_case(folder, case, shard, module="model.layers.0.layer", model_type="llama"):
    """The case as a checkpoint of one linear."""
    folder.mkdir()
    tensors = {name.replace("layer.", module + ".", 1):
               (entry["dtype"], entry["shape"], shard.read(name))
               for name, entry in shard.tensors.items() if name.startswith("layer.")}
    write_safetensors(folder / "model.safetensors", tensors)
    config = {"model_type": model_type, "torch_dtype": "float16"}
    quantization = case["quantization_config"]
    if "quant_method" in quantization:
        config[quantization.get("_stored_under_key", "quantization_config")] = quantization
    else:
        (folder / "quant_config.json").write_text(json.dumps(quantization))
    (folder / "config.json").write_text(json.dumps(config))


class Golden(Case):
    def test_every_case_on_every_instruction_set(self):
        cases = json.loads((DATA / "golden" / "manifest.json").read_text())["cases"]
        isas = available_isas()
        compared = 0
        for case in cases:
            shard = Shard(DATA / "golden" / case["file"])
            write_case(self.work / case["case"], case, shard)
            for dtype, (expected, spelled) in TYPES.items():
                if expected not in shard.tensors:
                    continue
                wanted = without_nan_payload(spelled, shard.read(expected))
                for isa in isas:
                    with self.subTest(case=case["case"], dtype=dtype, isa=isa):
                        self.convert(self.work / case["case"], self.work / "out", "--dtype", dtype,
                                     "--isa", isa, "--allow-overflow", "--force")
                        found = read_checkpoint(self.work / "out")["model.layers.0.layer.weight"]
                        shape = [case["experts"]] if "experts" in case else []
                        shape += [case["N"], case["K"]]
                        self.assertEqual(found[:2], (spelled, shape))
                        self.assertTrue(without_nan_payload(spelled, found[2]) == wanted)
                        compared += 1
        self.assertGreaterEqual(compared, 2 * len(cases) * len(isas))

    def test_gptq_embeddings_and_conv1d_are_not_transposed(self):
        cases = json.loads((DATA / "golden" / "manifest.json").read_text())["cases"]
        compared = 0
        for case in (c for c in cases if c["case"].startswith("gptq_")):
            shard = Shard(DATA / "golden" / case["file"])
            rows, columns = case["N"], case["K"]
            wanted = shard.read("expected.fp16")
            turned = b"".join(wanted[2 * (n * columns + k):2 * (n * columns + k) + 2]
                              for k in range(columns) for n in range(rows))
            for module, model_type, expected, shape in (
                    ("model.embed_tokens", "llama", turned, [columns, rows]),
                    ("transformer.h.0.attn.c_attn", "gpt2", turned, [columns, rows]),
                    ("transformer.h.0.attn.c_attn", "gpt_bigcode", wanted, [rows, columns]),
                    ("lm_head", "llama", wanted, [rows, columns])):
                model = self.work / f"{case['case']}-{module}-{model_type}"
                write_case(model, case, shard, module, model_type)
                for isa in available_isas():
                    with self.subTest(case=case["case"], module=module, isa=isa):
                        self.convert(model, self.work / "out", "--isa", isa, "--force")
                        found = read_checkpoint(self.work / "out")[module + ".weight"]
                        self.assertEqual(found[:2], ("F16", shape))
                        self.assertTrue(found[2] == expected)
                        compared += 1
        self.assertEqual(compared, 8 * 4 * len(available_isas()))

    def test_overflow_is_refused_unless_allowed(self):
        manifest = json.loads((DATA / "golden" / "manifest.json").read_text())
        case = next(c for c in manifest["cases"] if c["case"].endswith("overflow"))
        model = self.work / "model"
        write_case(model, case, Shard(DATA / "golden" / case["file"]))
        out = self.work / "out"
        refused = run("convert", model, out, "--dtype", "float16")
        self.assert_refused(refused, 4, "model.layers.0.layer", "bfloat16")
        self.assertFalse(out.exists())
        allowed = self.convert(model, out, "--dtype", "float16", "--allow-overflow")
        self.assertIn("became infinite", allowed.stderr)
        self.convert(model, self.work / "wide", "--dtype", "bfloat16")
