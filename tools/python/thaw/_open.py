"""thaw.open: a quantized model as float tensors, read when they are asked for and never written.

The methods are those of safetensors.safe_open, over all files of the model; `Model.file(name)` has
the same over one of them."""

from __future__ import annotations

import importlib
import json
import operator
import os
import struct
import threading
import warnings
from typing import (Any, Dict, Iterator, List, Literal, Mapping, Optional, Sequence, Tuple, Type,
                    Union)

from ._arrays import MakeArray, Memory, address, allocate, maker
from ._library import Handle, Tensor, option_list
from ._options import Dtype, Isa, Names, Path, Size, suggests

Framework = Literal["np", "numpy", "pt", "torch", "jax", "flax", "mlx", "dlpack"]
Index = Union[int, slice, "ellipsis"]  # noqa: F821  # as type checkers call the type of ...


class ModelWarning(UserWarning):
    """What a conversion of the model would have warned of."""


class _Entry:
    """A tensor of the result."""
    __slots__ = ("number", "name", "dtype", "shape", "rows", "row_size", "file", "offset")

    def __init__(self, number: int, tensor: Tensor) -> None:
        self.number = number
        self.name: str = tensor.name.decode("utf-8")
        self.dtype: str = tensor.dtype.decode("ascii")
        self.shape: Tuple[int, ...] = tuple(tensor.shape[i] for i in range(tensor.rank))
        self.rows: int = tensor.rows
        self.row_size: int = tensor.row_size
        self.file: int = tensor.file
        self.offset: int = tensor.offset


class Slice:
    """A tensor that is not read yet: `slice[first:last]` reads these rows only."""

    def __init__(self, tensors: "Tensors", entry: _Entry) -> None:
        self._tensors = tensors
        self._entry = entry

    def __repr__(self) -> str:
        return f"<thaw.Slice {self._entry.name!r}: {self._entry.dtype} {list(self._entry.shape)}>"

    @property
    def shape(self) -> Tuple[int, ...]:
        return self._entry.shape

    def get_shape(self) -> List[int]:
        return list(self._entry.shape)

    def get_dtype(self) -> str:
        return self._entry.dtype

    def __getitem__(self, index: Union[Index, Tuple[Index, ...]]) -> Any:
        indexes = index if isinstance(index, tuple) else (index,)
        for one in indexes:
            if not (one is Ellipsis or isinstance(one, slice) or hasattr(one, "__index__")):
                raise TypeError(f"a slice takes numbers, slices and ..., not {one!r}")
        shape = self._entry.shape
        if not shape or not indexes or indexes[0] is Ellipsis:
            whole = self._tensors._read(self._entry, 0, self._entry.rows)
            return whole if not shape and indexes in ((Ellipsis,), ()) else whole[indexes]
        first, rest = indexes[0], indexes[1:]
        if isinstance(first, slice):
            picked = range(*first.indices(shape[0]))
            low, high = (min(picked), max(picked) + 1) if picked else (0, 0)
            rows = self._tensors._read(self._entry, low, high - low)
            if picked.step > 1:
                rows = rows[::picked.step]
            elif picked.step < 0:
                raise ValueError("a slice cannot go backwards")
        else:
            row = operator.index(first)
            if not -shape[0] <= row < shape[0]:
                raise IndexError(f"{self._entry.name} has {shape[0]} rows, and none of number {row}")
            rows = self._tensors._read(self._entry, row % shape[0], 1)[0]
            return rows[rest] if rest else rows
        return rows[(slice(None), *rest)] if rest else rows


