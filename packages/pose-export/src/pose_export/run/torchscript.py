"""Run TorchScript files with torch, without the code of the network."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard, Runtime

from pose_export.card import CARD_KEY, FileShape, settle_card
from pose_export.options import RunOptions
from pose_export.run.inputs import check_images, check_output, make_input, run_in_batches

_UNKNOWN = FileShape(None, None, None, None, None)  # a traced file doesn't say its shapes


class TorchScriptRuntime:
    """A TorchScript file with the raw output contract; satisfies `pose_data.Runtime`.

    It runs on the CPU: a trace holds the device that it was made on.

    Args:
        path: the file.
        threads: CPU threads; None means what OMP_NUM_THREADS says, or else all cores.
        card: what the network is, for a file that doesn't say it.

    Raises:
        ExportError: the file is missing, damaged, not TorchScript, or has no card.
    """

    def __init__(self, path: Path, *, threads: int | None = None, card: ModelCard | None = None) -> None:
        self._source = str(path)
        self._module, metadata = _read_file(path)
        self._card = settle_card(card, metadata, _UNKNOWN, source=self._source)
        self._threads = threads or _default_threads()

    @property
    def card(self) -> ModelCard:
        """What the network is."""
        return self._card

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the network.

        Args:
            images: (B, H, W, 3) uint8 RGB, letterboxed. Any B: a file of a fixed batch is called as
                often as it takes.

        Returns:
            (B, 4 + C + D K, A) float32, in pixels of the input.

        Raises:
            ExportError: images of another size than the file takes, or a failure inside torch.
        """
        size, batch = (None, None) if self._card.dynamic else (self._card.imgsz, self._card.batch)
        check_images(images, size=size, stride=self._card.stride, source=self._source)
        if not len(images):
            return np.zeros((0, self._card.channels, 0), np.float32)
        output = run_in_batches(self._run, images, batch=batch)
        check_output(output, self._card, size=(images.shape[1], images.shape[2]), source=self._source)
        return output

    def _run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        before = torch.get_num_threads()  # torch has one number for the whole process: it gets it back
        torch.set_num_threads(self._threads)
        try:
            with torch.inference_mode():
                output = self._module(torch.from_numpy(make_input(images)))
            return np.asarray(output.numpy(), dtype=np.float32)
        except (RuntimeError, AttributeError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise ExportError(f"{self._source}: torch can't run it: {reason}; export it again") from error
        finally:
            torch.set_num_threads(before)


def open_runtime(path: Path, options: RunOptions) -> Runtime:
    """Load a TorchScript file.

    Raises:
        ExportError: it can't be read, or has no card.
    """
    return TorchScriptRuntime(path, threads=options.threads, card=options.card)


def _read_file(path: Path) -> tuple[torch.jit.ScriptModule, dict[str, str]]:
    extra: dict[str, str | bytes] = {CARD_KEY: ""}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            module = torch.jit.load(str(path), map_location="cpu", _extra_files=extra)  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ExportError(
            f"{path}: must be a whole TorchScript file that torch {torch.__version__} can run; "
            f"it says: {reason}; export it again"
        ) from error
    texts = {key: value.decode("utf-8") if isinstance(value, bytes) else value for key, value in extra.items()}
    return module.eval(), {key: text for key, text in texts.items() if text}


def _default_threads() -> int:
    if os.environ.get("OMP_NUM_THREADS"):
        return torch.get_num_threads()
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
