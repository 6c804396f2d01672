"""Which parameters learn how: groups, and the optimizer that the settings ask for."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

LONG_RUN = 10_000  # optimizer steps; from here on `auto` takes SGD


def choose_optimizer(name: str, *, iterations: int, num_classes: int, lr0: float) -> tuple[str, float]:
    """Say which optimizer and learning rate `auto` means for a run of so many optimizer steps."""
    if name != "auto":
        return name, lr0
    if iterations > LONG_RUN:
        return "SGD", 0.01
    return "AdamW", round(0.002 * 5 / (4 + num_classes), 6)


def make_optimizer(net: nn.Module, name: str, *, lr: float, momentum: float, weight_decay: float) -> Optimizer:
    """Make an optimizer in which only convolution weights decay.

    Args:
        net: its parameters that take gradients are learnt.
        name: "SGD" (with Nesterov momentum), "Adam" or "AdamW".
        lr: first learning rate.
        momentum: momentum of SGD, beta1 of the others.
        weight_decay: of convolution weights.
    """
    groups = [
        {"params": params, "kind": kind, "initial_lr": lr, "weight_decay": weight_decay if kind == "weight" else 0.0}
        for kind, params in _groups(net).items()
        if params
    ]
    if name == "SGD":
        return SGD(groups, lr=lr, momentum=momentum, nesterov=momentum > 0)
    kind = Adam if name == "Adam" else AdamW
    return kind(groups, lr=lr, betas=(momentum, 0.999), fused=True)


def _groups(net: nn.Module) -> dict[str, list[torch.nn.Parameter]]:
    groups: dict[str, list[torch.nn.Parameter]] = {"bias": [], "norm": [], "weight": []}
    for module in net.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad:
                kind = "bias" if name == "bias" else "norm" if isinstance(module, nn.BatchNorm2d) else "weight"
                groups[kind].append(parameter)
    return groups
