"""Run TorchScript files with torch, without the code of the network."""

from __future__ import annotations

import os
import warnings
import zipfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard, Runtime

from pose_export.card import KEYS, FileShape, settle_card
from pose_export.options import RunOptions
from pose_export.run.cores import count_cores
from pose_export.run.file import FileRuntime, first_line

_UNKNOWN = FileShape(any_size=None)  # a traced file doesn't say its shapes


class TorchScriptRuntime(FileRuntime):
    """A TorchScript file; satisfies `pose_data.Runtime`.

    It runs on the CPU: a trace holds the device that it was made on.

    Args:
        path: the file.
        threads: CPU threads; None means what OMP_NUM_THREADS says, or else all cores.
        card: what the network is, for a file that doesn't say it.

    Raises:
        ExportError: the file is missing, damaged, not TorchScript, has no card, or isn't what its card says.
    """

    runner = "torch, TorchScript on the CPU"

    def __init__(self, path: Path, *, threads: int | None = None, card: ModelCard | None = None) -> None:
        self._module, metadata = _read_file(path)
        settled = settle_card(card, metadata, _UNKNOWN, source=str(path))
        super().__init__(source=str(path), card=settled, batch=None if settled.dynamic else settled.batch)
        self._threads = threads or _default_threads()
        self.check_card_by_running()

    def _run(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        before = torch.get_num_threads()  # torch has one number for the whole process: it gets it back
        torch.set_num_threads(self._threads)
        try:
            with torch.inference_mode():
                # A read-only array is copied, for torch can't promise not to write to it.
                pixels = torch.from_numpy(np.require(images, requirements=["C", "W"]))
                # The planes keep the pixels' order in memory: nothing is moved, and CPUs convolve that faster. It is
                # asked for by name, for a view of one image has a stride of 0 that torch takes for another order.
                planes = pixels.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.channels_last)
                outputs = self._module(planes.div_(255))
            if isinstance(outputs, torch.Tensor):
                outputs = (outputs,)
            return [np.asarray(output.numpy(), dtype=np.float32) for output in outputs]
        except (RuntimeError, AttributeError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise ExportError(f"{self._source}: torch can't run it: {reason}; export it again") from error
        finally:
            torch.set_num_threads(before)


def open_runtime(path: Path, options: RunOptions) -> Runtime:
    """Load a TorchScript file.

    Raises:
        ExportError: it can't be read, has no card, or isn't what its card says.
    """
    return TorchScriptRuntime(path, threads=options.threads, card=options.card)


def _read_file(path: Path) -> tuple[torch.jit.ScriptModule, dict[str, str]]:
    if not zipfile.is_zipfile(path):
        raise ExportError(
            f"{path}: must be a whole TorchScript file; got one that is cut off, or is something else; copy it again, "
            "or export it again"
        )
    extra: dict[str, str | bytes] = dict.fromkeys(KEYS, "")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            module = torch.jit.load(str(path), map_location="cpu", _extra_files=extra)  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError, OSError) as error:
        reason = first_line(error).split(". ")[0]
        raise ExportError(
            f"{path}: must be a whole TorchScript file that torch {torch.__version__} can run; "
            f"it says: {reason}; export it again"
        ) from error
    texts = {key: value.decode("utf-8") if isinstance(value, bytes) else value for key, value in extra.items()}
    return module.eval(), {key: text for key, text in texts.items() if text}


def _default_threads() -> int:
    if os.environ.get("OMP_NUM_THREADS"):
        return torch.get_num_threads()
    return count_cores()
