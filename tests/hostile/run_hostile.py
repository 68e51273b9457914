#!/usr/bin/env python3
"""Converts every hostile checkpoint and checks the answer: the exit code, the message, that a
terminal is safe from it, that nothing was written and nothing of the input changed."""

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cases import all_cases  # noqa: E402

MOST_LINES = 25  # twenty errors, how many more, a hint, and some room


def tree(directory):
    """Everything below: kind, size, time, and the content of files and links."""
    found = {}
    for folder, folders, files in os.walk(os.fsencode(directory)):
        for name in folders + files:
            path = os.path.join(folder, name)
            info = os.lstat(path)
            content = None
            if os.path.islink(path):
                content = os.readlink(path)
            elif os.path.isfile(path) and info.st_size < 1_000_000:
                with open(path, "rb") as file:
                    content = file.read()
            found[path] = (info.st_mode, info.st_size, info.st_mtime_ns, content)
    return found


def run(command, seconds):
    """The exit code (None: it took too long), stderr, and the peak memory in MB."""
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=stderr)
        late = threading.Event()

        def kill():
            late.set()
            process.kill()
        timer = threading.Timer(seconds, kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        stderr.seek(0)
        text = stderr.read()
    return None if late.is_set() else process.returncode, text, usage.ru_maxrss / 1024


def check(case, directory, arguments):
    """What is wrong with the answer, as a list of sentences."""
    model = os.path.join(directory, "model")
    out_parent = os.path.join(directory, "out")
    os.mkdir(out_parent)
    before = tree(directory)
    out = os.path.join(out_parent, "result")
    code, raw, memory = run([arguments.thaw, "convert", model, out], arguments.timeout)
    stderr = raw.decode("utf-8", "backslashreplace")
    wrong = []
    if code is None:
        return [f"still running after {arguments.timeout} s"]
    if code != case.code:
        wrong.append(f"exit code {code}, expected {case.code}")
    for pattern in case.patterns:
        if not re.search(pattern, stderr):
            wrong.append(f"the message lacks /{pattern}/")
    if re.search(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]", raw):
        wrong.append("a control character in the message")
    if stderr.count("\n") > MOST_LINES:
        wrong.append(f"{stderr.count(chr(10))} lines of message")
    if len(raw) > 20_000:
        wrong.append(f"{len(raw)} bytes of message")
    if case.code != 0 and not stderr.startswith("thaw: "):
        wrong.append("the message does not begin with thaw:")
    if memory > arguments.most_memory:
        wrong.append(f"{memory:.0f} MB of memory")
    if case.code == 0 and code == 0:
        if not os.path.isdir(out):
            wrong.append("no output")
        shutil.rmtree(out, ignore_errors=True)
    # The parent's own time changes when an output comes and goes.
    after = tree(directory)
    for path in sorted(set(before) | set(after)):
        if path == os.fsencode(out_parent):
            continue
        if before.get(path) != after.get(path):
            wrong.append(f"changed or left behind: {os.fsdecode(path)[len(directory) + 1:]!r}")
    if wrong and stderr:
        wrong.append("stderr: " + repr(stderr[:400]))
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--thaw", required=True, help="the program")
    parser.add_argument("--only", default="", help="only the cases whose name contains this")
    parser.add_argument("--timeout", type=float, default=60, help="seconds a case may take")
    parser.add_argument("--most-memory", type=float, default=400,
                        help="MB a case may take (a sanitizer takes more)")
    arguments = parser.parse_args()
    arguments.thaw = os.path.abspath(arguments.thaw)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="thaw-hostile-") as root:
        for case in all_cases():
            if arguments.only not in case.name:
                continue
            directory = os.path.join(root, case.name)
            case.write(os.path.join(directory, "model"))
            wrong = check(case, directory, arguments)
            shutil.rmtree(directory)
            passed, failed = (passed, failed + 1) if wrong else (passed + 1, failed)
            if wrong:
                print(f"FAIL {case.name}: " + "; ".join(wrong), flush=True)
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
