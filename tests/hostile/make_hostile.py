#!/usr/bin/env python3
"""Writes the hostile checkpoints into a directory, each as NAME/model, and what is expected of
each as expectations.json. Deterministic: the same bytes every time."""

import argparse
import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cases import all_cases  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory")
    parser.add_argument("--only", default="", help="only the cases whose name contains this")
    arguments = parser.parse_args()
    expectations = {}
    for case in all_cases():
        if arguments.only not in case.name:
            continue
        case.write(os.path.join(arguments.directory, case.name, "model"))
        expectations[case.name] = {"code": case.code, "patterns": case.patterns}
    with open(os.path.join(arguments.directory, "expectations.json"), "w") as file:
        json.dump(expectations, file, indent=1)
    print(f"{len(expectations)} checkpoints")


if __name__ == "__main__":
    main()
