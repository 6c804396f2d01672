"""Read a torch archive (.pt): a zip of one pickle and the numbers of its tensors, each a member of its own."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path

import torch
from pose_data import CheckpointError
from torch import Tensor

from pose_nn.unpickler import StoredTensor, read_pickle

MAX_PICKLE_BYTES = 16 * 2**20  # the largest network's pickle is 0.3 MB; a short pickle can fill much memory


class Archive:
    """An archive that is open until the `with` block ends.

    Args:
        path: a torch zip archive.

    Raises:
        CheckpointError: the file is cut off, compressed, or not laid out as torch lays it out.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._members: dict[str, zipfile.ZipInfo] = {}
        try:
            self._file = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise CheckpointError(f"{path}: is cut off or damaged ({error}); copy or download it again") from error
        except OSError as error:
            raise CheckpointError(f"{path}: can't be read ({error.strerror or error})") from error
        try:
            self._check(self._file.infolist())
            self._prefix = self._find_prefix()
        except CheckpointError:
            self._file.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def has(self, name: str) -> bool:
        """Whether there is a member of this name below the archive's folder."""
        return self._prefix + name in self._members

    def read_object(self) -> object:
        """Read what the pickle holds, tensors left unread.

        Raises:
            CheckpointError: it names something that isn't allowed, or isn't a pickle.
        """
        if self.has("byteorder") and self._read("byteorder") != b"little":
            raise self._error("its numbers must be little-endian; save it again on an ordinary machine")
        return read_pickle(self._read("data.pkl"), source=self.path)

    def read_tensor(self, stored: StoredTensor) -> Tensor:
        """Read the numbers of one tensor.

        Raises:
            CheckpointError: its description doesn't fit the numbers.
        """
        storage, name = stored.storage, f"data/{stored.storage.key}"
        if not self.has(name):
            raise self._error(f"has no member '{name}'; copy or download it again")
        shape, strides = stored.shape, stored.strides
        count: int = math.prod(shape)
        last = stored.offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        available = self._members[self._prefix + name].file_size // storage.dtype.itemsize
        # Strides of 0 could describe a tensor of any size in one number.
        if count > available or (count and last >= min(available, storage.count)):
            raise self._error(
                f"a tensor of shape {shape} must lie within the {available} numbers of '{name}'; it doesn't"
            )
        if not count:
            return torch.empty(shape, dtype=storage.dtype)
        numbers = torch.frombuffer(bytearray(self._read(name)), dtype=storage.dtype)
        return numbers.as_strided(shape, strides, stored.offset).contiguous()

    def _check(self, members: list[zipfile.ZipInfo]) -> None:
        if any(member.filename.endswith("/constants.pkl") for member in members):
            raise self._error("is an exported TorchScript file: it can be run, but it isn't a file of weights")
        for member in members:
            parts = member.filename.split("/")
            if ".." in parts or member.filename.startswith("/") or "\\" in member.filename:
                raise self._error(
                    f"has a member {member.filename!r} that points out of the archive; don't use this file"
                )
            if member.filename in self._members:
                raise self._error(f"has two members {member.filename!r}; copy or download it again")
            # Without compression nothing can grow beyond the file's own size while it is read.
            if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
                raise self._error(
                    f"its members must be stored as they are; got {member.filename!r}, {member.compress_size} bytes "
                    f"that say they become {member.file_size}; save the file again with torch.save"
                )
            self._members[member.filename] = member
        if sum(member.file_size for member in members) > self.path.stat().st_size:
            raise self._error("its members overlap: together they are larger than the file; don't use it")

    def _find_prefix(self) -> str:
        found = [name for name in self._members if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(found) != 1:
            raise self._error(
                "must be an archive of torch.save with one data.pkl; got another zip; give a file of weights"
            )
        return found[0].removesuffix("data.pkl")

    def _read(self, name: str) -> bytes:
        member = self._members[self._prefix + name]
        if name == "data.pkl" and member.file_size > MAX_PICKLE_BYTES:
            raise self._error(
                f"its pickle must be at most {MAX_PICKLE_BYTES // 2**20} MiB; got {member.file_size} bytes; "
                "keep the weights alone in the file"
            )
        try:
            return self._file.read(member)
        except (zipfile.BadZipFile, OSError, EOFError, RuntimeError) as error:
            raise self._error(
                f"its member {member.filename!r} is cut off or damaged ({error}); copy or download it again"
            ) from error

    def _error(self, reason: str) -> CheckpointError:
        return CheckpointError(f"{self.path}: {reason}")
