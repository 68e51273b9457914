#!/usr/bin/env python3
"""Tests of the Python package: run_python.py [--thaw BIN --make-checkpoint BIN] [--installed]

With --installed it is the package of this Python, with its own program; else tools/python with
BIN. Ends with "N passed, N failed".
"""

import argparse
import os
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--thaw")
    parser.add_argument("--make-checkpoint", required=True)
    parser.add_argument("--installed", action="store_true")
    arguments = parser.parse_args()
    os.environ.pop("THAW_BINARY", None)
    if not arguments.installed:
        os.environ["THAW_BINARY"] = str(pathlib.Path(arguments.thaw).resolve())
        package = str(HERE.parents[1] / "tools" / "python")
        # Children of the tests import it too.
        os.environ["PYTHONPATH"] = package
        sys.path.insert(0, package)
    os.environ["THAW_MAKE_CHECKPOINT"] = str(pathlib.Path(arguments.make_checkpoint).resolve())
    suite = unittest.defaultTestLoader.discover(str(HERE))
    results = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    failed = len(results.failures) + len(results.errors)
    for test, reason in results.skipped:
        print(f"skipped: {test.id()}: {reason}")
    passed = results.testsRun - failed - len(results.skipped)
    print(f"{max(passed, 0)} passed, {failed} failed")
    return 1 if failed or not results.testsRun else 0


if __name__ == "__main__":
    sys.exit(main())
