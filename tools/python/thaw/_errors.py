"""One exception for each exit code: specs/errors.md clause 1."""

from __future__ import annotations

from typing import ClassVar, Dict, Sequence, Type


class ThawError(Exception):
    """A run that failed. `messages`: a line each, as the program printed them; `hint`: what can be
    done about it, or empty; `exit_code`: the program's, negative for a signal that killed it."""

    code: ClassVar[int] = 0

    def __init__(self, messages: Sequence[str], hint: str = "", exit_code: int = 1) -> None:
        self.messages = tuple(messages)
        self.hint = hint
        self.exit_code = exit_code
        super().__init__("\n".join((*self.messages, *(("hint: " + hint,) if hint else ()))))

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


class InputError(ThawError):
    """The input is missing, damaged, unsafe or unsupported, or nothing in it is quantized."""
    code = 3


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


def error_of(exit_code: int, lines: Sequence[str]) -> ThawError:
    """From the exit code and the lines of standard error that are the program's messages."""
    messages = []
    hint = ""
    for line in lines:
        text = line[len("thaw: "):] if line.startswith("thaw: ") else line
        if text.startswith("hint: "):
            hint = text[len("hint: "):]
        elif not text.startswith("warning: "):
            messages.append(text)
    if not messages:
        messages = [f"thaw was killed by signal {-exit_code}" if exit_code < 0
                    else f"thaw ended with exit code {exit_code}"]
    return _BY_CODE.get(exit_code, BugError)(messages, hint, exit_code)
