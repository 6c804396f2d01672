"""Unpickle without executing anything: names are looked up in a table, and any other name is refused.

A pickle is a program: it may call any function that it names. This reader gives it nothing to call. Classes of
networks become inert objects that only remember what they were given, tensors become descriptions to be read
later, and a name that isn't in the tables below ends the reading.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from pose_data import CheckpointError

MAX_ITEMS = 1_000  # of a set or a dict made in one go: few bytes of pickle can copy a collection many times
MAX_COUNT = 2**48  # of numbers in a tensor; whole numbers in a pickle have no end
INERT_PACKAGES = ("ultralytics.", "torch.nn.modules.", "pathlib.")
# Single numbers that training logs hold, and the devices that losses remember.
INERT_NAMES = (
    *("torch.device", "numpy.dtype", "_codecs.encode"),
    *("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"),
)
STORAGE_TYPES = {
    "torch.DoubleStorage": torch.float64,
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}


class Inert:
    """An object of a class that isn't here: it keeps its attributes and does nothing.

    `origin` is the class's full name, `state` the attributes.
    """

    __slots__ = ("state",)
    origin = ""
    state: dict[str, object]

    def __new__(cls, *_: object, **__: object) -> Inert:
        """Take any arguments and forget them."""
        made = super().__new__(cls)
        made.state = {}
        return made

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        if isinstance(state, dict):
            self.state = {str(key): value for key, value in state.items()}


@dataclass(frozen=True)
class Storage:
    """Where the numbers of tensors lie: the archive's member data/<key>, `count` numbers of `dtype`."""

    dtype: torch.dtype
    key: str
    count: int

    __setstate__ = None


@dataclass(frozen=True)
class StoredTensor:
    """A tensor that has not been read yet."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    __setstate__ = None


def read_pickle(data: bytes, *, source: Path) -> object:
    """Read what a pickle holds.

    Args:
        source: the file that it was found in, for messages.

    Raises:
        CheckpointError: it names something that isn't allowed, or it is damaged.
    """
    try:
        return _Reader(data, source).load()
    except CheckpointError:
        raise
    except Exception as error:
        raise CheckpointError(
            f"{source}: its pickle can't be read ({type(error).__name__}: {error}); copy or download it again"
        ) from error


class _Reader(pickle.Unpickler):
    """An unpickler that knows the names of the tables above and no other."""

    def __init__(self, data: bytes, path: Path) -> None:
        super().__init__(io.BytesIO(data))
        self._path = path
        self._classes: dict[str, type[Inert]] = {}

    def find_class(self, module: str, name: str, /) -> object:
        """Give an inert stand-in for a known name, and refuse every other one by its name."""
        full = f"{module}.{name}"
        if full in _FUNCTIONS:
            return _Named(_FUNCTIONS[full])
        if full in STORAGE_TYPES:
            return _StorageType(STORAGE_TYPES[full])
        if full.startswith(INERT_PACKAGES) or full in INERT_NAMES:
            if full not in self._classes:
                self._classes[full] = type(name, (Inert,), {"__slots__": (), "origin": full})
            return self._classes[full]
        raise CheckpointError(
            f"{self._path}: refused, for its pickle names {full!r}, which no file of weights needs; nothing of it was "
            "executed; don't use this file unless you know who made it"
        )

    def persistent_load(self, pid: object) -> Storage:
        if not isinstance(pid, tuple) or len(pid) != 5 or pid[0] != "storage" or not isinstance(pid[1], _StorageType):
            raise pickle.UnpicklingError("a stored tensor must be described as torch.save does it")
        return Storage(pid[1].dtype, str(pid[2]), _check_count(pid[4]))


class _Named:
    """Something that a pickle may call, closed against a pickle that tries to change it."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function

    def __call__(self, *args: object) -> object:
        return self._function(*args)

    def __setstate__(self, _: object) -> None:
        raise pickle.UnpicklingError("a function can't be given a state")


class _StorageType:
    """A name like HalfStorage."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype

    def __setstate__(self, _: object) -> None:
        raise pickle.UnpicklingError("a type can't be given a state")


class _Ordered(dict[object, object]):
    """An ordered dict, without the attributes that it may have been saved with."""

    def __setstate__(self, _: object) -> None:
        pass


def _make_set(items: object = ()) -> frozenset[object]:
    if not isinstance(items, (list, tuple)) or len(items) > MAX_ITEMS:
        raise pickle.UnpicklingError(f"a set must have a list of at most {MAX_ITEMS} items")
    return frozenset(items)


def _make_ordered(*pairs: object) -> _Ordered:
    if pairs and not (isinstance(pairs[0], (list, tuple)) and len(pairs[0]) <= MAX_ITEMS):
        raise pickle.UnpicklingError(f"a dict must have a list of at most {MAX_ITEMS} items")
    return _Ordered(*pairs)


def _make_size(items: object = ()) -> tuple[int, ...]:
    if not isinstance(items, (list, tuple)) or len(items) > 64:
        raise pickle.UnpicklingError("a size must be a few whole numbers")
    return tuple(_check_count(n) for n in items)


def _check_count(number: object) -> int:
    if not isinstance(number, int) or not 0 <= number <= MAX_COUNT:
        raise pickle.UnpicklingError(f"a size must be a whole number from 0 to {MAX_COUNT}")
    return number


def _make_tensor(storage: object, offset: object, shape: object, strides: object, *_: object) -> StoredTensor:
    if not isinstance(storage, Storage):
        raise pickle.UnpicklingError("a tensor must be described by its storage")
    sides, steps = _make_size(shape), _make_size(strides)
    if len(sides) != len(steps):
        raise pickle.UnpicklingError("a tensor must have as many strides as sides")
    return StoredTensor(storage, _check_count(offset), sides, steps)


def _make_parameter(tensor: object, *_: object) -> object:
    return tensor


_FUNCTIONS: dict[str, Callable[..., object]] = {
    "torch._utils._rebuild_tensor": _make_tensor,
    "torch._utils._rebuild_tensor_v2": _make_tensor,
    "torch._utils._rebuild_parameter": _make_parameter,
    "torch.Size": _make_size,
    "collections.OrderedDict": _make_ordered,
    "__builtin__.set": _make_set,
    "builtins.set": _make_set,
}
