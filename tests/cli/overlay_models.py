"""What the tests of the overlay share: the fixture, and variants of it."""

import json
import random
import shutil
import struct

from support import DATA, Case, hashes, read_checkpoint, run, write_safetensors

FIXTURE = DATA / "qwen2_5_vl-overlay"
BASE = FIXTURE / "base"
QUANTIZED = FIXTURE / "awq"
BLOCK = "model.layers.0."


def expected(name="expected"):
    return json.loads((FIXTURE / f"{name}.json").read_text())


def messages(result):
    return [line for line in result.stderr.splitlines() if not line.startswith("thaw: hint")]


class Overlay(Case):
    """Builds variants of the fixture: `change` gets name -> (dtype, shape, bytes)."""

    def overlay(self, quantized, base, *options, **more):
        return run("convert", quantized, self.work / "out", "--base", base, *options, **more)

    def variant(self, source, name, change=lambda tensors: tensors, **config):
        folder = self.work / name
        folder.mkdir()
        for file in source.iterdir():
            if file.suffix != ".safetensors" and not file.name.endswith(".index.json"):
                shutil.copy(file, folder)
        text = json.loads((source / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(text | config))
        tensors = dict(read_checkpoint(source))
        write_safetensors(folder / "model.safetensors", change(tensors) or tensors)
        return folder

    def renamed(self, source, name, *pairs, **config):
        def rename(tensors):
            changed = {}
            for key, value in tensors.items():
                prefix = next((old for old, _ in pairs if key.startswith(old)), "")
                changed[dict(pairs).get(prefix, "") + key[len(prefix):]] = value
            return changed
        return self.variant(source, name, rename, **config)


def bf16_values(data):
    return [struct.unpack("<f", b"\0\0" + data[i:i + 2])[0] for i in range(0, len(data), 2)]


def bf16_bytes(values):
    """Each value rounded once, nearest even. Finite values only."""
    out = bytearray()
    for value in values:
        bits = struct.unpack("<I", struct.pack("<f", value))[0]
        out += struct.pack("<H", (bits + 0x7fff + ((bits >> 16) & 1)) >> 16)
    return bytes(out)


def awq_words(rows):
    """Rows of numbers of 4 bits as AWQ's GEMM layout packs them: eight columns a word."""
    data = bytearray()
    for row in rows:
        for at in range(0, len(row), 8):
            word = 0
            for i, column in enumerate((0, 2, 4, 6, 1, 3, 5, 7)):
                word |= row[at + column] << 4 * i
            data += struct.pack("<I", word)
    return bytes(data)


def quantize_awq(module, tensor, group):
    """A bfloat16 weight [N, K] rounded to 4 bits: AWQ's tensors, and the bfloat16 bytes of their
    exact values. Written from specs/awq.md, independent of the program."""
    dtype, (outputs, inputs), data = tensor
    assert dtype == "BF16"
    weight = bf16_values(data)
    codes = [[0] * outputs for _ in range(inputs)]
    zeros = [[0] * outputs for _ in range(inputs // group)]
    scales = [[0.0] * outputs for _ in range(inputs // group)]
    exact = [0.0] * len(weight)
    for n in range(outputs):
        for g in range(inputs // group):
            begin = n * inputs + g * group
            part = weight[begin:begin + group]
            low, high = min(*part, 0.0), max(*part, 0.0)
            scale = struct.unpack("<e", struct.pack("<e", max(high - low, 1e-4) / 15))[0]
            zero = min(15, max(0, round(-low / scale)))
            zeros[g][n], scales[g][n] = zero, scale
            for k, value in enumerate(part):
                code = min(15, max(0, round(value / scale) + zero))
                codes[g * group + k][n] = code
                exact[begin + k] = (code - zero) * scale
    packed = {
        f"{module}.qweight": ("I32", [inputs, outputs // 8], awq_words(codes)),
        f"{module}.qzeros": ("I32", [inputs // group, outputs // 8], awq_words(zeros)),
        f"{module}.scales": ("F16", [inputs // group, outputs],
                             b"".join(struct.pack("<e", one) for row in scales for one in row))}
    return packed, bf16_bytes(exact)


def compressed(tensors, module, inputs, outputs, seed, group=32):
    """Random tensors of a linear of compressed-tensors, 4 bits, symmetric."""
    chance = random.Random(seed)
    tensors[f"{module}.weight_packed"] = ("I32", [outputs, inputs // 8],
                                          chance.randbytes(outputs * inputs // 2))
    tensors[f"{module}.weight_scale"] = (
        "BF16", [outputs, inputs // group],
        bf16_bytes(chance.uniform(0.001, 0.02) for _ in range(outputs * inputs // group)))
    tensors[f"{module}.weight_shape"] = ("I64", [2], struct.pack("<2q", outputs, inputs))


def floats(tensors, name, shape, seed):
    chance = random.Random(seed)
    count = 1
    for extent in shape:
        count *= extent
    tensors[name] = ("BF16", list(shape), bf16_bytes(chance.gauss(0, 0.02) for _ in range(count)))


def compressed_config(*ignore):
    return {"quant_method": "compressed-tensors", "format": "pack-quantized",
            "quantization_status": "compressed", "ignore": list(ignore),
            "config_groups": {"group_0": {
                "targets": ["Linear"],
                "weights": {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group",
                            "group_size": 32}}}}
