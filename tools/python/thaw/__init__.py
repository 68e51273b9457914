"""Turns quantized checkpoints into float ones: the program thaw, from Python.

    import thaw
    report = thaw.convert("org/name-AWQ", "out", dtype="bfloat16")
    print(report.plan.tensors, report.seconds)

    with thaw.open("org/name-AWQ", "pt") as model:  # nothing is written
        embedding = model["model.embed_tokens.weight"]

thaw.open and what stands on it read in this process; every other function runs the program and reads
its JSON. Options are those of the command line, with
underscores for dashes; `thaw.options("convert")` says what each means. What goes wrong is raised as
a subclass of ThawError, one for each exit code; a model that is not there is a FileNotFoundError
too, and an output that exists a FileExistsError.
"""

from typing import TYPE_CHECKING

from ._errors import (BugError, DiffersError, InputError, InputOutputError, InterruptedRunError,
                      LockedError, MissingInputError, NoSpaceError, NumbersError, OptionValueError,
                      OutputExistsError, TerminatedRunError, ThawError, UsageError)
from ._functions import compare, convert, inspect, options, plan, specs, verify, version
from ._open import (Model, ModelWarning, Slice, Tensors, from_pretrained, load_file, open,
                    state_dict)
from ._program import program
from ._results import (Comparison, ConvertReport, Figures, Inspection, LinearGroup, ModelSpec, Plan,
                       Progress, Shard, TensorComparison, Verification)

__all__ = [
    "BugError", "Comparison", "ConvertReport", "DiffersError", "Figures", "InputError",
    "InputOutputError", "Inspection", "InterruptedRunError", "LinearGroup", "LockedError",
    "MissingInputError", "Model", "ModelSpec", "ModelWarning", "NoSpaceError", "NumbersError", "OptionValueError",
    "OutputExistsError", "Plan", "Progress", "Shard", "Slice", "TensorComparison", "Tensors",
    "TerminatedRunError", "ThawError", "UsageError", "Verification", "__version__", "compare",
    "convert", "from_pretrained", "inspect", "load_file", "open", "options", "plan", "program",
    "specs", "state_dict", "verify", "version",
]

if TYPE_CHECKING:
    __version__: str


def __getattr__(name: str) -> str:
    # Asked of the program, which THAW_BINARY may name, and not before somebody wants to know it.
    if name == "__version__":
        return version()
    raise AttributeError(f"module 'thaw' has no attribute {name!r}")