class Tensors:
    """Some tensors of a model, with the methods of safetensors.safe_open."""

    def __init__(self, handle: Handle, entries: Sequence[_Entry], framework: str, device: str,
                 metadata: Mapping[str, str]) -> None:
        self._handle = handle
        self._entries = {entry.name: entry for entry in entries}
        self._framework = framework
        self._make: MakeArray = maker(framework)
        self._device = device
        self._metadata = dict(metadata)
        if device != "cpu" and framework not in ("pt", "torch", "pytorch"):
            raise ValueError(f"device={device!r} is for framework='pt'")

    def keys(self) -> List[str]:
        """The names, in natural order."""
        return list(self._entries)

    def offset_keys(self) -> List[str]:
        """The names in the order of the files: the fastest to read all of them."""
        return sorted(self._entries, key=lambda name: (self._entries[name].file,
                                                       self._entries[name].offset))

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def metadata(self) -> Dict[str, str]:
        """What the files say of themselves: {"format": "pt"}."""
        return dict(self._metadata)

    def shape(self, name: str) -> Tuple[int, ...]:
        return self._entry(name).shape

    def dtype(self, name: str) -> str:
        """As safetensors calls it: "BF16"."""
        return self._entry(name).dtype

    def get_tensor(self, name: str) -> Any:
        """The whole tensor, in memory of its own."""
        entry = self._entry(name)
        return self._read(entry, 0, entry.rows)

    def __getitem__(self, name: str) -> Any:
        return self.get_tensor(name)

    def read_rows(self, name: str, first: int = 0, count: Optional[int] = None) -> memoryview:
        """The bytes of rows [first, first + count), as a safetensors file has them: what needs no
        framework."""
        entry = self._entry(name)
        return memoryview(self._bytes(entry, first, entry.rows - first if count is None else count))

    def get_slice(self, name: str) -> Slice:
        """The tensor by parts: get_slice(name)[first:last]."""
        return Slice(self, self._entry(name))

    def items(self) -> Iterator[Tuple[str, Any]]:
        """Names and tensors in the order of the files, each read when it is its turn."""
        for name in self.offset_keys():
            yield name, self.get_tensor(name)

    def get_tensors(self) -> Dict[str, Any]:
        """All of them, in memory."""
        return dict(self.items())

    def _entry(self, name: str) -> _Entry:
        entry = self._entries.get(name)
        if entry is None:
            raise KeyError(f"there is no tensor {name!r}")
        return entry

    def _bytes(self, entry: _Entry, first: int, count: int) -> Memory:
        if first < 0 or count < 0:
            raise IndexError(f"{entry.name} has no rows below 0")
        memory = allocate(count * entry.row_size)
        self._handle.read_rows(entry.number, first, count, address(memory), len(memory))
        return memory

    def _read(self, entry: _Entry, first: int, count: int) -> Any:
        shape = (count, *entry.shape[1:]) if entry.shape else ()
        made = self._make(self._bytes(entry, first, count), entry.dtype, shape)
        return made if self._device == "cpu" else made.to(self._device)


