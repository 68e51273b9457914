#!/usr/bin/env python3
"""Converts and inspects every hostile checkpoint under limits and checks the answers: the exit
code, the message, that a terminal is safe from it, that JSON is JSON, that nothing was written and
nothing of the input changed, and that no file was opened because another one said so."""

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import opened  # noqa: E402
from cases import all_cases  # noqa: E402

MOST_LINES = 25  # twenty errors, how many more, a hint, and some room
LARGEST_FILE = 1 << 30
NOBODY = 65534
CONTROLS = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]")


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
            elif os.path.isfile(path) and info.st_size < 1_000_000 and os.access(path, os.R_OK):
                with open(path, "rb") as file:
                    content = file.read()
            found[path] = (info.st_mode, info.st_size, info.st_mtime_ns, content)
    return found


class Program:
    """How the program is run: limits, user, environment."""

    def __init__(self, arguments, model, directory):
        self.arguments, self.model = arguments, model
        self.environment = {**os.environ, **{key: value.replace("{}", directory) for key, value
                                             in model.environment.items()}}
        self.user = {}
        if model.unprivileged and os.geteuid() == 0:
            self.user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}

    def limit(self):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
        seconds = int(self.arguments.timeout)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        # A sanitizer's shadow is larger than any limit would be.
        if not self.arguments.sanitized and not self.model.virtual_memory:
            resource.setrlimit(resource.RLIMIT_AS, (self.arguments.address_space << 20,) * 2)

    def run(self, *words):
        """The exit code (None: it took too long), stdout, stderr, and the peak memory in MB."""
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            process = subprocess.Popen(
                [self.arguments.thaw, *words], stdin=subprocess.DEVNULL, stdout=stdout,
                stderr=stderr, env=self.environment, preexec_fn=self.limit, **self.user)
            late = threading.Event()

            def kill():
                late.set()
                process.kill()
            timer = threading.Timer(self.arguments.timeout, kill)
            timer.start()
            _, status, usage = os.wait4(process.pid, 0)
            timer.cancel()
            process.returncode = os.waitstatus_to_exitcode(status)
            stdout.seek(0)
            stderr.seek(0)
            return (None if late.is_set() else process.returncode, stdout.read(), stderr.read(),
                    usage.ru_maxrss / 1024)


def check_text(what, raw):
    wrong = []
    if CONTROLS.search(raw):
        wrong.append(f"a control character in {what}: {CONTROLS.search(raw)[0]!r}")
    return wrong


def check_json(what, raw):
    """One object, and nothing that a terminal obeys."""
    try:
        whole = isinstance(json.loads(raw.decode("utf-8")), dict)
    except ValueError:
        whole = False
    return check_text(what, raw) + ([] if whole else [f"{what} is not a JSON object"])


def check_message(case, raw):
    wrong = check_text("the message", raw)
    stderr = raw.decode("utf-8", "backslashreplace")
    wrong += [f"the message lacks /{pattern}/" for pattern in case.patterns
              if not re.search(pattern, stderr)]
    if stderr.count("\n") > MOST_LINES:
        wrong.append(f"{stderr.count(chr(10))} lines of message")
    if len(raw) > 20_000:
        wrong.append(f"{len(raw)} bytes of message")
    # A run that failed after its beginning has said what it was going to do (specs/cli.md 3.6).
    message = re.sub(r"\A((?:thaw: warning: .*\n)*)found .*\nwrites .*\nneeds .*\n", r"\1", stderr)
    if case.code != 0 and not message.startswith("thaw: "):
        wrong.append("the message does not begin with thaw:")
    if wrong:
        wrong.append("stderr: " + repr(stderr[:600]))
    return wrong


def check_inspect(case, program, model):
    """inspect says what is wrong with a model that can be opened, and ends as convert would."""
    wrong = []
    for words in (["inspect", model], ["inspect", model, "--json"]):
        code, stdout, stderr, _ = program.run(*words)
        if code not in (0, 3, case.code):
            wrong.append(f"{' '.join(words[::2])}: exit code {code}")
        wrong += check_text(f"the errors of {words[-1]}", stderr)
        if stdout and words[-1] == "--json":
            wrong += check_json("inspect --json", stdout)
        else:
            wrong += check_text("inspect", stdout)
    return wrong


def check_report(program, model, out):
    """Of a conversion that succeeds: report, plan and progress as JSON."""
    wrong = []
    report = out + ".json"
    code, _, stderr, _ = program.run("convert", model, out, "--report", report, "--progress",
                                     "json")
    if code != 0:
        return [f"with a report: exit code {code}"]
    with open(report, "rb") as file:
        wrong += check_json("the report", file.read())
    for line in stderr.splitlines():
        wrong += check_json("a line of progress", line)
    os.remove(report)
    shutil.rmtree(out)
    code, stdout, _, _ = program.run("convert", model, "--dry-run", "--json")
    if code != 0:
        wrong.append(f"--dry-run: exit code {code}")
    return wrong + check_json("--dry-run --json", stdout)


# Of a MODEL that is not there, what stands here and in the cache is listed, to suggest the nearest
# name (specs/cli.md clause 1.6): the directories alone, none of their files.
LISTED = {b".", os.getcwdb(), os.fsencode(os.path.expanduser("~/.cache/huggingface/hub"))}


