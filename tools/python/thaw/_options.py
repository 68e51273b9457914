"""Keyword arguments as words of the command line.

The functions name their options with types, so that an editor and mypy know them; a test holds
their signatures against what the program says of itself (`thaw --describe`).
"""

from __future__ import annotations

import difflib
import functools
import inspect
import os
import re
from typing import (Any, Callable, Dict, List, Literal, Mapping, Optional, Sequence, TypeVar, Union,
                    cast)

from ._errors import OptionValueError, ThawError, error_of
from ._run import describe

# "float16", or what another package calls it: torch.bfloat16, numpy.float16, mlx.core.bfloat16.
Dtype = Union[Literal["auto", "float16", "bfloat16", "float32"], Any]
Path = Union[str, "os.PathLike[str]"]
Size = Union[int, str]  # bytes, or "5GB"
Names = Union[str, Sequence[str]]  # one name, "a,b", or a list of names
Isa = Literal["scalar", "ssse3", "avx2", "avx512", "neon"]
_LISTS = frozenset({"take", "leave"})
_Function = TypeVar("_Function", bound=Callable[..., Any])

# What the functions set themselves, or return instead of writing it.
_OWN = frozenset({"dry-run", "help", "json", "progress", "quiet", "report", "html", "details"})


def command_options(command: str) -> Dict[str, Mapping[str, Any]]:
    """The options of a command of the program by keyword, without those of _OWN."""
    rows = next(row for row in describe()["commands"] if row["name"] == command)["options"]
    return {row["name"].replace("-", "_"): row for row in rows if row["name"] not in _OWN}


def option_words(command: str, given: Mapping[str, Any]) -> List[str]:
    """Keyword arguments as words. None and False leave an option out. TypeError for a value of
    another type than its option takes, or an option that this program does not have;
    OptionValueError for a word that the option does not know."""
    known = command_options(command)
    words = []
    for keyword, value in given.items():
        if value is None or value is False:
            continue
        row = known.get(keyword)
        if row is None:
            raise TypeError(f"{keyword}: this thaw {describe()['version']} does not have it")
        name = row["name"]
        if "value" not in row:
            if value is not True:
                raise TypeError(f"{keyword} must be True or False, not {value!r}")
            words.append(f"--{name}")
            continue
        if name == "dtype":
            value = dtype_word(value)
        if name in _LISTS and not isinstance(value, str):
            value = ",".join(value)
        if value is True or not isinstance(value, (str, os.PathLike, int, float)):
            raise TypeError(f"{keyword} must be a string, a number or a path, not {value!r}")
        word = os.fspath(value) if isinstance(value, os.PathLike) else str(value)
        if "choices" in row and word not in row["choices"]:
            raise OptionValueError([f"{keyword} must be {one_of(row['choices'])}, not {word!r}"
                                    + did_you_mean(word, row["choices"])],
                                   exit_code=OptionValueError.code)
        words.append(f"--{name}={word}")
    return words


def dtype_word(value: Any) -> str:
    """The word for a dtype: that of torch, NumPy (also a type such as numpy.float16), ml_dtypes,
    JAX and MLX say their name in one of three ways."""
    if isinstance(value, str):
        return value.rpartition(".")[2]
    if isinstance(value, (bool, int, float, list, tuple, dict)):
        raise TypeError(f"dtype must be a string or a dtype, not {value!r}")
    for attribute in ("name", "__name__"):
        name = getattr(value, attribute, None)
        if isinstance(name, str):
            return name
    return str(value).rpartition(".")[2]


def one_of(choices: List[str]) -> str:
    """'a', 'b' or 'c'"""
    quoted = [repr(choice) for choice in choices]
    return " or ".join(filter(None, (", ".join(quoted[:-1]), quoted[-1])))


def did_you_mean(word: str, known: Any) -> str:
    """"; did you mean 'x'?" for the nearest of `known`, else nothing."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def suggests(function: _Function) -> _Function:
    """Makes the TypeError for an unknown keyword argument name the nearest one."""
    keywords = [name for name, parameter in inspect.signature(function).parameters.items()
                if parameter.kind != inspect.Parameter.POSITIONAL_ONLY]

    @functools.wraps(function)
    def checked(*names: Any, **options: Any) -> Any:
        for keyword in options:
            if keyword not in keywords:
                raise TypeError(f"{function.__name__}() got an unexpected keyword argument "
                                f"{keyword!r}" + did_you_mean(keyword, keywords))
        return function(*names, **options)
    return cast(_Function, checked)


def failure(exit_code: int, lines: Sequence[str], source: Sequence[Optional[Path]] = (),
            target: Optional[Path] = None) -> ThawError:
    """What to raise for a run that failed (error_of), its options in words of Python."""
    return error_of(exit_code, lines, source, target, in_words_of_python)


# An option in a sentence, and the word behind it. In "thaw verify --help" a command line is meant.
_OPTION = re.compile(r"(?<!\S)(thaw \w+ )?--([a-z][a-z-]*[a-z])(?:([= ])([^\s,;]*[^\s,;.:]))?")


def in_words_of_python(text: str) -> str:
    """Options of the command line as keyword arguments: --force is force=True, --memory 51MB is
    memory='51MB', --base FLOAT is base=FLOAT."""
    values = {row["name"]: row.get("value") for command in describe()["commands"]
              for row in command["options"]}

    def keyword(match: "re.Match[str]") -> str:
        command, name, between, word = match.groups()
        if command or name not in values:
            return match[0]
        argument = name.replace("-", "_")
        after = text[match.end(2):match.end(2) + 1]
        if after == ":":
            return argument
        if values[name] is None:
            return f"{argument}=True{match[0][match.end(2) - match.start():]}"
        if word is None or (between == " " and word.startswith("--")):
            return f"{argument}{match[0][match.end(2) - match.start():]}"
        return f"{argument}={word if word.isupper() and word.isalpha() else repr(word)}"
    return _OPTION.sub(keyword, text)