class Model(Tensors):
    """A model that is open: see thaw.open. Threads may share it."""

    def __init__(self, handle: Handle, path: str, framework: str, device: str) -> None:
        self.path = path
        self._files = {file.name.decode("utf-8"): (number, int(file.size), int(file.tensors))
                       for number, file in enumerate(handle.files())}
        self._lock = threading.Lock()
        entries = [_Entry(number, tensor) for number, tensor in enumerate(handle.tensors())]
        self._all = entries
        super().__init__(handle, entries, framework, device, {})
        shards = self.files()
        self._metadata = self._metadata_of(shards[0]) if shards else {}

    def __repr__(self) -> str:
        return f"<thaw.Model {self.path!r}: {len(self)} tensors>"

    def __enter__(self) -> "Model":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the model. Tensors that were read stay."""
        self._handle.close()

    def files(self) -> List[str]:
        """The names of the weight files that a conversion would write."""
        return [name for name, (_, _, tensors) in self._files.items() if tensors]

    def side_files(self) -> List[str]:
        """The names of all others: config.json, the tokenizer, the index."""
        return [name for name, (_, _, tensors) in self._files.items() if not tensors]

    def file(self, name: str, framework: Optional[str] = None) -> Tensors:
        """One of files(), with the methods of safetensors.safe_open."""
        if name not in self._files or not self._files[name][2]:
            raise FileNotFoundError(f"a conversion would write no weights to {name!r}")
        number = self._files[name][0]
        return Tensors(self._handle, [entry for entry in self._all if entry.file == number],
                       framework or self._framework, self._device, self._metadata_of(name))

    def read_file(self, name: str, offset: int = 0, size: Optional[int] = None) -> bytes:
        """Bytes of any file that a conversion would write."""
        if name not in self._files:
            raise FileNotFoundError(f"a conversion would write no file {name!r}")
        number, whole, _ = self._files[name]
        count = max(0, whole - offset) if size is None else size
        memory = bytearray(count)
        self._handle.read_file(number, offset, count, address(memory))
        return bytes(memory)

    def config(self) -> Dict[str, Any]:
        """config.json of the float model."""
        config: Dict[str, Any] = json.loads(self.read_file("config.json"))
        return config

    def _metadata_of(self, name: str) -> Dict[str, str]:
        size = struct.unpack("<Q", self.read_file(name, 0, 8))[0]
        header = json.loads(self.read_file(name, 8, size))
        return {key: str(value) for key, value in header.get("__metadata__", {}).items()}


@suggests
def open(model: Path, framework: Framework = "np", device: str = "cpu", *,  # noqa: A001
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
         no_match_check: bool = False,
         threads: Optional[int] = None,
         memory: Optional[Size] = None,
         isa: Optional[Isa] = None) -> Model:
    """Opens a quantized model as the float model that convert would write, with the same options,
    and writes nothing. `framework` is what tensors are: "np" (bfloat16 by ml_dtypes), "pt", "jax",
    "mlx", or "dlpack" for any other. What a conversion would warn of is a ModelWarning.

        with thaw.open("org/name-AWQ", "pt") as model:
            embedding = model["model.embed_tokens.weight"]
            rows = model.get_slice("lm_head.weight")[:128]
    """
    given = {name: value for name, value in locals().items()
             if name not in ("model", "framework", "device")}
    maker(framework)
    path = os.fspath(model)
    handle = Handle(path, option_list(given))
    opened = Model(handle, path, framework, device)
    for text in handle.warnings():
        warnings.warn(text, ModelWarning, stacklevel=3)
    return opened


def load_file(model: Path, framework: Framework = "np", device: str = "cpu",
              **options: Any) -> Dict[str, Any]:
    """All tensors of a model, in memory: thaw.open(...).get_tensors()."""
    with open(model, framework, device, **options) as opened:
        return opened.get_tensors()


def state_dict(model: Path, device: str = "cpu", **options: Any) -> Dict[str, Any]:
    """The state dict of a model for PyTorch."""
    return load_file(model, "pt", device, **options)


def from_pretrained(cls: Any, model: Path, *, dtype: Optional[Dtype] = None,
                    options: Optional[Mapping[str, Any]] = None, **arguments: Any) -> Any:
    """`cls.from_pretrained` of transformers for a quantized model: its weights are read by thaw, so
    that no package of the quantizer is needed, and no file is written. `options` are those of
    thaw.open; other arguments go to transformers.

        model = thaw.from_pretrained(AutoModelForCausalLM, "org/name-AWQ", dtype="bfloat16")
    """
    transformers = importlib.import_module("transformers")
    with open(model, "pt", dtype=dtype, **dict(options or {})) as opened:
        said = opened.config()
        config = arguments.pop("config", None) or transformers.AutoConfig.for_model(**said)
        weights = opened.get_tensors()
        floats = {tensor.dtype for name, tensor in weights.items()
                  if opened.dtype(name) in ("F16", "BF16", "F32")}
        if len(floats) == 1:
            arguments.setdefault("torch_dtype", floats.pop())
        mapped = _class_of(cls, config)
        made = mapped.from_pretrained(None, config=config, state_dict=weights, **arguments)
        if "generation_config.json" in opened.side_files() and hasattr(made, "generation_config"):
            made.generation_config = transformers.GenerationConfig.from_dict(
                json.loads(opened.read_file("generation_config.json")))
    return made


def _class_of(cls: Any, config: Any) -> Any:
    """Of an Auto class the model's class; an Auto class wants a name, where there is none."""
    mapping = getattr(cls, "_model_mapping", None)
    if mapping is None:
        return cls
    found = mapping[type(config)]
    return found[0] if isinstance(found, (tuple, list)) else found
