"""One exception for each exit code: specs/errors.md clause 1."""

from __future__ import annotations

import errno
import os
from typing import Any, Callable, ClassVar, Dict, Optional, Sequence, Tuple, Type, Union

_Path = Union[str, "os.PathLike[str]"]


class ThawError(Exception):
    """A run that failed. `messages`: a line each, as the program printed them; `hint`: what can be
    done about it, or empty; `exit_code`: the program's, negative for a signal that killed it."""

    code: ClassVar[int] = 0

    def __init__(self, messages: Sequence[str], hint: str = "", exit_code: int = 1) -> None:
        self.messages = tuple(messages)
        self.hint = hint
        self.exit_code = exit_code
        super().__init__("\n".join((*self.messages, *(("hint: " + hint,) if hint else ()))))

    def __str__(self) -> str:
        # OSError, of which some are subclasses too, would make another text of errno and filename.
        return str(self.args[0])

    def __reduce__(self) -> Tuple[Any, ...]:
        # From another process: by what __init__ takes, not by `args`.
        state = dict(self.__dict__)
        if isinstance(self, OSError):
            state.update(errno=self.errno, strerror=self.strerror, filename=self.filename)
        return type(self), (self.messages, self.hint, self.exit_code), state

    @property
    def message(self) -> str:
        """The first message."""
        return self.messages[0] if self.messages else ""


class BugError(ThawError):
    """A mistake of thaw, or an end that its exit codes do not explain."""
    code = 1


class UsageError(ThawError):
    """Bad options, or a destination that is refused."""
    code = 2


class OptionValueError(UsageError, ValueError):
    """A word that an option does not know. Caught as ValueError too."""


class OutputExistsError(UsageError, FileExistsError):
    """Something stands where the output goes. Caught as FileExistsError too; `filename` is it."""


class InputError(ThawError):
    """The input is missing, damaged, unsafe or unsupported, or nothing in it is quantized."""
    code = 3


class MissingInputError(InputError, FileNotFoundError):
    """The model, or the base, is not there. Caught as FileNotFoundError too; `filename` is it."""


class NumbersError(ThawError):
    """A finite value became infinite in the output type."""
    code = 4


class InputOutputError(ThawError):
    """The system failed to read or write, or an input changed meanwhile."""
    code = 5


class NoSpaceError(ThawError):
    """Not enough disk or memory; the message says how much is needed."""
    code = 6


class DiffersError(ThawError):
    """verify or compare found a difference. `result` is what was found."""
    code = 7
    result: object = None


class LockedError(ThawError):
    """Another run works on the same output."""
    code = 8


class InterruptedRunError(ThawError):
    """The program was stopped by a SIGINT that was not this process's KeyboardInterrupt."""
    code = 130


class TerminatedRunError(ThawError):
    """The program was stopped by SIGTERM."""
    code = 143


_BY_CODE: Dict[int, Type[ThawError]] = {
    kind.code: kind for kind in (
        BugError, UsageError, InputError, NumbersError, InputOutputError, NoSpaceError,
        DiffersError, LockedError, InterruptedRunError, TerminatedRunError)}


def error_of(exit_code: int, lines: Sequence[str], source: Sequence[Optional[_Path]] = (),
             target: Optional[_Path] = None, reword: Callable[[str], str] = str) -> ThawError:
    """From the exit code and the lines of standard error that are the program's messages. `source`
    are the models that were named, `target` the output; `reword` makes the text of a message."""
    messages = []
    hint = ""
    for line in lines:
        text = line[len("thaw: "):] if line.startswith("thaw: ") else line
        if text.startswith("hint: "):
            hint = reword(text[len("hint: "):])
        elif not text.startswith("warning: "):
            messages.append(reword(text))
    if not messages:
        messages = [f"thaw was killed by signal {-exit_code}" if exit_code < 0
                    else f"thaw ended with exit code {exit_code}"]
    if exit_code == InputError.code:
        for path in source:
            if path is not None and not os.path.lexists(path) and _begins_with(messages[0], path):
                return _of_system(MissingInputError, errno.ENOENT, path, messages, hint)
    if (exit_code == UsageError.code and target is not None and os.path.lexists(target)
            and "exists already" in messages[0]):
        return _of_system(OutputExistsError, errno.EEXIST, target, messages, hint)
    return _BY_CODE.get(exit_code, BugError)(messages, hint, exit_code)


def _begins_with(message: str, path: _Path) -> bool:
    return message.startswith(os.fspath(path) + ": ")


def _of_system(kind: Any, number: int, path: _Path, messages: Sequence[str],
               hint: str) -> ThawError:
    error = kind(messages, hint, kind.code)
    error.errno, error.strerror, error.filename = number, os.strerror(number), os.fspath(path)
    return error  # type: ignore[no-any-return]
