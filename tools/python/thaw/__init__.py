"""Turns quantized checkpoints into float ones: the program thaw, from Python.

    import thaw
    report = thaw.convert("org/name-AWQ", "out", dtype="bfloat16")
    print(report.plan.tensors, report.seconds)

Every function runs the program and reads its JSON. Options are those of the command line, with
underscores for dashes; `thaw.options("convert")` lists them. What goes wrong is raised as a
subclass of ThawError, one for each exit code.
"""

from ._errors import (BugError, DiffersError, InputError, InputOutputError, InterruptedRunError,
                      LockedError, NoSpaceError, NumbersError, TerminatedRunError, ThawError,
                      UsageError)
from ._functions import compare, convert, inspect, options, plan, specs, verify, version
from ._program import program
from ._results import (Comparison, ConvertReport, Figures, Inspection, LinearGroup, ModelSpec, Plan,
                       Progress, Shard, TensorComparison, Verification)

__all__ = [
    "BugError", "Comparison", "ConvertReport", "DiffersError", "Figures", "InputError",
    "InputOutputError", "Inspection", "InterruptedRunError", "LinearGroup", "LockedError",
    "ModelSpec", "NoSpaceError", "NumbersError", "Plan", "Progress", "Shard", "TensorComparison",
    "TerminatedRunError", "ThawError", "UsageError", "Verification", "compare", "convert",
    "inspect", "options", "plan", "program", "specs", "verify", "version",
]
