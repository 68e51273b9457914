"""Running the program: words, streams, progress, signals."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import threading
from typing import Any, Callable, List, Mapping, Optional, Sequence, Tuple

from ._errors import error_of
from ._program import program
from ._results import Progress

OnProgress = Callable[[Progress], None]


@functools.lru_cache(maxsize=None)
def _describe(path: str) -> Mapping[str, Any]:
    said = subprocess.run([path, "--describe"], stdin=subprocess.DEVNULL, capture_output=True,
                          check=False)
    if said.returncode != 0:
        raise error_of(said.returncode, said.stderr.decode("utf-8", "replace").splitlines())
    described: Mapping[str, Any] = json.loads(said.stdout)
    return described


def describe() -> Mapping[str, Any]:
    """All commands, options and exit codes of the program: thaw --describe."""
    return _describe(program())


def _stop(child: "subprocess.Popen[bytes]") -> None:
    """Asks the program to stop and waits until it has: what is whole stays, and the same call goes
    on from there."""
    # Where this process ignores SIGINT, as a job in the background does, so does the program.
    ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    if child.poll() is None:
        child.send_signal(signal.SIGTERM if ignored else signal.SIGINT)
    while True:
        try:
            child.wait()
            return
        except KeyboardInterrupt:
            child.kill()


def run(words: Sequence[str], on_progress: Optional[OnProgress] = None) -> Tuple[int, Any, List[str]]:
    """Runs the program; returns its exit code, the JSON of its standard output (None where there
    is none) and the lines of standard error that are no events. `on_progress` is called in this
    thread. Whatever interrupts this function stops the program first."""
    # A session of its own: Ctrl-C in a terminal comes here only, and is handed on once.
    child = subprocess.Popen([program(), *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, start_new_session=True)
    assert child.stdout is not None and child.stderr is not None
    stdout = child.stdout
    chunks: List[bytes] = []
    reader = threading.Thread(target=lambda: chunks.append(stdout.read()), daemon=True)
    lines: List[str] = []
    try:
        reader.start()
        for line in child.stderr:
            text = line.decode("utf-8", "replace").rstrip("\n")
            if not text.startswith('{"event":'):
                lines.append(text)
            elif on_progress is not None:
                event = json.loads(text)
                if event["event"] == "progress":
                    on_progress(Progress.read(event))
        child.wait()
        reader.join()
    except BaseException:
        # Nobody reads on: the program must not wait for that.
        child.stderr.close()
        _stop(child)
        reader.join()
        raise
    finally:
        child.stdout.close()
        child.stderr.close()
    said = b"".join(chunks)
    return child.returncode, json.loads(said) if said.strip() else None, lines
