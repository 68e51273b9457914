"""A bar by tqdm, in notebooks and terminals."""

from __future__ import annotations

import contextlib
import sys
from typing import Any, Iterator, Optional

from ._results import Progress
from ._run import OnProgress

# The rate is the program's own: what an earlier run had finished counts for the bar at once, and
# by tqdm's arithmetic that would be written in no time.
_FORMAT = "{desc}{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"


def _wanted() -> bool:
    """Whether somebody watches: a notebook or a terminal."""
    return "ipykernel" in sys.modules or (sys.stderr is not None and sys.stderr.isatty())


def _show(bar: Any, event: Progress) -> None:
    """Moves the bar. What begins with another number of bytes (verifying after converting) begins
    at none; a stage that only follows (finishing) is another word beside the same bar."""
    if event.bytes_total != (bar.total or 0) or event.bytes_done < bar.n:
        bar.reset(total=event.bytes_total)
    bar.set_description(event.stage, refresh=False)
    if event.bytes_per_second:
        bar.set_postfix_str(f"{event.bytes_per_second / 1e6:.1f} MB/s", refresh=False)
    bar.update(event.bytes_done - bar.n)


@contextlib.contextmanager
def shown(progress: Optional[bool], on_progress: Optional[OnProgress]) -> Iterator[
        Optional[OnProgress]]:
    """What to call for each event. `progress` None: a bar if tqdm is there and somebody watches;
    True: a bar, and an ImportError without tqdm; False: none."""
    make: Any = None
    if progress or (progress is None and on_progress is None and _wanted()):
        try:
            from tqdm.auto import tqdm as make  # type: ignore[no-redef,import-untyped,unused-ignore]
        except ImportError:
            if progress:
                raise
    if make is None:
        yield on_progress
        return
    with make(unit="B", unit_scale=True, bar_format=_FORMAT) as bar:
        def show(event: Progress) -> None:
            _show(bar, event)
            if on_progress is not None:
                on_progress(event)
        yield show
        bar.refresh()