def check_opened(case, program, model, directory, arguments):
    out = os.path.join(directory, "out")
    words = [arguments.thaw, "convert", model, os.path.join(out, "result")]
    code, found = opened.run(words, program.environment, arguments.timeout)
    shutil.rmtree(os.path.join(out, "result"), ignore_errors=True)
    if code != case.code:
        return [f"under strace: exit code {code}"]
    folders = [os.fsencode(os.path.join(directory, name))
               for name in ("model", "model-real", "out", "specs", "cache")]
    # What is made is made below open directories, which begin above OUT.
    above = set()
    folder = os.fsencode(out)
    while folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
        above.add(folder)
    outside = opened.strays(found, folders,
                            arguments.always_opened | opened.link_targets(directory) | above
                            | {os.fsencode(program.model.argument or ".")} | LISTED)
    return [f"opened {path!r}" for path in sorted(outside)]


def check(case, directory, arguments):
    """What is wrong with the answers, as a list of sentences; None where it cannot be said."""
    description = case.write(os.path.join(directory, "model"))
    program = Program(arguments, description, directory)
    if program.user and not arguments.nobody_can_run:
        return None
    model = os.path.join(directory, "model")
    if description.argument is not None:
        model = description.argument
    out_parent = os.path.join(directory, "out")
    os.mkdir(out_parent)
    os.chmod(out_parent, 0o777)
    before = tree(directory)
    out = os.path.join(out_parent, "result")

    code, stdout, stderr, memory = program.run("convert", model, out)
    if code is None:
        return [f"still running after {arguments.timeout} s"]
    wrong = []
    if code != case.code:
        wrong.append(f"exit code {code}, expected {case.code}")
    wrong += check_message(case, stderr)
    if stdout:
        wrong.append("something on stdout")
    if memory > arguments.most_memory:
        wrong.append(f"{memory:.0f} MB of memory")
    if case.code == 0 and code == 0:
        if not os.path.isdir(out):
            wrong.append("no output")
        shutil.rmtree(out, ignore_errors=True)
    elif os.path.lexists(out):
        wrong.append("something at the destination")
    if case.code == 0 and code == 0:
        wrong += check_report(program, model, out)
    wrong += check_inspect(case, program, model)
    if arguments.traced and not program.user and not description.virtual_memory:
        wrong += check_opened(case, program, model, directory, arguments)
    # The parent's own time changes when an output comes and goes; what a run that failed after the
    # plan leaves is resumable and no checkpoint.
    after = tree(directory)
    for path in sorted(set(before) | set(after)):
        if path == os.fsencode(out_parent) or (
                case.code in (4, 5, 6) and path.startswith(os.fsencode(out + ".partial"))):
            continue
        if before.get(path) != after.get(path):
            wrong.append(f"changed or left behind: {os.fsdecode(path)[len(directory) + 1:]!r}")
    return wrong


def remove(directory):
    for folder, _, _ in os.walk(directory):
        os.chmod(folder, 0o755)
    shutil.rmtree(directory)


def prepare(arguments, root):
    """What can be checked here, and what every run of the program opens."""
    with open(arguments.thaw, "rb") as file:
        content = file.read()
    arguments.sanitized = any(mark in content for mark in (b"__asan_init", b"__tsan_init"))
    # A leak cannot be looked for while another process traces.
    arguments.traced = opened.works() and not arguments.sanitized
    if not arguments.traced:
        print("skipped: which files are opened: "
              + ("a sanitizer's build" if arguments.sanitized else "strace does not work here"))
    arguments.nobody_can_run = os.geteuid() != 0
    if os.geteuid() == 0:
        try:
            arguments.nobody_can_run = subprocess.run(
                [arguments.thaw, "--version"], stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, user=NOBODY, group=NOBODY,
                extra_groups=[]).returncode == 0
        except OSError:
            pass
    arguments.always_opened = set()
    if arguments.traced:
        good = next(case for case in all_cases() if case.name == "good-activation-scales")
        directory = os.path.join(root, "baseline")
        good.write(os.path.join(directory, "model"))
        _, found = opened.run([arguments.thaw, "convert", directory + "/model", directory + "/out"],
                              None, arguments.timeout)
        inside = os.fsencode(directory)
        arguments.always_opened = {path for pair in found for path in pair
                                   if not path.startswith(inside)} | {os.fsencode(directory)}
        # That the check sees what it is for: a file outside, and a link that leads there.
        canary = os.path.join(root, "canary")
        os.symlink("/etc/passwd", canary)
        _, found = opened.run(["cat", canary], None, arguments.timeout)
        if not {os.fsencode(canary), b"/etc/passwd"} <= opened.strays(
                found, [inside], arguments.always_opened):
            raise RuntimeError("the check of opened files sees nothing")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--thaw", required=True, help="the program")
    parser.add_argument("--only", default="", help="only the cases whose name contains this")
    parser.add_argument("--timeout", type=float, default=60, help="seconds a run may take")
    parser.add_argument("--most-memory", type=float, default=400,
                        help="MB a conversion may take (a sanitizer takes more)")
    parser.add_argument("--address-space", type=int, default=2048, help="MB, of the plain build")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="cases at a time")
    arguments = parser.parse_args()
    arguments.thaw = os.path.abspath(arguments.thaw)
    passed = failed = unsaid = 0

    with tempfile.TemporaryDirectory(prefix="thaw-hostile-") as root:
        os.chmod(root, 0o755)
        root = os.path.realpath(root)
        prepare(arguments, root)

        def one(case):
            directory = os.path.join(root, case.name)
            os.mkdir(directory)
            try:
                return case, check(case, directory, arguments)
            finally:
                remove(directory)

        chosen = [case for case in all_cases() if arguments.only in case.name]
        with ThreadPoolExecutor(arguments.jobs) as pool:
            for case, wrong in pool.map(one, chosen):
                if wrong is None:
                    unsaid += 1
                    print(f"skipped: {case.name}: another user cannot run {arguments.thaw}")
                elif wrong:
                    failed += 1
                    print(f"FAIL {case.name}: " + "; ".join(wrong), flush=True)
                else:
                    passed += 1
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
