"""nf4 and fp4 of bitsandbytes, against what another program made of them, and of shapes that no
producer's CPU code gets right against fractions. specs/bitsandbytes.md clause 2."""

import json
import random
import struct
from fractions import Fraction

from fractions_of import bits_of
from support import DATA, Case, Shard, available_isas, hashes, rewrite, run, write_safetensors

FOLDER = DATA / "bitsandbytes"
NAMES = ("fp4-llama", "nf4-nested-llama", "nf4-storage-bf16")
MODULE = "model.layers.0.mlp.up_proj"
WEIGHT = MODULE + ".weight"


def single(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


class Made:
    """A weight of random codes and scales, and what it is."""

    def __init__(self, rows, columns, block, nested, seed):
        draw = random.Random(seed)
        count = rows * columns
        scales = -(-count // block)
        self.shape, self.codes = (rows, columns), [draw.randrange(16) for _ in range(count)]
        self.map = sorted(single(draw.uniform(-1, 1)) for _ in range(15)) + [1.0]
        state = {"quant_type": "nf4", "blocksize": block, "dtype": "float32",
                 "shape": [rows, columns]}
        packed = self.codes + [0] * (count % 2)
        tensors = {"weight": ("U8", [len(packed) // 2, 1],
                              bytes(a << 4 | b for a, b in zip(packed[::2], packed[1::2]))),
                   "weight.quant_map": ("F32", [16], struct.pack("<16f", *self.map))}
        if nested:
            table = [single(draw.uniform(-1, 1)) for _ in range(256)]
            factors = [single(draw.uniform(0.01, 0.1)) for _ in range(-(-scales // 4))]
            offset = single(draw.uniform(0.05, 0.2))
            absmax = [draw.randrange(256) for _ in range(scales)]
            self.scales = [Fraction(table[byte]) * Fraction(factors[i // 4]) + Fraction(offset)
                           for i, byte in enumerate(absmax)]
            state |= {"nested_blocksize": 4, "nested_dtype": "float32", "nested_offset": offset}
            tensors |= {"weight.absmax": ("U8", [scales], bytes(absmax)),
                        "weight.nested_absmax": ("F32", [len(factors)],
                                                 struct.pack(f"<{len(factors)}f", *factors)),
                        "weight.nested_quant_map": ("F32", [256], struct.pack("<256f", *table))}
        else:
            values = [single(draw.uniform(0.001, 2)) for _ in range(scales)]
            self.scales = [Fraction(value) for value in values]
            tensors["weight.absmax"] = ("F32", [scales], struct.pack(f"<{scales}f", *values))
        text = json.dumps(state).encode()
        tensors["weight.quant_state.bitsandbytes__nf4"] = ("U8", [len(text)], text)
        self.tensors, self.block = tensors, block

    def expected(self, dtype):
        data = b""
        for i, code in enumerate(self.codes):
            value = Fraction(self.map[code]) * self.scales[i // self.block]
            data += bits_of(abs(value), value < 0, dtype)
        return data


class Bnb4Bit(Case):
    def source(self, name):
        return FOLDER / name / "model"

    def test_every_weight_is_the_exact_one(self):
        for name in NAMES:
            expected = json.loads((FOLDER / name / "expected.json").read_text())
            for isa in available_isas():
                with self.subTest(name=name, isa=isa):
                    out = self.work / "out"
                    done = self.convert(self.source(name), out, "--isa", isa, "--force", "--verify")
                    self.assertNotIn("warning", done.stderr)
                    self.assertEqual(hashes(out), expected)
                    self.assertNotIn("quantization_config", (out / "config.json").read_text())

    def test_blocks_that_go_on_in_the_next_row(self):
        model = self.work / "model"
        model.mkdir()
        (model / "config.json").write_text(json.dumps(
            {"model_type": "toy", "torch_dtype": "float32",
             "quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}))
        shapes = ((10, 96, 64), (12, 96, 64), (7, 5, 64), (3, 33, 8), (64, 32, 128), (1, 1, 64),
                  (9, 64, 64), (5, 100, 4096))
        made = {f"m{i}.{int(nested)}": Made(*shape, nested, 10 * i + nested)
                for i, shape in enumerate(shapes) for nested in (False, True)}
        write_safetensors(model / "model.safetensors",
                          {f"{module}.{suffix}": tensor for module, one in made.items()
                           for suffix, tensor in one.tensors.items()})
        for dtype in ("bfloat16", "float16", "float32"):
            for isa in (available_isas()[0], available_isas()[-1]):
                out = self.work / "out"
                self.convert(model, out, "--dtype", dtype, "--isa", isa, "--force")
                shard = Shard(out / "model.safetensors")
                for module, one in made.items():
                    with self.subTest(module=module, dtype=dtype, isa=isa):
                        entry = shard.tensors[f"{module}.weight"]
                        self.assertEqual(entry["shape"], list(one.shape))
                        self.assertEqual(shard.read(f"{module}.weight"), one.expected(dtype))
            verified = run("verify", self.work / "out", "--against", model)
            self.assert_exit(verified, 0)
            self.assertIn(" 0 are wrong", verified.stdout)

    def test_verify_compare_and_inspect(self):
        for name in NAMES:
            for dtype in ("bfloat16", "float16", "float32"):
                with self.subTest(name=name, dtype=dtype):
                    out = self.work / "out"
                    self.convert(self.source(name), out, "--force", "--dtype", dtype)
                    good = run("verify", out, "--against", self.source(name))
                    self.assert_exit(good, 0)
                    self.assertIn(" 0 are wrong", good.stdout)
                    self.assert_exit(run("compare", self.source(name), out), 0)
                    shard = out / "model.safetensors"
                    data = bytearray(shard.read_bytes())
                    header = int.from_bytes(data[:8], "little") + 8
                    data[header + Shard(shard).tensors[WEIGHT]["data_offsets"][0]] ^= 1
                    shard.write_bytes(data)
                    bad = run("verify", out, "--against", self.source(name))
                    self.assert_exit(bad, 7)
                    self.assertIn(MODULE, bad.stdout)
            self.assertIn("bitsandbytes " + name[:3], run("inspect", self.source(name)).stdout)

    def refuse(self, name, changes, *fragments):
        def change(tensors):
            for suffix, content in changes.items():
                tensors = {key: value for key, value in tensors.items()
                           if key != f"{WEIGHT}{suffix}"}
                if content is not None:
                    tensors[f"{WEIGHT}{suffix}"] = content
            return tensors
        model = rewrite(self.source(name), self.work / "changed", change)
        self.assert_refused(run("convert", model, self.work / "out"), 3, *fragments)

    def test_what_does_not_fit_is_refused(self):
        state = ".quant_state.bitsandbytes__nf4"
        nested = "nf4-nested-llama"
        for suffix in (".absmax", ".quant_map", state, ".nested_absmax", ".nested_quant_map"):
            self.refuse(nested, {suffix: None}, MODULE)
        for suffix, tensor in ((".absmax", ("U8", [95], bytes(95))),
                               (".absmax", ("F32", [96], bytes(384))),
                               (".quant_map", ("F32", [15], bytes(60))),
                               (".quant_map", ("F16", [16], bytes(32))),
                               (".nested_absmax", ("F32", [2], bytes(8))),
                               (".nested_quant_map", ("F32", [255], bytes(1020))),
                               ("", ("U8", [3071, 1], bytes(3071)))):
            self.refuse(nested, {suffix: tensor}, MODULE, "expected")
        self.refuse(nested, {".extra": ("F32", [1], bytes(4))}, MODULE)
        good = {"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [96, 64],
                "nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.25}
        for key, value in (("blocksize", 0), ("blocksize", -64), ("blocksize", 1 << 62),
                           ("blocksize", "64"), ("blocksize", None), ("shape", [96]),
                           ("shape", [96, 0]), ("shape", [1 << 40, 1 << 40]), ("shape", "96x64"),
                           ("shape", [96, 64.5]), ("shape", [64, 95]), ("nested_blocksize", 0),
                           ("nested_offset", "0.25"), ("nested_offset", 0.1),
                           ("nested_offset", 1e300), ("nested_offset", None)):
            text = json.dumps(good | {key: value}).encode()
            self.refuse(nested, {state: ("U8", [len(text)], text)}, MODULE)
        for text in (b"", b"{", b"[]", b"\xff\xfe", b"{}", b'{"shape": [96, 64]}',
                     b'{"blocksize": 64}', b"[" * 5000, b'{"a": ' * 100, b" " * 70_000,
                     b'{"shape": [96, 64], "blocksize": 64, "blocksize": 32}'):
            self.refuse(nested, {state: ("U8", [len(text)], text)}, MODULE)
        both = json.dumps(good).encode()
        self.refuse(nested, {".quant_state.bitsandbytes__fp4": ("U8", [len(both)], both)},
                    "two quant_states")
