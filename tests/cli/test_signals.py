"""Ctrl-C and SIGTERM end a run with nothing at the destination."""

import signal
import subprocess
import time

import support
from support import Case, make_checkpoint, same_trees, slow


class Signals(Case):
    def setUp(self):
        super().setUp()
        # Some seconds of work for the plain C++ kernels.
        layers = "1" if support.QUICK else "6"
        self.input = make_checkpoint(self.work / "model", "--shape", "llama-3-8b", "--layers",
                                     layers, "--vocabulary", "1024")
        self.out = self.work / "out"

    def start(self, interrupt=signal.SIG_DFL):
        """Starts a conversion; what it does on SIGINT is set, as a background job ignores it."""
        process = subprocess.Popen(
            [support.THAW, "convert", self.input, self.out, "--isa", "scalar", "--threads", "1"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, interrupt))
        deadline = time.monotonic() + 60
        while not (self.work / "out.partial").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.2)
        self.assertIsNone(process.poll(), "over before a signal could be sent")
        return process

    @slow
    def test_a_signal_stops_with_its_code_and_a_new_run_succeeds(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            process = self.start()
            process.send_signal(number)
            output, errors = process.communicate(timeout=30)
            self.assertEqual(process.returncode, code, errors)
            self.assertEqual(output, "")
            self.assertTrue(errors.splitlines()[-1].startswith("thaw: "), errors)
            self.assertFalse(self.out.exists())
        self.convert(self.input, self.out)
        self.assertEqual(sorted(path.name for path in self.work.iterdir()), ["model", "out"])
        self.convert(self.input, self.work / "undisturbed")
        self.assertTrue(same_trees(self.out, self.work / "undisturbed"))

    def test_the_second_signal_kills(self):
        process = self.start()
        process.send_signal(signal.SIGINT)
        time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        self.assertIn(process.returncode, (130, -signal.SIGINT))
        self.assertFalse(self.out.exists())

    def test_a_signal_that_was_ignored_stays_ignored(self):
        process = self.start(interrupt=signal.SIG_IGN)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=300)
        self.assertEqual(process.returncode, 0)
        self.assertTrue(self.out.exists())
