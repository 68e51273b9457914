"""The C interface (thaw.h) by ctypes: no compiler and no version of Python is needed."""

from __future__ import annotations

import ctypes
import functools
import os
import pathlib
from typing import Any, Callable, List, Mapping, Optional, Sequence

from ._errors import OptionValueError, ThawError, UsageError, error_of
from ._options import dtype_word, in_words_of_python
from ._program import program

INTERFACE_VERSION = 1


class Tensor(ctypes.Structure):
    """struct thaw_tensor"""
    _fields_ = [("struct_size", ctypes.c_size_t), ("name", ctypes.c_char_p),
                ("dtype", ctypes.c_char_p), ("shape", ctypes.POINTER(ctypes.c_uint64)),
                ("rank", ctypes.c_size_t), ("size", ctypes.c_uint64), ("rows", ctypes.c_uint64),
                ("row_size", ctypes.c_uint64), ("file", ctypes.c_size_t),
                ("offset", ctypes.c_uint64)]


class File(ctypes.Structure):
    """struct thaw_file"""
    _fields_ = [("struct_size", ctypes.c_size_t), ("name", ctypes.c_char_p),
                ("size", ctypes.c_uint64), ("tensors", ctypes.c_uint64)]


def _path() -> str:
    """THAW_LIBRARY of the environment, the library that this package carries, or that of the
    installation or build that the program belongs to."""
    named = os.environ.get("THAW_LIBRARY")
    if named:
        return named
    package = pathlib.Path(__file__).parent
    found = sorted((package / "lib").glob("libthaw*.so*"))
    if not found:
        prefix = pathlib.Path(program()).resolve().parent.parent
        found = [path for pattern in ("lib/libthaw.so.0", "lib/*/libthaw.so.0", "lib64/libthaw.so.0")
                 for path in sorted(prefix.glob(pattern))]
    if not found:
        raise FileNotFoundError("the library libthaw.so is neither in the package nor beside the "
                                "program; THAW_LIBRARY may name it")
    return str(found[0])


@functools.lru_cache(maxsize=None)
def _load(path: str) -> Any:
    library = ctypes.CDLL(path)
    for name, result, arguments in (
            ("thaw_interface_version", ctypes.c_int, []),
            ("thaw_open", ctypes.c_int, [ctypes.c_char_p, ctypes.POINTER(ctypes.c_char_p),
                                         ctypes.POINTER(ctypes.c_void_p),
                                         ctypes.POINTER(ctypes.c_void_p)]),
            ("thaw_close", None, [ctypes.c_void_p]),
            ("thaw_warning", ctypes.c_char_p, [ctypes.c_void_p, ctypes.c_size_t]),
            ("thaw_tensor_count", ctypes.c_size_t, [ctypes.c_void_p]),
            ("thaw_describe", ctypes.c_int, [ctypes.c_void_p, ctypes.c_size_t,
                                             ctypes.POINTER(Tensor),
                                             ctypes.POINTER(ctypes.c_void_p)]),
            ("thaw_read_rows", ctypes.c_int, [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint64,
                                              ctypes.c_uint64, ctypes.c_void_p, ctypes.c_size_t,
                                              ctypes.POINTER(ctypes.c_void_p)]),
            ("thaw_file_count", ctypes.c_size_t, [ctypes.c_void_p]),
            ("thaw_describe_file", ctypes.c_int, [ctypes.c_void_p, ctypes.c_size_t,
                                                  ctypes.POINTER(File),
                                                  ctypes.POINTER(ctypes.c_void_p)]),
            ("thaw_read_file", ctypes.c_int, [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint64,
                                              ctypes.c_uint64, ctypes.c_void_p,
                                              ctypes.POINTER(ctypes.c_void_p)]),
            ("thaw_free", None, [ctypes.c_void_p])):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    version = library.thaw_interface_version()
    if version < INTERFACE_VERSION:
        raise ImportError(f"{path} has version {version} of its interface; this package needs "
                          f"{INTERFACE_VERSION}")
    return library


def library() -> Any:
    return _load(_path())


def option_list(options: Mapping[str, Any]) -> List[str]:
    """Keyword arguments as names and values for thaw_open. None and False leave an option out."""
    words: List[str] = []
    for keyword, value in options.items():
        if value is None or value is False:
            continue
        if keyword == "dtype":
            value = dtype_word(value)
        if not isinstance(value, (str, os.PathLike, int)):
            value = ",".join(value)
        word = "true" if value is True else str(os.fspath(value)
                                                if isinstance(value, os.PathLike) else value)
        words += [keyword.replace("_", "-"), word]
    return words


def _words_of_python(text: str) -> str:
    try:
        return in_words_of_python(text)
    except (OSError, ThawError):  # the library alone, without the program
        return text


class Handle:
    """A thaw_model that is open; used by any number of threads. ctypes lets go of the interpreter's
    lock while a function runs."""

    def __init__(self, model: str, options: Sequence[str]) -> None:
        self._library = library()
        self._source = model
        self._model: Optional[int] = None
        words = (ctypes.c_char_p * (len(options) + 1))(*[os.fsencode(word) for word in options], None)
        opened = ctypes.c_void_p()
        try:
            self._call(self._library.thaw_open, os.fsencode(model), words, ctypes.byref(opened))
        except UsageError as error:  # with ours there is no other mistake: a value of an option
            raise OptionValueError(error.messages, error.hint, error.exit_code) from None
        self._model = opened.value

    def _call(self, function: Callable[..., int], *arguments: Any) -> None:
        text = ctypes.c_void_p()
        code = function(*arguments, ctypes.byref(text))
        if code == 0:
            return
        said = ctypes.string_at(text.value).decode("utf-8", "replace") if text.value else ""
        self._library.thaw_free(text)
        lines = said.splitlines() or ["no memory is left to say what is wrong"]
        raise error_of(code, lines, (self._source,), None, _words_of_python)

    @property
    def _open(self) -> int:
        if self._model is None:
            raise ValueError("the model is closed")
        return self._model

    def close(self) -> None:
        model, self._model = self._model, None
        if model is not None:
            self._library.thaw_close(model)

    def warnings(self) -> List[str]:
        found: List[str] = []
        while True:
            text = self._library.thaw_warning(self._open, len(found))
            if text is None:
                return found
            found.append(text.decode("utf-8", "replace"))

    def tensors(self) -> List[Tensor]:
        described = []
        for index in range(self._library.thaw_tensor_count(self._open)):
            tensor = Tensor(struct_size=ctypes.sizeof(Tensor))
            self._call(self._library.thaw_describe, self._open, index, ctypes.byref(tensor))
            described.append(tensor)
        return described

    def files(self) -> List[File]:
        described = []
        for index in range(self._library.thaw_file_count(self._open)):
            file = File(struct_size=ctypes.sizeof(File))
            self._call(self._library.thaw_describe_file, self._open, index, ctypes.byref(file))
            described.append(file)
        return described

    def read_rows(self, tensor: int, first: int, count: int, to: int, room: int) -> None:
        self._call(self._library.thaw_read_rows, self._open, tensor, first, count, to, room)

    def read_file(self, file: int, offset: int, size: int, to: int) -> None:
        self._call(self._library.thaw_read_file, self._open, file, offset, size, to)
