"""How results show themselves: one line at a prompt, a page in a notebook."""

from __future__ import annotations

import html
from typing import Callable, Optional

# Makes the text of a page that loads nothing, or None where it cannot be made.
MakePage = Callable[[], Optional[str]]


def size(count: int) -> str:
    """"1.1 MB": decimal units, as the program prints them."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.95:
            return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def number(count: int, noun: str) -> str:
    """"1 shard", "2 shards"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def frame(page: str) -> str:
    """A page inside a notebook: in a frame of its own, so that neither sees the other's styles."""
    return (f'<iframe srcdoc="{html.escape(page, quote=True)}" sandbox="allow-scripts" width="100%" '
            'height="640" style="border: 1px solid #ccc"></iframe>')
