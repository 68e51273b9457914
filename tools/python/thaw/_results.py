"""What the functions return: the program's JSON (specs/cli.md clauses 3 to 5) as values. Each has
`json`, all that the program said, also what has no field of its own. What may hold thousands of
tensors shows itself in one line."""

from __future__ import annotations

import dataclasses
from typing import Any, Mapping, Optional, Tuple, Type, TypeVar

from ._show import MakePage, frame, number, size

_Value = TypeVar("_Value")


def _read(kind: Type[_Value], json: Mapping[str, Any], **more: Any) -> _Value:
    """Fields by their name in the JSON; lists become tuples; `more` are fields made already."""
    values = dict(more)
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.name == "json":
            values["json"] = json
        elif field.name not in values and field.name in json:
            value = json[field.name]
            values[field.name] = tuple(value) if isinstance(value, list) else value
    return kind(**values)


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a run is. `fraction` is between 0 and 1."""
    stage: str
    bytes_done: int
    bytes_total: int
    tensors_done: int
    tensors_total: int
    seconds: float
    bytes_per_second: int
    json: Mapping[str, Any] = dataclasses.field(repr=False, compare=False, default_factory=dict)

    @property
    def fraction(self) -> float:
        return min(self.bytes_done / self.bytes_total, 1.0) if self.bytes_total else 0.0

    @classmethod
    def read(cls, json: Mapping[str, Any]) -> "Progress":
        return _read(cls, json)


@dataclasses.dataclass(frozen=True)
class Shard:
    name: str
    bytes: int
    tensors: int


@dataclasses.dataclass(frozen=True, repr=False)
class Plan:
    """What a conversion writes."""
    model: str
    out: str
    to: str
    dtype: str
    dtype_reason: str
    linears: int
    tensors: int
    bytes_in: int
    bytes_out: int
    shards: Tuple[Shard, ...]
    side_files: Tuple[str, ...]
    not_carried: Tuple[str, ...]
    warnings: Tuple[str, ...]
    notes: Tuple[str, ...]
    fingerprint: str
    json: Mapping[str, Any] = dataclasses.field(repr=False, compare=False, default_factory=dict)

    def __repr__(self) -> str:
        return (f"<Plan: {number(self.linears, 'linear')}, {number(self.tensors, 'tensor')} as "
                f"{self.dtype}, {size(self.bytes_out)} in {number(len(self.shards), 'shard')}>")

    @classmethod
    def read(cls, json: Mapping[str, Any]) -> "Plan":
        return _read(cls, json, shards=_shards(json))


def _shards(json: Mapping[str, Any]) -> Tuple[Shard, ...]:
    return tuple(_read(Shard, shard) for shard in json["shards"])


@dataclasses.dataclass(frozen=True, repr=False)
class ConvertReport:
    """What a conversion has done."""
    seconds: float
    bytes_read: int
    bytes_written: int
    stream_bytes: int
    files_kept: int
    bytes_kept: int
    overflows: int
    peak_memory: int
    direct_io: bool
    plan: Plan
    verified: Optional[Mapping[str, int]] = None
    json: Mapping[str, Any] = dataclasses.field(repr=False, compare=False, default_factory=dict)

    def __repr__(self) -> str:
        plan = self.plan
        return (f"<ConvertReport: {number(plan.linears, 'linear')}, "
                f"{number(plan.tensors, 'tensor')} to {plan.dtype}, {size(plan.bytes_out)} in "
                f"{number(len(plan.shards), 'shard')}, {self.seconds:.2f} s: {plan.out}>")

    @classmethod
    def read(cls, json: Mapping[str, Any]) -> "ConvertReport":
        return _read(cls, json, plan=Plan.read(json["plan"]))


@dataclasses.dataclass(frozen=True)
class LinearGroup:
    """Linears of one layout, width and shape and of one name, layer numbers replaced by *."""
    layout: str
    modules: str
    count: int
    bits: int
    in_features: int
    out_features: int
    group_size: int
    symmetric: bool
    scale_dtype: str
    packed_bytes: int
    float_bytes: int
    reason: str
    json: Mapping[str, Any] = dataclasses.field(repr=False, compare=False, default_factory=dict)


@dataclasses.dataclass(frozen=True, repr=False)
class Inspection:
    """What a model is. `plan` is None where there are problems."""
    model: str
    config_source: str
    method: str
    version: str
    shards: Tuple[Shard, ...]
    linears: Tuple[LinearGroup, ...]
    problems: Tuple[str, ...]
    warnings: Tuple[str, ...]
    notes: Tuple[str, ...]
    plan: Optional[Plan] = None
    json: Mapping[str, Any] = dataclasses.field(repr=False, compare=False, default_factory=dict)
    make_page: Optional[MakePage] = dataclasses.field(repr=False, compare=False, default=None)

    def __repr__(self) -> str:
        found = number(sum(group.count for group in self.linears), "linear")
        problems = f", {number(len(self.problems), 'problem')}" if self.problems else ""
        return (f"<Inspection: {self.method or 'no method'}, {found} in "
                f"{number(len(self.shards), 'shard')}{problems}: {self.model}>")

    def _repr_html_(self) -> Optional[str]:
        page = None if self.make_page is None else self.make_page()
        return None if page is None else frame(page)

    @classmethod
    def read(cls, json: Mapping[str, Any],
             make_page: Optional[MakePage] = None) -> "Inspection":
        plan = json.get("plan")
        return _read(cls, json, shards=_shards(json), make_page=make_page,
                     linears=tuple(_read(LinearGroup, group) for group in json["linears"]),
                     plan=None if plan is None else Plan.read(plan))


@dataclasses.dataclass(frozen=True, repr=False)
class Verification:
    """What was compared and what differs. Where `equal` is false it comes with a DiffersError."""
    out: str
    against: str
    equal: bool
    inferred: Tuple[str, ...]
    files: int
    bytes: int
    differences: Tuple[Mapping[str, Any], ...]
    tensors: Tuple[Mapping[str, Any], ...]
    certificate: Optional[Mapping[str, Any]] = None
    checksums: Optional[Mapping[str, Any]] = None
    json: Mapping[str, Any] = dataclasses.field(repr=False, compare=False, default_factory=dict)

    def __repr__(self) -> str:
        verdict = "equal" if self.equal else f"{number(len(self.differences), 'difference')}"
        return (f"<Verification: {verdict}, {number(self.files, 'file')}, {size(self.bytes)}: "
                f"{self.out}>")

    @classmethod
    def read(cls, json: Mapping[str, Any]) -> "Verification":
        return _read(cls, json)


@dataclasses.dataclass(frozen=True)
class Figures:
    """Differences of two tensors, specs/verify.md clause 7. None is infinite."""
    elements: int
    equal: int
    nonfinite_a: int
    nonfinite_b: int
    nonfinite_differ: int
    max_abs: Optional[float]
    rms: Optional[float]
    relative: Optional[float]
    cosine: Optional[float]
    snr_db: Optional[float]


@dataclasses.dataclass(frozen=True)
class TensorComparison:
    name: str
    name_b: str
    module: str
    type_a: str
    type_b: str
    shape: Tuple[int, ...]
    figures: Figures
    fault: str
    fault_text: str = ""
    layer: Optional[int] = None
    json: Mapping[str, Any] = dataclasses.field(repr=False, compare=False, default_factory=dict)


@dataclasses.dataclass(frozen=True, repr=False)
class Comparison:
    """How far two checkpoints are apart; `tensors` with the worst first."""
    a: str
    b: str
    spec: str
    same_names_and_shapes: bool
    total: Figures
    verdicts: Tuple[str, ...]
    only_a: Tuple[str, ...]
    only_b: Tuple[str, ...]
    shapes: Tuple[Mapping[str, Any], ...]
    warnings: Tuple[str, ...]
    tensors: Tuple[TensorComparison, ...]
    json: Mapping[str, Any] = dataclasses.field(repr=False, compare=False, default_factory=dict)
    make_page: Optional[MakePage] = dataclasses.field(repr=False, compare=False, default=None)

    def __repr__(self) -> str:
        verdict = "; ".join(self.verdicts) if self.verdicts else "no verdict"
        return (f"<Comparison: {number(len(self.tensors), 'tensor')}, {verdict}: {self.a}, "
                f"{self.b}>")

    def _repr_html_(self) -> Optional[str]:
        page = None if self.make_page is None else self.make_page()
        return None if page is None else frame(page)

    @classmethod
    def read(cls, json: Mapping[str, Any],
             make_page: Optional[MakePage] = None) -> "Comparison":
        return _read(cls, json, total=_read(Figures, json["total"]), make_page=make_page,
                     tensors=tuple(_read(TensorComparison, tensor, figures=_read(Figures, tensor))
                                   for tensor in json["tensors"]))


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """A file that says where the blocks of an architecture are."""
    name: str
    file: str
    model_types: Tuple[str, ...]
    layers: Tuple[str, ...]

    @classmethod
    def read(cls, json: Mapping[str, Any]) -> "ModelSpec":
        return _read(cls, json)
