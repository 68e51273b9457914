"""A bar by tqdm, in notebooks and terminals."""

from __future__ import annotations

import contextlib
import sys
from typing import Any, Iterator, Optional

from ._results import Progress
from ._run import OnProgress


def _wanted() -> bool:
    """Whether somebody watches: a notebook or a terminal."""
    return "ipykernel" in sys.modules or (sys.stderr is not None and sys.stderr.isatty())


@contextlib.contextmanager
def shown(progress: Optional[bool], on_progress: Optional[OnProgress]) -> Iterator[
        Optional[OnProgress]]:
    """What to call for each event. `progress` None: a bar if tqdm is there and somebody watches;
    True: a bar, and an ImportError without tqdm; False: none."""
    make: Any = None
    if progress or (progress is None and on_progress is None and _wanted()):
        try:
            from tqdm.auto import tqdm as make  # type: ignore[no-redef]
        except ImportError:
            if progress:
                raise
    if make is None:
        yield on_progress
        return
    with make(unit="B", unit_scale=True) as bar:
        def show(event: Progress) -> None:
            if event.stage != bar.desc.rstrip(": ") or event.bytes_total != (bar.total or 0):
                bar.set_description(event.stage, refresh=False)
                bar.reset(total=event.bytes_total)
            bar.update(event.bytes_done - bar.n)
            if on_progress is not None:
                on_progress(event)
        yield show
