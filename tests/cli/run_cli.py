#!/usr/bin/env python3
"""Tests of the program from outside: run_cli.py --thaw BIN --make-checkpoint BIN [--quick] [NAME...]

NAME chooses tests whose name holds it. Ends with "N passed, N failed".
"""

import argparse
import pathlib
import sys
import time
import unittest

import support


class Results(unittest.TextTestResult):
    """Counts each test once, however many of its sub-tests failed."""

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.failed_tests = set()

    def startTest(self, test):
        self.began = time.monotonic()
        super().startTest(test)

    def addSuccess(self, test):
        self.stream.write(f"{time.monotonic() - self.began:.1f} s ")
        super().addSuccess(test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.failed_tests.add(test.id())

    def addError(self, test, err):
        super().addError(test, err)
        self.failed_tests.add(test.id())

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.failed_tests.add(test.id())


def chosen(suite, names):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from chosen(test, names)
        elif not names or any(name in test.id() for name in names):
            yield test


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--thaw", required=True)
    parser.add_argument("--make-checkpoint", required=True)
    parser.add_argument("--quick", action="store_true", help="small inputs only")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    support.THAW = str(pathlib.Path(arguments.thaw).resolve())
    support.MAKE_CHECKPOINT = str(pathlib.Path(arguments.make_checkpoint).resolve())
    support.QUICK = arguments.quick
    found = unittest.defaultTestLoader.discover(str(pathlib.Path(__file__).parent))
    suite = unittest.TestSuite(chosen(found, arguments.names))
    runner = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=Results)
    results = runner.run(suite)
    for test, reason in results.skipped:
        print(f"skipped: {test.id()}: {reason}")
    failed = len(results.failed_tests)
    # A suite that could not be set up counts as failed but was not run.
    passed = max(results.testsRun - failed - len({test.id() for test, _ in results.skipped}), 0)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not results.testsRun else 0


if __name__ == "__main__":
    sys.exit(main())
