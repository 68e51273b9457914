"""Large shapes inside small memory."""

import re
import shutil
import subprocess

import support
from support import ROOT, Case, make_checkpoint, read_checkpoint, slow

LIMIT_MIB = 256
NEEDED = 12_000_000_000  # bytes of disk


class Size(Case):
    def setUp(self):
        super().setUp()
        if support.QUICK:
            self.skipTest("small inputs only (--quick)")
        if shutil.disk_usage(self.work).free < NEEDED:
            self.skipTest("less than 12 GB of disk free")

    def convert_in_group(self, model, out, *options, limit=LIMIT_MIB, stdout=subprocess.PIPE):
        result = subprocess.run(
            [ROOT / "tools" / "memory_limit.sh", str(limit), support.THAW, "convert", model,
             out, *options], stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE,
            text=True, timeout=600)
        self.assert_exit(result, 0)
        found = re.search(r"most used (\d+), failcnt (\d+), killed 0", result.stderr)
        if found is None:
            self.assertIn("no memory controller", result.stderr)
            self.skipTest("no memory controller here: ran under RLIMIT_DATA only")
        print(f"{model.name}: {found.group(0)}", flush=True)
        # Nearly every page was had without the kernel looking for one to take away.
        self.assertLess(int(found.group(2)), 100, result.stderr)

    @slow
    def test_a_70b_shard_in_256_mib(self):
        for layout, *options in (("gemm",), ("gemv",), ("gemv_fast",), ("marlin",), ("gptq",),
                                 ("gptq_v2", "--bits", "8", "--act-order"), ("ct",),
                                 ("ct", "--bits", "8", "--symmetric", "--group-size", "-1")):
            with self.subTest(layout, options=options):
                model = make_checkpoint(self.work / layout, "--shape", "llama-3-70b", "--layers",
                                        "2", "--vocabulary", "32000", "--shard-per-layer",
                                        "--layout", layout, *options)
                self.convert_in_group(model, self.work / "out")
                shutil.rmtree(self.work / "out")
                shutil.rmtree(model)

    @slow
    def test_archives_of_70b_shapes_in_256_mib(self):
        model = make_checkpoint(self.work / "model", "--shape", "llama-3-70b", "--layers", "1",
                                "--vocabulary", "32000")
        for form in ("tar", "tar.zst"):
            with self.subTest(form), subprocess.Popen(
                    ["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as reader:
                self.convert_in_group(model, "-", "--to", form, stdout=reader.stdin)
                reader.stdin.close()
            out = self.work / f"out.{form}"
            self.convert_in_group(model, out)
            out.unlink()

    @slow
    def test_60000_linears_in_256_mib(self):
        model = make_checkpoint(self.work / "model", "--shape", "moe-60k-small",
                                "--max-shard-size", "100GB")
        self.convert_in_group(model, self.work / "out")
        self.assertEqual(len(read_checkpoint(self.work / "out")), 60_000 + 60 * 5 + 3)

    @slow
    def test_experts_and_slabs_in_128_mib(self):
        # Some linears of this shape do not fit into 120 MB and are read in slabs; the others are
        # read beside them. No page that was dropped may come back with what lies next to it.
        model = make_checkpoint(self.work / "model", "--shape", "kimi-k2-1t", "--layers", "2",
                                "--vocabulary", "1024", "--shard-per-layer", "--sparse")
        with open("/dev/null", "w", encoding="ascii") as nothing:
            self.convert_in_group(model, "-", "--to", "tar", "--memory", "120MB", limit=128,
                                  stdout=nothing)
