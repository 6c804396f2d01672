"""Where a run learns: its device, its precision, and the processes that share the work."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from pose_data import SettingsError
from pose_nn import find_device
from torch import Tensor, distributed

from pose_train.settings import TrainSettings


class Engine:
    """The processes of a run, of which this is one; alone, every method is a plain one.

    Args:
        accelerator: accelerate's engine, set up for the device and the processes.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator
        self.device: torch.device = accelerator.device
        self.rank: int = accelerator.process_index
        self.world: int = accelerator.num_processes

    @property
    def writes(self) -> bool:
        """Whether this is the one process that writes and tells."""
        return self.rank == 0

    @property
    def precision(self) -> torch.dtype | None:
        """What layers are calculated in where they can; None for float32 throughout."""
        return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.accelerator.mixed_precision)

    def total(self, values: Tensor) -> Tensor:
        """Add up numbers over all processes; they take no gradient."""
        values = values.detach()
        if self.world > 1:
            values = values.clone()
            distributed.all_reduce(values)
        return values

    def any(self, flag: bool) -> bool:
        """Tell every process whether one of them says yes."""
        return flag if self.world == 1 else bool(self.total(torch.tensor(float(flag), device=self.device)) > 0)

    def agreed(self, value: float) -> float:
        """Give every process the number that the writing one has."""
        if self.world == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float32, device=self.device)
        distributed.broadcast(shared, src=0)
        return float(shared)

    def gather(self, content: bytes) -> list[bytes]:
        """Give every process the bytes of all, in the order of ranks."""
        if self.world == 1:
            return [content]
        length = torch.tensor(len(content), device=self.device)
        lengths = [torch.zeros_like(length) for _ in range(self.world)]
        distributed.all_gather(lengths, length)
        longest = max(int(n) for n in lengths)
        mine = torch.zeros(longest, dtype=torch.uint8, device=self.device)
        mine[: len(content)] = torch.frombuffer(bytearray(content or b"\0"), dtype=torch.uint8)[: len(content)]
        parts = [torch.zeros_like(mine) for _ in range(self.world)]
        distributed.all_gather(parts, mine)
        return [part[: int(n)].cpu().numpy().tobytes() for part, n in zip(parts, lengths, strict=True)]

    def wait(self) -> None:
        """Go on when every process has come here."""
        self.accelerator.wait_for_everyone()


def make_engine(settings: TrainSettings) -> Engine:
    """Set up the device and, when started by torchrun or accelerate, the other processes.

    Raises:
        SettingsError: there is no such device.
    """
    if "," in settings.device:
        count = len(settings.device.split(","))
        start = f"CUDA_VISIBLE_DEVICES={settings.device} torchrun --standalone --nproc-per-node {count} --no-python"
        raise SettingsError(
            f"device: each process learns on one device; got '{settings.device}'; start one for each GPU with: {start} "
            "pose train ..."
        )
    wanted = find_device(settings.device or "auto")
    if wanted.type == "cuda" and wanted.index is not None:
        torch.cuda.set_device(wanted)
    AcceleratorState._reset_state(reset_partial_state=True)  # a run before this one may have asked for another device
    on_cpu = learns_on_cpu(settings.device)
    has_gpu = not on_cpu and torch.cuda.is_available()
    precision = ("bf16" if torch.cuda.is_bf16_supported() else "fp16") if has_gpu and settings.amp else "no"
    return Engine(Accelerator(cpu=on_cpu, mixed_precision=precision))


def learns_on_cpu(device: str) -> bool:
    """Tell whether a run must ask for the CPU: accelerate joins processes without a GPU only where it is asked for."""
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    return device == "cpu" or (several and not torch.cuda.is_available())


@contextmanager
def reproducible(settings: TrainSettings) -> Iterator[None]:
    """Take only deterministic algorithms for as long as the run goes on, where the settings ask for it."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(settings.deterministic, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
