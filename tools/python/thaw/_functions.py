"""The commands as functions."""

from __future__ import annotations

import os
from typing import Any, Dict, Mapping, Optional, Tuple, Union

from ._bar import shown
from ._errors import DiffersError, error_of
from ._results import Comparison, ConvertReport, Inspection, ModelSpec, Plan, Verification
from ._run import OnProgress, command_options, describe, option_words, run

Path = Union[str, "os.PathLike[str]"]


def _json_of(words: Tuple[str, ...]) -> Any:
    code, json, lines = run(words)
    if code != 0:
        raise error_of(code, lines)
    return json


def version() -> str:
    """The version of the program."""
    return describe()["version"]


def options(command: str) -> Dict[str, str]:
    """The keyword arguments that a function takes, each with what it means."""
    return {keyword: row["help"] for keyword, row in command_options(command).items()}


def convert(src: Path, dst: Optional[Path] = None, *, on_progress: Optional[OnProgress] = None,
            progress: Optional[bool] = None, **options: Any) -> ConvertReport:
    """Converts the model `src` to `dst`. Options are those of `thaw convert`: dtype="bfloat16",
    max_shard_size="2GB", verify=True, ... With base=FLOAT, in_place=True there is no `dst`.

    `on_progress` is called with each Progress. `progress`: True a tqdm bar, False none, None one
    where tqdm is installed and a notebook or terminal shows it. A KeyboardInterrupt stops the
    conversion; the same call continues it."""
    words = option_words("convert", options, "convert")
    names = [os.fspath(src)] if dst is None else [os.fspath(src), os.fspath(dst)]
    with shown(progress, on_progress) as show:
        code, json, lines = run(["convert", *words, "--progress=json", "--report=-", "--", *names],
                                show)
    if code != 0:
        raise error_of(code, lines)
    return ConvertReport.read(json)


def plan(src: Path, dst: Optional[Path] = None, **options: Any) -> Plan:
    """What convert would do with the same arguments; writes nothing."""
    words = option_words("convert", options, "plan")
    names = [os.fspath(src)] if dst is None else [os.fspath(src), os.fspath(dst)]
    return Plan.read(_json_of(("convert", *words, "--dry-run", "--json", "--", *names)))


def inspect(model: Path, **options: Any) -> Inspection:
    """What a model is, and what convert would write. Problems of a model that could be opened are
    in the result, not raised."""
    words = option_words("inspect", options, "inspect")
    code, json, lines = run(("inspect", *words, "--json", "--", os.fspath(model)))
    if json is None or code not in (0, 3):  # 3 with a result: the model has problems
        raise error_of(code, lines)
    return Inspection.read(json)


def verify(out: Path, against: Optional[Path] = None, *,
           on_progress: Optional[OnProgress] = None, progress: Optional[bool] = None,
           **options: Any) -> Verification:
    """Proves that `out` is what a conversion of `against` writes; without `against`, that its
    files have the digests of its SHA256SUMS. Raises DiffersError, whose `result` is the
    Verification, where something differs."""
    words = option_words("verify", {"against": against, **options}, "verify")
    with shown(progress, on_progress) as show:
        code, json, lines = run(["verify", *words, "--json", "--progress=json", "--",
                                 os.fspath(out)], show)
    return _result_or_error(Verification, code, json, lines)


def compare(a: Path, b: Path, *, on_progress: Optional[OnProgress] = None,
            progress: Optional[bool] = None, **options: Any) -> Comparison:
    """How far two checkpoints are apart. Raises DiffersError, whose `result` is the Comparison,
    where names or shapes differ or a difference is above `fail_above`."""
    words = option_words("compare", options, "compare")
    with shown(progress, on_progress) as show:
        code, json, lines = run(["compare", *words, "--json", "--progress=json", "--",
                                 os.fspath(a), os.fspath(b)], show)
    return _result_or_error(Comparison, code, json, lines)


def _result_or_error(kind: Any, code: int, json: Optional[Mapping[str, Any]], lines: Any) -> Any:
    if code == 0 and json is not None:
        return kind.read(json)
    error = error_of(code, lines)
    if isinstance(error, DiffersError) and json is not None:
        error.result = kind.read(json)
    raise error


def specs() -> Tuple[ModelSpec, ...]:
    """The model specs that the program knows."""
    return tuple(ModelSpec.read(spec) for spec in _json_of(("specs", "--json"))["specs"])
