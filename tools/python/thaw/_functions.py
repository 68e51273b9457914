"""The commands as functions."""

from __future__ import annotations

import functools
import os
import sys
import tempfile
from typing import Any, Dict, List, Literal, Mapping, Optional, Sequence, Tuple

from ._bar import shown
from ._errors import DiffersError
from ._options import (Dtype, Isa, Names, Path, Size, command_options, failure, option_words, suggests)
from ._results import Comparison, ConvertReport, Inspection, ModelSpec, Plan, Verification
from ._run import OnProgress, describe, run


def version() -> str:
    """The version of the program."""
    return str(describe()["version"])


def options(command: str) -> Dict[str, str]:
    """The keyword arguments that a function takes, each with what it means."""
    return {keyword: row["help"] for keyword, row in command_options(command).items()}


@suggests
def convert(src: Path, dst: Optional[Path] = None, *,
            dtype: Optional[Dtype] = None,
            rounding: Optional[Literal["exact", "via-float16"]] = None,
            allow_overflow: bool = False,
            copy_unknown: bool = False,
            keep_names: bool = False,
            strict: bool = False,
            this_file_only: bool = False,
            max_shard_size: Optional[Size] = None,
            base: Optional[Path] = None,
            spec: Optional[Path] = None,
            take: Optional[Names] = None,
            leave: Optional[Names] = None,
            in_place: bool = False,
            keep_backup: bool = False,
            no_match_check: bool = False,
            threads: Optional[int] = None,
            memory: Optional[Size] = None,
            isa: Optional[Isa] = None,
            output_io: Optional[Literal["auto", "buffered"]] = None,
            to: Optional[Literal["tar", "tar.zst", "safetensors"]] = None,
            level: Optional[int] = None,
            archive_root: Optional[str] = None,
            part: Optional[str] = None,
            finish: bool = False,
            force: bool = False,
            restart: bool = False,
            checksums: bool = False,
            verify: bool = False,
            on_progress: Optional[OnProgress] = None,
            progress: Optional[bool] = None) -> ConvertReport:
    """Converts the model `src` to `dst`. The options are those of `thaw convert`;
    `thaw.options("convert")` says what each means. With base=FLOAT, in_place=True there is no
    `dst`.

    `dtype` is a word or a dtype (torch.bfloat16, numpy.float16). `on_progress` is called with each
    Progress. `progress`: True a tqdm bar, False none, None one where tqdm is installed and a
    notebook or terminal shows it. A KeyboardInterrupt stops the conversion; the same call continues
    it."""
    words = option_words("convert", _options_of(locals()))
    with shown(progress, on_progress) as show:
        code, json, lines = run(
            ["convert", *words, "--progress=json", "--report=-", "--", *_names(src, dst)], show)
    if code != 0:
        raise failure(code, lines, source=(src, base), target=dst)
    return ConvertReport.read(json)


@suggests
def plan(src: Path, dst: Optional[Path] = None, *,
         dtype: Optional[Dtype] = None,
         rounding: Optional[Literal["exact", "via-float16"]] = None,
         allow_overflow: bool = False,
         copy_unknown: bool = False,
         keep_names: bool = False,
         strict: bool = False,
         this_file_only: bool = False,
         max_shard_size: Optional[Size] = None,
         base: Optional[Path] = None,
         spec: Optional[Path] = None,
         take: Optional[Names] = None,
         leave: Optional[Names] = None,
         in_place: bool = False,
         keep_backup: bool = False,
         no_match_check: bool = False,
         threads: Optional[int] = None,
         memory: Optional[Size] = None,
         isa: Optional[Isa] = None,
         output_io: Optional[Literal["auto", "buffered"]] = None,
         to: Optional[Literal["tar", "tar.zst", "safetensors"]] = None,
         level: Optional[int] = None,
         archive_root: Optional[str] = None,
         part: Optional[str] = None,
         finish: bool = False,
         force: bool = False,
         restart: bool = False,
         checksums: bool = False,
         verify: bool = False) -> Plan:
    """What convert would do with the same arguments; writes nothing."""
    words = option_words("convert", _options_of(locals()))
    code, json, lines = run(["convert", *words, "--dry-run", "--json", "--", *_names(src, dst)])
    if code != 0:
        raise failure(code, lines, source=(src, base), target=dst)
    return Plan.read(json)


