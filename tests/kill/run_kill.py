#!/usr/bin/env python3
"""Kills conversions at random moments, runs them again, and compares with an undisturbed run.

    run_kill.py --thaw BIN --make-checkpoint BIN [--rounds N] [--seed S] [--mode plain|force|in-place]

A round is one run that is killed (SIGKILL mostly, SIGINT, SIGTERM) unless it is over before. After
it, OUT is as it was before, or whole. Now and then a run is left alone: it must succeed, and the
result be that of an undisturbed run. Every run has other threads, memory and ways of writing.
Prints the seed, the figures, and "N passed, N failed", where what passes is a round.

By hand, for the record:  nice tests/kill/run_kill.py --thaw build/release/bin/thaw
                          --make-checkpoint build/release/bin/make_checkpoint --rounds 1000
"""

import argparse
import collections
import hashlib
import pathlib
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
OVERLAY = ROOT / "tests" / "data" / "qwen2_5_vl-overlay"


def tree(folder):
    """Every path below the folder with the sha256 of its content ("/" for a folder)."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        found[name] = "/" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
    return found


class Killer:
    def __init__(self, thaw, make_checkpoint, work, mode, seed):
        self.thaw = thaw
        self.work = work
        self.mode = mode
        self.random = random.Random(seed)
        self.figures = collections.Counter()
        self.out = work / "place" / "out"
        self.out.parent.mkdir()
        if mode == "in-place":
            self.old = OVERLAY / "base"
            self.words = [str(OVERLAY / "awq")]
            self.to = ["--base", str(self.out), "--in-place"]
        else:
            self.old = work / "old"
            self.old.mkdir()
            (self.old / "config.json").write_text("{}")
            (self.old / "folder").mkdir()
            (self.old / "folder" / "notes.txt").write_text("the old checkpoint")
            model = work / "model"
            subprocess.run([make_checkpoint, "--layers", "4", str(model)], check=True)
            self.words = [str(model)]
            self.to = [str(self.out), "--max-shard-size", "300kB"]
            if mode == "force":
                self.to.append("--force")
        self.to += ["--checksums", "--quiet"]
        seconds = []
        for _ in range(5):  # one slow run, and most kills would come too late
            self.begin_anew()
            began = time.monotonic()
            subprocess.run([self.thaw, "convert", *self.words, *self.to], check=True)
            seconds.append(time.monotonic() - began)
        self.seconds = statistics.median(seconds)
        self.whole = tree(self.out)
        self.begin_anew()

    def begin_anew(self):
        """What stands at the destination before the first run."""
        shutil.rmtree(self.out, ignore_errors=True)
        if self.mode != "plain":
            shutil.copytree(self.old, self.out)
        self.before = tree(self.out) if self.out.exists() else {}

    def start(self):
        options = ["--threads", str(self.random.randint(1, 4)),
                   "--memory", f"{self.random.randint(70, 256)}MB",
                   "--output-io", self.random.choice(["auto", "buffered"])]
        return subprocess.Popen([self.thaw, "convert", *self.words, *self.to, *options],
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True)

    def round(self, left_alone):
        process = self.start()
        number = signal.SIGKILL
        if not left_alone:
            number = self.random.choices([signal.SIGKILL, signal.SIGINT, signal.SIGTERM],
                                         [8, 1, 1])[0]
            time.sleep(self.random.uniform(0, 1.1 * self.seconds))
            process.send_signal(number)
        _, said = process.communicate(timeout=600)
        code = process.returncode
        now = tree(self.out) if self.out.exists() else {}
        if code == 0:
            self.figures["ended"] += 1
            if now != self.whole:
                return f"the result differs after exit code 0: {sorted(set(now) ^ set(self.whole))}"
            left = sorted(path.name for path in self.out.parent.iterdir())
            if left != ["out"]:
                return f"left behind: {left}"
            self.begin_anew()
            return None
        if now == self.whole and now != self.before:
            # Published, and stopped while it tidied up.
            self.figures["killed when published"] += 1
            self.begin_anew()
        elif now != self.before:
            return f"after {code} OUT is neither old nor new: {sorted(now)}"
        if left_alone:
            return f"exit code {code} of a run that nobody disturbed: {said}"
        if code not in (-number, 130, 143):
            return f"exit code {code} after signal {number}: {said}"
        self.figures[f"killed by {number.name}"] += 1
        state = self.out.parent / "out.partial" / "thaw-state.json"
        if state.exists():
            finished = state.read_text().count('"crc32"')
            self.figures["left finished files"] += 1 if finished else 0
        return None

    def run(self, rounds):
        failures = []
        for number in range(rounds):
            failure = self.round(self.random.random() < 0.25)
            if failure:
                failures.append(f"round {number}: {failure}")
                if len(failures) == 5:
                    break
                shutil.rmtree(self.out.parent)
                self.out.parent.mkdir()
                self.begin_anew()
        failure = self.round(True)
        return failures + ([f"the last: {failure}"] if failure else [])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--thaw", required=True)
    parser.add_argument("--make-checkpoint", required=True)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--mode", choices=["plain", "force", "in-place"], action="append",
                        help="all that this thaw knows when none is given; may be repeated")
    arguments = parser.parse_args()
    thaw = str(pathlib.Path(arguments.thaw).resolve())
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(10**9)
    modes = arguments.mode or ["plain", "force"]
    known = subprocess.run([thaw, "convert", "--help"], capture_output=True, text=True, check=True)
    if not arguments.mode and "--in-place" in known.stdout and OVERLAY.exists():
        modes.append("in-place")
    failed = 0
    share = max(1, arguments.rounds // len(modes))
    print(f"seed {seed}")
    for mode in modes:
        with tempfile.TemporaryDirectory(prefix="kill-", dir=pathlib.Path(thaw).parents[1]) as work:
            began = time.monotonic()
            killer = Killer(thaw, arguments.make_checkpoint, pathlib.Path(work), mode, seed)
            failures = killer.run(share)
            for failure in failures:
                print(f"{mode}: {failure}")
            failed += len(failures)
            figures = ", ".join(f"{name} {count}" for name, count in sorted(killer.figures.items()))
            print(f"{mode}: {share} rounds in {time.monotonic() - began:.0f} s: {figures}")
    print(f"{share * len(modes) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
