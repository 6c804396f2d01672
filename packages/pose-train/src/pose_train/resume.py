"""All that a run needs to go on, in one file that never executes anything when it is read."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import torch
from pose_data import CheckpointError, atomic_path
from pose_nn import PoseNet
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from pose_train.ema import WeightAverage


@dataclasses.dataclass
class Progress:
    """How far a run is.

    Args:
        epoch: whole epochs done.
        epochs: planned; changes when the run has a time budget.
        steps: batches seen.
        best_fitness: of the epochs so far.
        best_epoch: from 1; 0 when none was validated.
        seconds: spent so far.
        waiting: batches since the last optimizer step, whose gradients have been added up.
    """

    epoch: int = 0
    epochs: int = 0
    steps: int = 0
    best_fitness: float = -1.0
    best_epoch: int = 0
    seconds: float = 0.0
    waiting: int = 0


def save_state(
    path: Path, *, net: nn.Module, average: WeightAverage[PoseNet], optimizer: Optimizer, progress: Progress
) -> None:
    """Write network, average, optimizer, gradients that still wait, and progress, whole or not at all."""
    tensors = {f"net.{name}": value for name, value in net.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in average.net.state_dict().items()}
    if progress.waiting:
        tensors |= {f"gradient.{name}": p.grad for name, p in net.named_parameters() if p.grad is not None}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items() if isinstance(value, Tensor)}
    document = {**dataclasses.asdict(progress), "updates": average.updates}
    whole = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(whole, temporary, metadata={"progress": json.dumps(document)})


def load_state(path: Path, *, net: nn.Module, average: WeightAverage[PoseNet], optimizer: Optimizer) -> Progress:
    """Put a saved state back.

    Raises:
        CheckpointError: the file is damaged or of another network.
    """
    try:
        with safe_open(path, framework="pt") as file:
            document = json.loads((file.metadata() or {})["progress"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        net.load_state_dict(_part(tensors, "net."))
        average.net.load_state_dict(_part(tensors, "average."))
        average.updates = document.pop("updates")
        _load_optimizer(optimizer, _part(tensors, "optimizer."))
        _load_gradients(net, _part(tensors, "gradient."))
        return Progress(**document)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{path}: the state of the run can't be read ({type(error).__name__}: {str(error).splitlines()[0]}); "
            "start a new run with model=<its last or best checkpoint>"
        ) from error


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}


def _load_gradients(net: nn.Module, gradients: dict[str, Tensor]) -> None:
    for name, parameter in net.named_parameters():
        if name in gradients:
            parameter.grad = torch.empty_like(parameter).copy_(gradients[name])


def _load_optimizer(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            for key, value in optimizer.state.get(parameter, {}).items():
                if (
                    value.shape == parameter.shape
                ):  # in the memory order of the parameter, as a running optimizer has it
                    optimizer.state[parameter][key] = torch.empty_like(parameter).copy_(value)