@suggests
def inspect(model: Path) -> Inspection:
    """What a model is, and what convert would write. Problems of a model that could be opened are
    in the result, not raised. In a notebook the result shows itself as the page of
    `thaw inspect --html`."""
    words = ["inspect", "--json", "--", os.fspath(model)]
    code, json, lines = run(words)
    if json is None or code not in (0, 3):  # 3 with a result: the model has problems
        raise failure(code, lines, source=(model,))
    return Inspection.read(json, make_page=functools.partial(_page, words))


@suggests
def verify(out: Path, against: Optional[Path] = None, *,
           base: Optional[Path] = None,
           spec: Optional[Path] = None,
           take: Optional[Names] = None,
           leave: Optional[Names] = None,
           no_match_check: bool = False,
           dtype: Optional[Dtype] = None,
           rounding: Optional[Literal["exact", "via-float16"]] = None,
           max_shard_size: Optional[Size] = None,
           copy_unknown: bool = False,
           keep_names: bool = False,
           strict: bool = False,
           this_file_only: bool = False,
           allow_overflow: bool = False,
           no_certificate: bool = False,
           threads: Optional[int] = None,
           memory: Optional[Size] = None,
           isa: Optional[Isa] = None,
           on_progress: Optional[OnProgress] = None,
           progress: Optional[bool] = None) -> Verification:
    """Proves that `out` is what a conversion of `against` writes; without `against`, that its
    files have the digests of its SHA256SUMS. Raises DiffersError, whose `result` is the
    Verification, where something differs."""
    words = option_words("verify", _options_of(locals()))
    with shown(progress, on_progress) as show:
        code, json, lines = run(
            ["verify", *words, "--json", "--progress=json", "--", os.fspath(out)], show)
    if code == 0:
        return Verification.read(json)
    error = failure(code, lines, source=(out, against, base))
    if isinstance(error, DiffersError) and json is not None:
        error.result = Verification.read(json)
    raise error


@suggests
def compare(a: Path, b: Path, *,
            fail_above: Optional[float] = None,
            threads: Optional[int] = None,
            memory: Optional[Size] = None,
            isa: Optional[Isa] = None,
            on_progress: Optional[OnProgress] = None,
            progress: Optional[bool] = None) -> Comparison:
    """How far two checkpoints are apart. Raises DiffersError, whose `result` is the Comparison,
    where names or shapes differ or a difference is above `fail_above`. In a notebook the result
    shows itself as the page of `thaw compare --html`."""
    words = ["compare", *option_words("compare", _options_of(locals()))]
    names = ["--", os.fspath(a), os.fspath(b)]
    # Comparing reads both models whole: where a page will be wanted, it is made in the same run.
    with tempfile.TemporaryDirectory() as folder, shown(progress, on_progress) as show:
        page = os.path.join(folder, "page.html") if "ipykernel" in sys.modules else None
        more = [] if page is None else [f"--html={page}"]
        code, json, lines = run([*words, *more, "--json", "--progress=json", *names], show)
        made = None if page is None or not os.path.exists(page) else _text_of(page)
    make_page = functools.partial(_page, [*words, "--json", *names], made)
    result = None if json is None else Comparison.read(json, make_page=make_page)
    if code == 0 and result is not None:
        return result
    error = failure(code, lines, source=(a, b))
    if isinstance(error, DiffersError):
        error.result = result
    raise error


def specs() -> Tuple[ModelSpec, ...]:
    """The model specs that the program knows."""
    code, json, lines = run(["specs", "--json"])
    if code != 0:
        raise failure(code, lines)
    return tuple(ModelSpec.read(spec) for spec in json["specs"])


# Parameters of the functions that are no options of the program.
_OTHERS = frozenset({"src", "dst", "out", "a", "b", "on_progress", "progress"})


def _options_of(arguments: Mapping[str, Any]) -> Dict[str, Any]:
    return {name: value for name, value in arguments.items() if name not in _OTHERS}


def _names(src: Path, dst: Optional[Path]) -> List[str]:
    return [os.fspath(src)] if dst is None else [os.fspath(src), os.fspath(dst)]


def _text_of(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def _page(words: Sequence[str], made: Optional[str] = None) -> Optional[str]:
    """The page that a command writes with --html, if it is not `made` already; None where it cannot
    be made any more."""
    if made is not None:
        return made
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "page.html")
        run([words[0], f"--html={path}", *words[1:]])
        return _text_of(path) if os.path.exists(path) else None
