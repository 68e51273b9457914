"""int-quantized weights, and float32 scales of AWQ and GPTQ: every value is computed here, from
integers and floats that Python holds exactly, and compared bit for bit on every instruction set."""

import json
import math
import random
import struct

from support import Case, Shard, available_isas, read_checkpoint, run, write_safetensors

MODULE = "model.layers.0.mlp.up_proj"
DTYPES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32"}


def rounded(value, dtype):
    """The bits of a finite double, rounded once to nearest even; none of these overflows."""
    if dtype == "F16":
        return struct.pack("<e", value)
    if dtype == "F32":
        return struct.pack("<f", value)
    mantissa, exponent = math.frexp(abs(value))
    unit = max(exponent - 8, -133)
    kept = round(math.ldexp(mantissa, exponent - unit))  # Python rounds halves to even
    bits = (unit + 133 << 7) + kept if value else 0
    return struct.pack("<H", bits | (0x8000 if math.copysign(1, value) < 0 else 0))


def stored(dtype, values):
    """What `dtype` keeps of the values: the bytes, and the values that they stand for."""
    data = b"".join(rounded(value, dtype) for value in values)
    if dtype == "BF16":
        return data, [struct.unpack("<f", b"\0\0" + data[i:i + 2])[0]
                      for i in range(0, len(data), 2)]
    code = "e" if dtype == "F16" else "f"
    return data, list(struct.unpack(f"<{len(values)}{code}", data))


def scales(random_, count):
    return [random_.uniform(0.5, 2.0) * 2.0 ** random_.randint(-9, -6) for _ in range(count)]


class Values(Case):
    def write(self, name, tensors, quantization, shards=False):
        folder = self.work / name
        folder.mkdir()
        tensors = tensors | {"model.norm.weight": ("BF16", [4], bytes(8))}
        config = {"model_type": "llama", "torch_dtype": "bfloat16"}
        if quantization:
            config["quantization_config"] = quantization
        (folder / "config.json").write_text(json.dumps(config))
        if not shards:
            write_safetensors(folder / "model.safetensors", tensors)
            return folder
        weight_map = {}
        for index, (tensor, content) in enumerate(sorted(tensors.items())):
            file = f"model-{index + 1:05}-of-{len(tensors):05}.safetensors"
            write_safetensors(folder / file, {tensor: content})
            weight_map[tensor] = file
        (folder / "model.safetensors.index.json").write_text(json.dumps(
            {"metadata": {}, "weight_map": weight_map}))
        return folder

    def check(self, model, shape, want):
        """want: the exact values of the weight, row after row."""
        for dtype, word in DTYPES.items():
            expected = b"".join(rounded(value, dtype) for value in want)
            for isa in available_isas():
                with self.subTest(model=model.name, dtype=dtype, isa=isa):
                    self.convert(model, self.work / "out", "--dtype", word, "--isa", isa,
                                 "--force")
                    found = read_checkpoint(self.work / "out")[f"{MODULE}.weight"]
                    self.assertEqual(found[:2], (dtype, shape))
                    self.assertEqual(found[2], expected)
        result = run("verify", self.work / "out", "--against", model, "--dtype", "float32", "--json")
        self.assert_exit(result, 0)
        certificate = json.loads(result.stdout)["certificate"]
        self.assertEqual((certificate["wrong"], certificate["ambiguous"]), (0, 0))
        config = json.loads((self.work / "out" / "config.json").read_text())
        self.assertNotIn("quantization_config", config)


