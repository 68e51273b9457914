"""Which files a program opens, by strace: the system calls that can open one, and what each
opened in fact."""

import os
import re
import shutil
import subprocess
import tempfile

CALLS = "open,openat,openat2,creat,open_by_handle_at,execve,execveat,connect,bind"
PATH = r'((?:\\x[0-9a-f]{2})*)'
ASKED = re.compile(rf'"{PATH}"')
# The open directory that a name is looked up in.
BELOW = re.compile(rf'openat2?\(\d+<{PATH}>, "')
OPENED = re.compile(rf"= \d+<{PATH}>")


def works():
    """Whether strace is there and may trace."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-o", "/dev/null", "true"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


def unescape(text):
    """A string as strace prints it, with -xx for every byte."""
    return bytes(int(x, 16) for x in re.findall(r"\\x([0-9a-f]{2})", text))


def run(command, environment, seconds):
    """The exit code, and what was asked for and opened: [(path asked for, real path)]."""
    with tempfile.NamedTemporaryFile() as log:
        try:
            code = subprocess.run(
                ["strace", "-f", "-y", "-xx", "-s", "65536", "-e", f"trace={CALLS}",
                 "-o", log.name, *command],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env=environment, timeout=seconds).returncode
        except subprocess.TimeoutExpired:
            code = None
        lines = log.read().decode("ascii", "replace").splitlines()
    found = []
    for line in lines:
        # A call that another thread's interrupts stands in two lines: what it asked for in the
        # first, what it opened in the second.
        asked, opened, below = ASKED.search(line), OPENED.search(line), BELOW.search(line)
        if asked or opened:
            path = unescape(asked.group(1)) if asked else b""
            if below:
                path = os.path.join(unescape(below.group(1)), path)
            found.append((path, unescape(opened.group(1)) if opened else b""))
        elif not re.search(r"\+\+\+|---|resumed>|= -?\d+", line):
            raise ValueError(f"a line of strace that is not understood: {line[:200]}")
    return code, found


def link_targets(directory):
    """What the links in a directory lead to, link by link: which they make part of it."""
    targets = set()
    for folder, folders, files in os.walk(os.fsencode(directory)):
        for name in folders + files:
            path = os.path.join(folder, name)
            for _ in range(64):
                if not os.path.islink(path):
                    break
                path = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path)))
                targets |= {path, os.path.realpath(path)}
    return targets


def strays(found, allowed_folders, allowed_files):
    """Of what was asked for or opened, everything outside of some folders and files. A path that
    steps up counts as outside wherever it leads."""
    def inside(path):
        if path in allowed_files:
            return True
        return b"/../" not in path + b"/" and any(
            path == folder or path.startswith(folder + b"/") for folder in allowed_folders)

    outside = set()
    for pair in found:
        outside |= {path for path in pair if path and not inside(path)}
    return outside
