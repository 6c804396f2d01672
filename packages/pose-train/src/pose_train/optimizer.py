"""Which parameters learn how: groups, and the optimizer that the settings ask for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from pose_data import SettingsError
from torch import nn
from torch.optim import SGD, Adam, Adamax, AdamW, NAdam, Optimizer, RAdam, RMSprop

from pose_train.muon import Muon
from pose_train.settings import TrainSettings

NOMINAL = 64
IMAGE_CHANNELS = 3
SUMMED = ("SGD", "RMSProp")  # whose momentum sums gradients up; the others take means
OWN_OF_AUTO = ("lr0", "momentum", "warmup_bias_lr")  # which it has values of its own for
LONG_RUN = 10_000  # steps of the nominal batch; above it `auto` takes SGD


@dataclass(frozen=True)
class OptimizerPlan:
    """What a run steps with.

    Args:
        name: of the optimizer.
        lr: first learning rate.
        nbs: nominal batch; smaller ones add up to it before a step.
    """

    name: str
    lr: float
    nbs: int


def plan_optimizer(settings: TrainSettings, *, images: int, num_classes: int) -> OptimizerPlan:
    """Say what the settings mean for epochs of so many images.

    `auto` is AdamW in a short run and SGD in a long one, as in the published recipe. AdamW steps after each batch
    unless `nbs` says otherwise: a short run has few steps, and learns more from more of them.

    Raises:
        SettingsError: a momentum that the optimizer can't have.
    """
    nominal = settings.nbs or NOMINAL
    if settings.optimizer != "auto":
        _check_momentum(settings)
        return OptimizerPlan(settings.optimizer, settings.lr0, nominal)
    if math.ceil(images / max(settings.batch, nominal)) * settings.epochs > LONG_RUN:
        return OptimizerPlan("SGD", 0.01, nominal)
    return OptimizerPlan("AdamW", round(0.002 * 5 / (4 + num_classes), 6), settings.nbs or settings.batch)


def ignored_settings(settings: TrainSettings) -> list[str]:
    """Say which settings were given that `auto`, which chooses for itself, doesn't look at."""
    usual = TrainSettings()
    names = [name for name in OWN_OF_AUTO if getattr(settings, name) != getattr(usual, name)]
    if settings.optimizer != "auto" or not names:
        return []
    given = ", ".join(f"{name}={getattr(settings, name):g}" for name in names)
    return [f"optimizer=auto chooses for itself and leaves out {given}; to have it, name one, such as optimizer=AdamW"]


def _check_momentum(settings: TrainSettings) -> None:
    """Refuse what would never let go of the first gradient: means that weigh the newest one by 1 - beta1."""
    if settings.momentum >= 1 and settings.optimizer not in SUMMED:
        raise SettingsError(
            f"momentum must be below 1 with optimizer={settings.optimizer}; got {settings.momentum:g}; 0.9 is usual"
        )


def make_optimizer(net: nn.Module, name: str, *, lr: float, momentum: float, weight_decay: float) -> Optimizer:
    """Make an optimizer in which only convolution weights decay.

    Args:
        net: its parameters that take gradients are learnt.
        name: "SGD" (with Nesterov momentum), "RMSProp", "Muon", or one of Adam's family.
        lr: first learning rate.
        momentum: momentum of SGD, RMSProp and Muon, beta1 of the others.
        weight_decay: of convolution weights.
    """
    groups = [
        {"params": params, "kind": kind, "initial_lr": lr, "weight_decay": weight_decay if kind == "weight" else 0.0}
        for kind, params in _groups(net).items()
        if params
    ]
    if name == "Muon":
        return Muon(_orthogonal_apart(net, groups), lr=lr, beta1=momentum)
    if name == "SGD":
        return SGD(groups, lr=lr, momentum=momentum, nesterov=momentum > 0)
    if name == "RMSProp":
        return RMSprop(groups, lr=lr, momentum=momentum)
    if name in ("Adam", "AdamW"):
        return (Adam if name == "Adam" else AdamW)(groups, lr=lr, betas=(momentum, 0.999), fused=True)
    family: dict[str, type[Adamax | NAdam | RAdam]] = {"Adamax": Adamax, "NAdam": NAdam, "RAdam": RAdam}
    return family[name](groups, lr=lr, betas=(momentum, 0.999))


def freeze_layers(layers: nn.ModuleList, chosen: int | tuple[int, ...] | None) -> None:
    """Keep layers from learning: the first so many, or those with these indices.

    Raises:
        SettingsError: there is no such layer, or none is left that learns.
    """
    if isinstance(chosen, int) and chosen > len(layers):
        raise SettingsError(
            f"freeze: must be a number of layers up to {len(layers) - 1}, of {len(layers)}; got {chosen}"
        )
    indices = range(chosen) if isinstance(chosen, int) else chosen or ()
    for index in indices:
        if not 0 <= index < len(layers):
            raise SettingsError(f"freeze: layers must be from 0 to {len(layers) - 1}; got {index}")
        layers[index].requires_grad_(False)
    if not any(parameter.requires_grad for parameter in layers.parameters()):
        raise SettingsError(f"freeze: must leave a layer that learns; got all {len(layers)}; freeze fewer")


def hold_frozen(net: nn.Module) -> None:
    """Keep the statistics of frozen layers as they are."""
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and not module.weight.requires_grad:
            module.eval()


def _groups(net: nn.Module) -> dict[str, list[torch.nn.Parameter]]:
    groups: dict[str, list[torch.nn.Parameter]] = {"bias": [], "norm": [], "weight": []}
    for module in net.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad:
                is_norm = isinstance(module, nn.modules.batchnorm._BatchNorm)
                kind = "bias" if name == "bias" else "norm" if is_norm else "weight"
                groups[kind].append(parameter)
    return groups


def _orthogonal_apart(net: nn.Module, groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Split the weights into those that Muon is for and the others, which learn by AdamW.

    It is for what lies between two layers: not for the convolution that reads images, nor for those that give
    outputs, which alone have a bias.
    """
    inner = {
        id(module.weight)
        for module in net.modules()
        if isinstance(module, nn.Conv2d) and module.bias is None and module.in_channels > IMAGE_CHANNELS
    }
    split: list[dict[str, Any]] = []
    for group in groups:
        apart = {True: [], False: []}  # type: dict[bool, list[nn.Parameter]]
        for parameter in group["params"]:
            apart[id(parameter) in inner].append(parameter)
        split += [group | {"params": params, "orthogonal": kind} for kind, params in apart.items() if params]
    return sorted(split, key=lambda group: bool(group["orthogonal"]))