class Int8(Values):
    def int8(self, name, rows, columns, group, dtype, *, zeros=False, bits=8, shards=False,
             shape=None, scale_shape=None):
        """group: columns that share a scale; 0: one scale for all."""
        random_ = random.Random(name)
        low, high = -(1 << bits - 1), (1 << bits - 1) - 1
        codes = [random_.randint(low, high) for _ in range(rows * columns)]
        codes[:2] = [low, high]
        groups = 1 if group == 0 else -(-columns // group)
        count = 1 if group == 0 else rows * groups
        data, values = stored(dtype, scales(random_, count))
        tensors = {f"{MODULE}.weight": ("I8", shape or [rows, columns],
                                        struct.pack(f"{len(codes)}b", *codes)),
                   f"{MODULE}.weight_scale": (
                       dtype, scale_shape or ([1] if group == 0 else [rows, groups]), data)}
        offsets = [0] * count
        if zeros:
            offsets = [random_.randint(low, high) for _ in range(count)]
            tensors[f"{MODULE}.weight_zero_point"] = ("I8", [rows, groups],
                                                      struct.pack(f"{count}b", *offsets))
        strategy = ("tensor" if group == 0 else "channel" if group >= columns else "group")
        weights = {"num_bits": bits, "type": "int", "symmetric": not zeros, "strategy": strategy,
                   "group_size": group if strategy == "group" else None}
        model = self.write(name, tensors, {
            "quant_method": "compressed-tensors", "format": "int-quantized",
            "config_groups": {"group_0": {
                "targets": ["Linear"], "weights": weights,
                "input_activations": {"num_bits": 8, "type": "int", "dynamic": True}}}}, shards)
        want = []
        for n in range(rows):
            for k in range(columns):
                at = 0 if group == 0 else n * groups + k // group
                want.append((codes[n * columns + k] - offsets[at]) * values[at])
        return model, shape or [rows, columns], want

    def test_every_strategy_and_type_of_scale(self):
        for dtype in ("BF16", "F16", "F32"):
            for name, options in {
                    "channel": {"group": 600},
                    "channel-asymmetric": {"group": 600, "zeros": True},
                    "group": {"group": 32},
                    "group-asymmetric": {"group": 32, "zeros": True},
                    "group-short": {"group": 128},
                    "tensor": {"group": 0},
                    "w4a8": {"group": 64, "bits": 4},
            }.items():
                self.check(*self.int8(f"{name}-{dtype}", 6, 600, dtype=dtype, **options))

    def test_shapes_that_are_not_round(self):
        self.check(*self.int8("narrow", 3, 5, 5, "BF16", zeros=True))
        self.check(*self.int8("vector", 4, 64, 64, "F32", scale_shape=[4]))
        self.check(*self.int8("scalar", 4, 64, 0, "F32", scale_shape=[]))

    def test_experts_in_one_tensor(self):
        self.check(*self.int8("experts", 6, 64, 32, "BF16", shape=[2, 3, 64],
                              scale_shape=[2, 3, 2]))

    def test_scales_in_another_shard(self):
        self.check(*self.int8("shards", 8, 64, 32, "BF16", shards=True, zeros=True))

    def test_verify_finds_a_changed_weight(self):
        model, _, _ = self.int8("changed", 8, 64, 32, "BF16")
        self.convert(model, self.work / "out")
        shard = self.work / "out" / "model.safetensors"
        found = Shard(shard)
        at = found.data_begin + found.tensors[f"{MODULE}.weight"]["data_offsets"][0] + 40
        data = bytearray(shard.read_bytes())
        data[at] ^= 4
        shard.write_bytes(data)
        result = run("verify", self.work / "out", "--against", model)
        self.assert_exit(result, 7)
        self.assertIn(f"certificate: {MODULE}.weight: 1 of 512 weights", result.stdout)

    def test_inspect_says_what_it_is(self):
        model, _, _ = self.int8("inspected", 8, 64, 32, "BF16", bits=4)
        result = run("inspect", model, "--json")
        self.assert_exit(result, 0)
        found = json.loads(result.stdout)
        self.assertEqual(found["version"], "int-quantized")
        group = found["linears"][0]
        self.assertEqual((group["layout"], group["bits"], group["group_size"]),
                         ("ct_int8", 8, 32))
        self.assertIn("compressed-tensors int8", run("inspect", model).stdout)

    def test_compare_reads_it(self):
        model, _, _ = self.int8("compared", 8, 64, 32, "BF16")
        self.convert(model, self.work / "out", "--dtype", "float32")
        self.assert_exit(run("compare", model, self.work / "out"), 0)


class Float32Scales(Values):
    """specs/numbers.md clause 1.3."""

    ROWS, COLUMNS, GROUP = 64, 128, 32

    def weights(self, seed):
        random_ = random.Random(seed)
        groups = self.COLUMNS // self.GROUP
        codes = [[random_.randrange(16) for _ in range(self.COLUMNS)] for _ in range(self.ROWS)]
        zeros = [[random_.randrange(16) for _ in range(groups)] for _ in range(self.ROWS)]
        _, flat = stored("F32", scales(random_, self.ROWS * groups))
        steps = [flat[n * groups:(n + 1) * groups] for n in range(self.ROWS)]
        want = [(codes[n][k] - zeros[n][k // self.GROUP]) * steps[n][k // self.GROUP]
                for n in range(self.ROWS) for k in range(self.COLUMNS)]
        return codes, zeros, steps, want

    @staticmethod
    def words(nibbles):
        return b"".join(struct.pack("<I", sum(code << 4 * i for i, code in
                                              enumerate(nibbles[at:at + 8])))
                        for at in range(0, len(nibbles), 8))

    def by_group(self, rows):
        """[groups, N] of a table [N][groups]."""
        return [row[g] for g in range(self.COLUMNS // self.GROUP) for row in rows]

    def float_tensor(self, values):
        return struct.pack(f"<{len(values)}f", *values)

    def test_gptq(self):
        codes, zeros, steps, want = self.weights(1)
        groups = self.COLUMNS // self.GROUP
        for name, index in (("index", True), ("no-index", False)):
            order = [k // self.GROUP for k in range(self.COLUMNS)]
            tensors = {
                "qweight": ("I32", [self.COLUMNS // 8, self.ROWS], b"".join(
                    struct.pack("<I", sum(codes[n][k + i] << 4 * i for i in range(8)))
                    for k in range(0, self.COLUMNS, 8) for n in range(self.ROWS))),
                "qzeros": ("I32", [groups, self.ROWS // 8], self.words(self.by_group(zeros))),
                "scales": ("F32", [groups, self.ROWS], self.float_tensor(self.by_group(steps)))}
            if index:
                tensors["g_idx"] = ("I32", [self.COLUMNS], struct.pack(f"<{len(order)}i", *order))
            model = self.write(f"gptq-{name}", {f"{MODULE}.{k}": v for k, v in tensors.items()},
                               {"quant_method": "gptq", "checkpoint_format": "gptq_v2", "bits": 4,
                                "group_size": self.GROUP, "sym": False})
            self.check(model, [self.ROWS, self.COLUMNS], want)

    def test_auto_round(self):
        codes, zeros, steps, want = self.weights(2)
        groups = self.COLUMNS // self.GROUP
        tensors = {
            "qweight": ("I32", [self.COLUMNS // 8, self.ROWS], b"".join(
                struct.pack("<I", sum(codes[n][k + i] << 4 * i for i in range(8)))
                for k in range(0, self.COLUMNS, 8) for n in range(self.ROWS))),
            "qzeros": ("I32", [groups, self.ROWS // 8], self.words(self.by_group(zeros))),
            "scales": ("F32", [groups, self.ROWS], self.float_tensor(self.by_group(steps)))}
        model = self.write("auto-round", {f"{MODULE}.{k}": v for k, v in tensors.items()},
                           {"quant_method": "auto-round", "packing_format": "auto_round",
                            "bits": 4, "group_size": self.GROUP, "sym": False,
                            "scale_dtype": "torch.float32"})
        self.check(model, [self.ROWS, self.COLUMNS], want)

    def test_awq_gemm(self):
        codes, zeros, steps, want = self.weights(3)
        order = (0, 2, 4, 6, 1, 3, 5, 7)  # the row of a nibble

        def lines(table):
            return b"".join(self.words([line[at + row] for at in range(0, self.ROWS, 8)
                                        for row in order]) for line in table)

        tensors = {
            "qweight": ("I32", [self.COLUMNS, self.ROWS // 8], lines(list(zip(*codes)))),
            "qzeros": ("I32", [self.COLUMNS // self.GROUP, self.ROWS // 8],
                       lines(list(zip(*zeros)))),
            "scales": ("F32", [self.COLUMNS // self.GROUP, self.ROWS],
                       self.float_tensor(self.by_group(steps)))}
        model = self.write("awq", {f"{MODULE}.{k}": v for k, v in tensors.items()},
                           {"quant_method": "awq", "version": "gemm", "bits": 4,
                            "group_size": self.GROUP, "zero_point": True})
        self.check(model, [self.ROWS, self.COLUMNS], want)

    def test_awq_gemv(self):
        codes, zeros, steps, want = self.weights(4)
        padding = [0] * (32 - self.COLUMNS // self.GROUP)
        tensors = {
            "qweight": ("I32", [self.ROWS, self.COLUMNS // 8],
                        b"".join(self.words(row) for row in codes)),
            "qzeros": ("I32", [self.ROWS, 4], b"".join(self.words(row + padding) for row in zeros)),
            "scales": ("F32", [self.ROWS, 32],
                       b"".join(self.float_tensor(row + padding) for row in steps))}
        model = self.write("gemv", {f"{MODULE}.{k}": v for k, v in tensors.items()},
                           {"quant_method": "awq", "version": "gemv", "bits": 4,
                            "group_size": self.GROUP, "zero_point": True})
        self.check(model, [self.ROWS, self.COLUMNS], want)
