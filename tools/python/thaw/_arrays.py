"""Memory that tensors are read into, and what each framework makes of it without a copy."""

from __future__ import annotations

import ctypes
import importlib
import mmap
from typing import Any, Callable, Dict, Sequence, Tuple, Union

Memory = Union[bytearray, mmap.mmap]

_HUGE = 4 << 20  # bytes; from here on pages of 2 MiB are worth it
_NUMPY = {"BOOL": "bool", "U8": "uint8", "I8": "int8", "I16": "int16", "U16": "uint16",
          "F16": "float16", "I32": "int32", "U32": "uint32", "F32": "float32", "C64": "complex64",
          "F64": "float64", "I64": "int64", "U64": "uint64"}
_ML_DTYPES = {"BF16": "bfloat16", "F8_E5M2": "float8_e5m2", "F8_E4M3": "float8_e4m3fn",
              "F8_E8M0": "float8_e8m0fnu"}
_TORCH = {**_NUMPY, **_ML_DTYPES}
# DLPack's code of a type, and its bits.
_DLPACK = {"BOOL": (6, 8), "U8": (1, 8), "I8": (0, 8), "I16": (0, 16), "U16": (1, 16),
           "F16": (2, 16), "BF16": (4, 16), "I32": (0, 32), "U32": (1, 32), "F32": (2, 32),
           "C64": (5, 64), "F64": (2, 64), "I64": (0, 64), "U64": (1, 64)}


def allocate(size: int) -> Memory:
    """Memory of `size` bytes. Large memory comes in large pages, where the system has them."""
    if size < _HUGE:
        return bytearray(size)
    memory = mmap.mmap(-1, size)
    try:
        memory.madvise(getattr(mmap, "MADV_HUGEPAGE", 14))
    except (OSError, ValueError, AttributeError):
        pass
    return memory


def address(memory: Memory) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(memory)) if len(memory) else 0


def _unknown(dtype: str, framework: str) -> TypeError:
    return TypeError(f"{framework} has no type for {dtype}")


def _numpy(memory: Memory, dtype: str, shape: Sequence[int]) -> Any:
    numpy = importlib.import_module("numpy")
    if dtype in _NUMPY:
        kind = numpy.dtype(_NUMPY[dtype])
    elif dtype in _ML_DTYPES:
        try:
            ml_dtypes = importlib.import_module("ml_dtypes")
        except ImportError as error:
            raise ImportError(f"NumPy has no {_ML_DTYPES[dtype]} of its own: install ml_dtypes, or "
                              "open the model with dtype='float32'") from error
        kind = numpy.dtype(getattr(ml_dtypes, _ML_DTYPES[dtype]))
    else:
        raise _unknown(dtype, "NumPy")
    return numpy.frombuffer(memory, dtype=kind).reshape(shape)


def _torch(memory: Memory, dtype: str, shape: Sequence[int]) -> Any:
    torch = importlib.import_module("torch")
    kind = getattr(torch, _TORCH.get(dtype, ""), None)
    if kind is None:
        raise _unknown(dtype, "torch")
    if not len(memory):  # torch takes no memory of no bytes
        return torch.empty(tuple(shape), dtype=kind)
    return torch.frombuffer(memory, dtype=kind).reshape(tuple(shape))


class _Type(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16)]


class _Managed(ctypes.Structure):
    """DLManagedTensor of DLPack, versions below 1."""


_Deleter = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Managed))
_Managed._fields_ = [
    ("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32),
    ("ndim", ctypes.c_int32), ("dtype", _Type), ("shape", ctypes.POINTER(ctypes.c_int64)),
    ("strides", ctypes.POINTER(ctypes.c_int64)), ("byte_offset", ctypes.c_uint64),
    ("manager_ctx", ctypes.c_void_p), ("deleter", _Deleter)]

# What other frameworks still hold, by the address of its DLManagedTensor.
_lent: Dict[int, Tuple[Any, ...]] = {}


def _give_back(managed: Any) -> None:
    _lent.pop(ctypes.addressof(managed.contents), None)


_give_back_in_c = _Deleter(_give_back)


class Lent:
    """Memory as any framework with from_dlpack() takes it."""

    def __init__(self, memory: Memory, dtype: str, shape: Sequence[int]) -> None:
        if dtype not in _DLPACK:
            raise _unknown(dtype, "DLPack")
        self._memory, self._dtype, self._shape = memory, dtype, tuple(shape)

    def __dlpack_device__(self) -> Tuple[int, int]:
        return 1, 0  # the processor

    def __dlpack__(self, **_: Any) -> Any:
        code, bits = _DLPACK[self._dtype]
        shape = (ctypes.c_int64 * max(1, len(self._shape)))(*self._shape)
        managed = _Managed(data=address(self._memory), device_type=1, device_id=0,
                           ndim=len(self._shape), dtype=_Type(code, bits, 1), shape=shape,
                           strides=None, byte_offset=0, manager_ctx=None, deleter=_give_back_in_c)
        at = ctypes.addressof(managed)
        _lent[at] = (managed, shape, self._memory)
        # Without a destructor of its own: a capsule that nobody takes keeps its memory.
        make = ctypes.pythonapi.PyCapsule_New
        make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p,
                                                         ctypes.c_void_p]
        return make(at, b"dltensor", None)


def _jax(memory: Memory, dtype: str, shape: Sequence[int]) -> Any:
    jax = importlib.import_module("jax")
    if not len(memory):
        return jax.numpy.asarray(_numpy(memory, dtype, shape))
    return jax.dlpack.from_dlpack(Lent(memory, dtype, shape))


def _mlx(memory: Memory, dtype: str, shape: Sequence[int]) -> Any:
    mlx = importlib.import_module("mlx.core")
    # MLX has its own memory: its arrays are always copies.
    if dtype == "BF16":
        return mlx.array(_numpy(memory, "U16", shape)).view(mlx.bfloat16)
    return mlx.array(_numpy(memory, dtype, shape))


MakeArray = Callable[[Memory, str, Sequence[int]], Any]
_FRAMEWORKS: Dict[str, MakeArray] = {
    "np": _numpy, "numpy": _numpy, "pt": _torch, "torch": _torch, "pytorch": _torch, "jax": _jax,
    "flax": _jax, "mlx": _mlx, "dlpack": Lent}


def maker(framework: str) -> MakeArray:
    if framework not in _FRAMEWORKS:
        raise ValueError(f"framework must be one of {', '.join(map(repr, _FRAMEWORKS))}, not "
                         f"{framework!r}")
    return _FRAMEWORKS[framework]
