"""The tool that makes inputs for tests of size: holes for numbers, the largest shape."""

import json

import support
from support import Case, Shard, make_checkpoint, read_checkpoint, run

STRUCTURAL = (".weight_shape", ".g_idx", ".weight_g_idx")
LAYOUTS = (("gemm",), ("gemm", "--symmetric"), ("gemv",), ("gemv_fast",), ("marlin",), ("gptq",),
           ("gptq_v2", "--bits", "8", "--act-order"), ("ct",), ("ct", "--act-order"),
           ("ct", "--bits", "8", "--symmetric", "--group-size", "-1"))

# Kimi-K2 as published: linears of [in, out] features in every layer, in the first and in the rest.
ATTENTION = [(7168, 1536), (1536, 64 * 192), (7168, 576), (512, 64 * 256), (64 * 128, 7168)]
DENSE = [(7168, 18432), (7168, 18432), (18432, 7168)]
EXPERTS = 385 * [(7168, 2048), (7168, 2048), (2048, 7168)]


def numbers(linears):
    return sum(inputs * outputs for inputs, outputs in linears)


def packed_bytes(linears, group=128):
    """AutoAWQ GEMM: codes of 4 bits, and for each group of inputs scales of 16 and zeros of 4."""
    return numbers(linears) // 2 + sum(inputs // group * outputs * 5 // 2
                                       for inputs, outputs in linears)


def header(path):
    shard = Shard(path)
    return shard.bytes[:shard.data_begin]


def on_disk(folder):
    return sum(path.stat().st_blocks * 512 for path in folder.iterdir())


class Sparse(Case):
    def test_headers_sizes_and_small_files_are_those_of_the_whole(self):
        for layout, *options in LAYOUTS:
            name = "-".join([layout, *options])
            with self.subTest(name):
                words = ("--layers", "4", "--shard-per-layer", "--layout", layout, *options)
                whole = make_checkpoint(self.work / f"whole-{name}", *words)
                sparse = make_checkpoint(self.work / f"sparse-{name}", *words, "--sparse")
                files = sorted(path.name for path in whole.iterdir())
                self.assertEqual(sorted(path.name for path in sparse.iterdir()), files)
                for file in files:
                    self.assertEqual((sparse / file).stat().st_size, (whole / file).stat().st_size)
                    if file.endswith(".safetensors"):
                        self.assertEqual(header(sparse / file), header(whole / file))
                    else:
                        self.assertEqual((sparse / file).read_bytes(), (whole / file).read_bytes())
                self.assertLess(on_disk(sparse), on_disk(whole) // 4)

    def test_numbers_are_zeros_and_structure_is_written(self):
        for layout, *options in LAYOUTS:
            name = "-".join([layout, *options])
            with self.subTest(name):
                words = ("--layout", layout, *options)
                whole = read_checkpoint(make_checkpoint(self.work / f"whole-{name}", *words))
                sparse = read_checkpoint(
                    make_checkpoint(self.work / f"sparse-{name}", *words, "--sparse"))
                for tensor, (dtype, shape, data) in whole.items():
                    expected = data if tensor.endswith(STRUCTURAL) else bytes(len(data))
                    self.assertEqual(sparse[tensor], (dtype, shape, expected), tensor)

    def test_it_converts_to_the_shapes_of_the_whole(self):
        for layout, *options in LAYOUTS:
            name = "-".join([layout, *options])
            with self.subTest(name):
                shapes = []
                for kind in ((), ("--sparse",)):
                    model = make_checkpoint(self.work / "-".join([name, *kind]), "--layout", layout,
                                            *options, *kind)
                    out = self.work / "-".join(["out", name, *kind])
                    self.convert(model, out, "--verify")
                    shapes.append({tensor: entry[:2]
                                   for tensor, entry in read_checkpoint(out).items()})
                self.assertEqual(shapes[0], shapes[1])


class Trillion(Case):
    def plan(self, *options):
        model = make_checkpoint(self.work / "model", "--shape", "kimi-k2-1t", "--shard-per-layer",
                                "--sparse", *options)
        result = run("convert", model, self.work / "out", "--dry-run", "--json")
        self.assert_exit(result, 0)
        return model, json.loads(result.stdout)

    def check_plan(self, plan, layers, vocabulary):
        linears = layers * ATTENTION + DENSE + (layers - 1) * EXPERTS
        self.assertEqual(plan["linears"], len(linears))
        # Also kept: four norms a layer and the last, the router and its bias, two embeddings.
        kept = (layers * (7168 + 1536 + 512 + 7168) + 7168 + (layers - 1) * 384 * 7168
                + 2 * vocabulary * 7168)
        self.assertEqual(plan["tensors"], len(linears) + 4 * layers + 1 + 2 * (layers - 1) + 2)
        biases = (layers - 1) * 384 * 4
        data_in = packed_bytes(linears) + 2 * kept + biases
        data_out = 2 * (numbers(linears) + kept) + biases
        for got, data in ((plan["bytes_in"], data_in), (plan["bytes_out"], data_out)):
            self.assertGreater(got, data)
            self.assertLess(got, data + 400 * 3 * len(linears))  # headers and index
        return numbers(linears) + kept

    def test_a_layer_of_each_kind(self):
        model, plan = self.plan("--layers", "2", "--vocabulary", "1024")
        self.check_plan(plan, 2, 1024)
        self.assertLess(on_disk(model), 4_000_000)
        shard = Shard(model / "model-00003-of-00004.safetensors").tensors
        bias = shard["model.layers.1.mlp.gate.e_score_correction_bias"]
        self.assertEqual((bias["dtype"], bias["shape"]), ("F32", [384]))
        router = shard["model.layers.1.mlp.gate.weight"]
        self.assertEqual((router["dtype"], router["shape"]), ("F16", [384, 7168]))

    def test_the_whole_is_planned_within_the_default_budget(self):
        if support.QUICK:
            self.skipTest("small inputs only (--quick)")
        model, plan = self.plan()
        parameters = self.check_plan(plan, 61, 163840)
        self.assertEqual(parameters // 1_000_000_000, 1026)
        self.assertLessEqual(plan["memory"]["peak_bytes"], 256_000_000)
        self.assertLess(on_disk(model), 100_000_000)
