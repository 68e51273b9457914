"""The output depends on the input and on the options that name bytes, and on nothing else."""

import shutil

import support
from support import Case, available_isas, make_checkpoint, same_trees, slow, tree

LAYOUTS = (("gemm",), ("gemv",), ("gemv_fast",), ("marlin",), ("gptq",),
           ("gptq_v2", "--bits", "8", "--act-order"), ("ct",), ("ct", "--bits", "8", "--act-order"))


class SameBytes(Case):
    def variants(self):
        yield from ([["--threads", n] for n in ("1", "2", "7")])
        yield from ([["--memory", size] for size in ("64MB", "2GB")])
        yield from ([["--isa", isa] for isa in available_isas()])
        yield ["--output-io", "buffered"]
        yield ["--output-io", "buffered", "--threads", "7", "--memory", "64MB"]

    def check(self, model, *options):
        first = self.work / f"{model.name}-first"
        following = self.work / f"{model.name}-next"
        self.convert(model, first, *options)
        expected = tree(first)
        for variant in self.variants():
            with self.subTest(model=model.name, options=variant):
                self.convert(model, following, *options, *variant, "--force")
                self.assertEqual(tree(following), expected)

    def test_small_checkpoints(self):
        for layout, *more in LAYOUTS:
            model = make_checkpoint(self.work / "-".join([layout, *more]), "--layout", layout,
                                    "--group-size", "64", *more)
            self.check(model, "--max-shard-size", "3MB")

    def test_bfloat16_scales_and_other_groups(self):
        for options in (["--scale-dtype", "bf16"], ["--group-size", "-1"], ["--symmetric"],
                        ["--group-size", "32"]):
            folder = self.work / "_".join(options)
            self.check(make_checkpoint(folder, *options), "--dtype", "bfloat16")

    @slow
    def test_linears_larger_than_the_smallest_budget(self):
        if support.QUICK:
            self.skipTest("small inputs only (--quick)")
        for shape, layout, *more in (*(("llama-3-8b", *layout) for layout in LAYOUTS),
                                     ("llama-3-70b", "gemm")):
            model = make_checkpoint(self.work / "model", "--shape", shape, "--layout", layout,
                                    "--layers", "1", "--vocabulary", "1024", *more)
            self.convert(model, self.work / "a", "--memory", "64MB", "--force")
            self.convert(model, self.work / "b", "--memory", "2GB", "--threads", "7", "--force")
            self.assertTrue(same_trees(self.work / "a", self.work / "b"), (shape, layout))
            shutil.rmtree(model)
