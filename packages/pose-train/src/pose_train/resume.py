"""All that a run needs to go on, in one file that never executes anything when it is read."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from pose_data import CheckpointError, atomic_path
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

if TYPE_CHECKING:
    from pose_train.learner import Learner

RATES = ("lr", "momentum")  # of a group of parameters: what the schedule changes


@dataclasses.dataclass
class Progress:
    """How far a run is.

    Args:
        epoch: whole epochs done.
        epochs: planned; changes when the run has a time budget.
        steps: batches seen in the whole run.
        step: batches seen in the epoch that has begun.
        sums: of the losses of these.
        waiting: batches since the last optimizer step, whose gradients have been added up.
        best_fitness: of the epochs so far.
        best_epoch: from 1; 0 when none was validated.
        recoveries: returns to an earlier state after a loss that was no number.
        seconds: spent so far.
    """

    epoch: int = 0
    epochs: int = 0
    steps: int = 0
    step: int = 0
    sums: list[float] = dataclasses.field(default_factory=list)
    waiting: int = 0
    best_fitness: float = -1.0
    best_epoch: int = 0
    recoveries: int = 0
    seconds: float = 0.0


def save_state(path: Path, learner: Learner, progress: Progress) -> None:
    """Write network, branches, average, optimizer, gradients that still wait, and progress, whole or not at all.

    Raises:
        PoseError: the file can't be written.
    """
    parts = _parts(learner)
    tensors = {f"{part}.{name}": value for part, module in parts.items() for name, value in module.state_dict().items()}
    if progress.waiting:
        tensors |= {f"gradient.{name}": p.grad for name, p in learner.student.named_parameters() if p.grad is not None}
    for index, state in learner.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items() if isinstance(value, Tensor)}
    scaler = learner.engine.accelerator.scaler
    document = {
        **dataclasses.asdict(progress),
        "updates": learner.average.updates,
        "numbers": _numbers(learner.optimizer),
        "rates": [{key: group[key] for key in RATES if key in group} for group in learner.optimizer.param_groups],
        "scaler": scaler.state_dict() if scaler is not None else None,
    }
    whole = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    # The bytes are made first, so that a full disk is an error of the operating system.
    content = save(whole, metadata={"progress": json.dumps(document)})
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def load_state(path: Path, learner: Learner) -> Progress:
    """Put a saved state back.

    Raises:
        CheckpointError: the file is damaged or of another network.
    """
    try:
        with safe_open(path, framework="pt") as file:
            document = json.loads((file.metadata() or {})["progress"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        for part, module in _parts(learner).items():
            module.load_state_dict(_part(tensors, f"{part}."))
        learner.average.updates = document.pop("updates")
        _load_optimizer(learner.optimizer, _part(tensors, "optimizer."), document.pop("numbers"))
        for group, rates in zip(learner.optimizer.param_groups, document.pop("rates"), strict=True):
            group.update(rates)
        _load_gradients(learner.student, _part(tensors, "gradient."))
        scaler, state = learner.engine.accelerator.scaler, document.pop("scaler")
        if scaler is not None and state is not None:
            scaler.load_state_dict(state)
        return Progress(**document)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{path}: the state of the run can't be read ({type(error).__name__}: {str(error).splitlines()[0]}); "
            "start a new run with model=<its last or best checkpoint>"
        ) from error


def _parts(learner: Learner) -> dict[str, nn.Module]:
    parts: dict[str, nn.Module] = {"net": learner.student.net, "average": learner.average.net}
    if learner.student.branch is not None:
        parts["branch"] = learner.student.branch
    if learner.student.likelihood is not None:
        parts["likelihood"] = learner.student.likelihood
    return parts


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}


def _numbers(optimizer: Optimizer) -> dict[str, dict[str, float]]:
    """Collect what an optimizer keeps beside tensors, by parameter."""
    state = optimizer.state_dict()["state"]
    return {str(i): {k: v for k, v in s.items() if isinstance(v, float | int)} for i, s in state.items()}


def _load_gradients(student: nn.Module, gradients: dict[str, Tensor]) -> None:
    for name, parameter in student.named_parameters():
        parameter.grad = torch.empty_like(parameter).copy_(gradients[name]) if name in gradients else None


def _load_optimizer(optimizer: Optimizer, tensors: dict[str, Tensor], numbers: dict[str, dict[str, float]]) -> None:
    state: dict[int, dict[str, Tensor | float]] = {int(i): dict(values) for i, values in numbers.items()}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            for key, value in optimizer.state.get(parameter, {}).items():
                # in the memory order of the parameter, as a running optimizer has it
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    optimizer.state[parameter][key] = torch.empty_like(parameter).copy_(value)
