#!/usr/bin/env python3
"""Tests of the program from outside:
  run_cli.py --thaw BIN --make-checkpoint BIN [--quick] [--machine] [--jobs N] [NAME...]

NAME chooses tests whose name holds it; --machine those that a machine can make fail: its processor,
file systems, pipes, signals and terminals. Each has a folder of its own, and N run at a time (as many
as processors, four at most), those marked slow first. Ends with "N passed, N failed".
"""

import argparse
import concurrent.futures
import io
import multiprocessing
import os
import pathlib
import sys
import time
import unittest

import support


# Of --machine. The others are of the program, which is the same everywhere.
MACHINE = ("test_golden", "test_output", "test_archive", "test_streams", "test_signals",
           "test_terminal", "test_resume", "test_verify", "test_usage")


class Results(unittest.TextTestResult):
    """Those of one test, which counts once, however many of its sub-tests failed."""

    def startTest(self, test):
        self.began = time.monotonic()
        super().startTest(test)

    def addSuccess(self, test):
        self.stream.write(f"{time.monotonic() - self.began:.1f} s ")
        super().addSuccess(test)


def tests_of(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from tests_of(test)
        else:
            yield test


def is_slow(test):
    return getattr(getattr(test, test._testMethodName, None), "slow", False)


def run_test(test):
    """What is to be printed, and whether it passed: None where it was skipped."""
    text = io.StringIO()
    results = Results(unittest.runner._WritelnDecorator(text), descriptions=True, verbosity=2)
    test.run(results)
    results.printErrors()
    for skipped, reason in results.skipped:
        print(f"skipped: {skipped.id()}: {reason}", file=text)
    passed = results.wasSuccessful() and (None if results.skipped else True)
    return text.getvalue(), passed


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--thaw", required=True)
    parser.add_argument("--make-checkpoint", required=True)
    parser.add_argument("--quick", action="store_true", help="small inputs only")
    parser.add_argument("--machine", action="store_true",
                        help="with small inputs, what may differ on this machine")
    parser.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 4))
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    support.THAW = str(pathlib.Path(arguments.thaw).resolve())
    support.MAKE_CHECKPOINT = str(pathlib.Path(arguments.make_checkpoint).resolve())
    for program in (support.THAW, support.MAKE_CHECKPOINT):
        if not os.access(program, os.X_OK):
            parser.error(f"{program} cannot be run: build it first")
    support.QUICK = arguments.quick or arguments.machine
    names = arguments.names or (MACHINE if arguments.machine else [])
    found = unittest.defaultTestLoader.discover(str(pathlib.Path(__file__).parent))
    chosen = [test for test in tests_of(found)
              if not names or any(name in test.id() for name in names)]
    chosen.sort(key=is_slow, reverse=True)
    passed = failed = 0
    with concurrent.futures.ProcessPoolExecutor(
            arguments.jobs, multiprocessing.get_context("fork")) as processes:
        running = [processes.submit(run_test, test) for test in chosen]
        for test in concurrent.futures.as_completed(running):
            text, good = test.result()
            print(text, end="", flush=True)
            passed += good is True
            failed += good is False
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
