#!/usr/bin/env python3
"""Runs the commands of specs/recipes.md: run_recipes.py --thaw BIN

Every indented line of a recipe is run by bash, in a new directory, with names replaced by paths;
each must succeed, and at the end a checkpoint (or archive) with the expected tensors must be there. Ends
with "N passed, N failed".
"""

import argparse
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "specs" / "recipes.md"
DATA = ROOT / "tests" / "data"
MODEL = DATA / "qwen2-awq-gemm" / "model"  # of float16
OVERLAY = DATA / "qwen2_5_vl-overlay"
EXPECTED = DATA / "qwen2-awq-gemm" / "expected.json"


def recipes():
    """(title, commands) of each; a page without commands in a recipe is wrong."""
    for section in re.split(r"^## ", PAGE.read_text(), flags=re.M)[1:]:
        title = section.splitlines()[0]
        commands = re.findall(r"^    (.+)$", section, flags=re.M)
        assert commands, f"no commands: {title}"
        yield title, commands


def names(work):
    return {"MODEL": MODEL, "TWIN": OVERLAY / "awq", "ORIGINAL": OVERLAY / "base",
            "OUT": work / "out", "THERE": work / "there", "JOBS": work / "jobs"}


def tensors(folder):
    """Type, shape and sha256 of every tensor, from the bytes alone."""
    found = {}
    for file in folder.glob("*.safetensors"):
        data = file.read_bytes()
        size = int.from_bytes(data[:8], "little")
        for name, tensor in json.loads(data[8:8 + size]).items():
            if name != "__metadata__":
                begin, end = (8 + size + offset for offset in tensor["data_offsets"])
                found[name] = {"dtype": tensor["dtype"], "shape": tensor["shape"],
                               "sha256": hashlib.sha256(data[begin:end]).hexdigest()}
    return found


def check_result(work, commands):
    text = "\n".join(commands)
    expected = json.loads((OVERLAY / "expected.json" if "ORIGINAL" in text else EXPECTED)
                          .read_text())
    there = work / "there"
    folder = next(there.iterdir()) if there.exists() else work / "out"
    found = tensors(folder)
    if "bfloat16" in text:  # other bits than the config's float16: names and shapes only
        assert {entry["dtype"] for entry in found.values()} == {"BF16"}
        found = {name: entry["shape"] for name, entry in found.items()}
        expected = {name: entry["shape"] for name, entry in expected.items()}
    assert found == expected, f"{folder}: {len(found)} tensors, not the expected ones"


def run(title, commands, folder):
    """None, or what went wrong."""
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        path = f"{folder}{os.pathsep}{os.environ['PATH']}"
        for command in commands:
            line = command
            for name, value in names(work).items():
                line = re.sub(rf"\b{name}\b", str(value), line)
            done = subprocess.run(["bash", "-euo", "pipefail", "-c", line], cwd=work, text=True,
                                  env={**os.environ, "PATH": path}, capture_output=True)
            if done.returncode != 0:
                return f"{command}: exit code {done.returncode}\n{done.stderr}"
        try:
            check_result(work, commands)
        except (AssertionError, OSError, StopIteration) as error:
            return repr(error)
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--thaw", required=True)
    thaw = pathlib.Path(parser.parse_args().thaw).resolve()
    help_text = subprocess.run([thaw, "convert", "--help"], check=True, capture_output=True,
                               text=True).stdout
    passed = failed = 0
    for title, commands in recipes():
        if any("--part" in command for command in commands) and "--part" not in help_text:
            print(f"skipped: {title}: this thaw has no --part")
            continue
        problem = run(title, commands, thaw.parent)
        passed += problem is None
        failed += problem is not None
        if problem:
            print(f"FAILED: {title}: {problem}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
