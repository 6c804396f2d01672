"""Assigner, losses and the training loop for keypoint networks."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pose_train._version import __version__

if TYPE_CHECKING:
    from pose_train.assigner import Assignment, assign
    from pose_train.batches import Batch, BatchTargets, make_batch, make_targets
    from pose_train.events import (
        EpochEvent,
        Listener,
        MessageEvent,
        StartEvent,
        StepEvent,
        TrainEvent,
        ValidationEvent,
    )
    from pose_train.failures import TrainingError
    from pose_train.heatmaps import HeatmapBranch, heatmap_loss, make_heatmaps
    from pose_train.likelihood import Likelihood, LikelihoodBranch, ResidualFlow, likelihood_loss
    from pose_train.losses import LOSS_NAMES, Gains, LossItems, PoseLoss, keypoint_loss
    from pose_train.outcome import TrainResult, fitness
    from pose_train.overfitting import LearntImage, OverfitResult, OverfitSettings, overfit
    from pose_train.overlap import complete_iou
    from pose_train.recipes import make_train_settings, read_recipe, recipe_names
    from pose_train.refused import REFUSED_SETTINGS
    from pose_train.settings import TrainSettings
    from pose_train.training import train
    from pose_train.tune_space import DEFAULT_SPACE, SearchChoices, SearchRange, make_space
    from pose_train.tuning import TrialEvent, TuneListener, TuneResult, TuneSettings, tune
    from pose_train.validation import ValidationResult, validate

# Names are loaded when they are first asked for: whoever wants the settings alone pays for no torch. No module may
# have the name of something at the door: Python would put the module in its place.
_HOMES = {
    "assigner": ("Assignment", "assign"),
    "batches": ("Batch", "BatchTargets", "make_batch", "make_targets"),
    "events": ("EpochEvent", "Listener", "MessageEvent", "StartEvent", "StepEvent", "TrainEvent", "ValidationEvent"),
    "failures": ("TrainingError",),
    "heatmaps": ("HeatmapBranch", "heatmap_loss", "make_heatmaps"),
    "likelihood": ("Likelihood", "LikelihoodBranch", "ResidualFlow", "likelihood_loss"),
    "losses": ("LOSS_NAMES", "Gains", "LossItems", "PoseLoss", "keypoint_loss"),
    "outcome": ("TrainResult", "fitness"),
    "overfitting": ("LearntImage", "OverfitResult", "OverfitSettings", "overfit"),
    "overlap": ("complete_iou",),
    "recipes": ("make_train_settings", "read_recipe", "recipe_names"),
    "refused": ("REFUSED_SETTINGS",),
    "settings": ("TrainSettings",),
    "training": ("train",),
    "tune_space": ("DEFAULT_SPACE", "SearchChoices", "SearchRange", "make_space"),
    "tuning": ("TrialEvent", "TuneListener", "TuneResult", "TuneSettings", "tune"),
    "validation": ("ValidationResult", "validate"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "DEFAULT_SPACE",
    "LOSS_NAMES",
    "REFUSED_SETTINGS",
    "Assignment",
    "Batch",
    "BatchTargets",
    "EpochEvent",
    "Gains",
    "HeatmapBranch",
    "LearntImage",
    "Likelihood",
    "LikelihoodBranch",
    "Listener",
    "LossItems",
    "MessageEvent",
    "OverfitResult",
    "OverfitSettings",
    "PoseLoss",
    "ResidualFlow",
    "SearchChoices",
    "SearchRange",
    "StartEvent",
    "StepEvent",
    "TrainEvent",
    "TrainResult",
    "TrainSettings",
    "TrainingError",
    "TrialEvent",
    "TuneListener",
    "TuneResult",
    "TuneSettings",
    "ValidationEvent",
    "ValidationResult",
    "__version__",
    "assign",
    "complete_iou",
    "fitness",
    "heatmap_loss",
    "keypoint_loss",
    "likelihood_loss",
    "make_batch",
    "make_heatmaps",
    "make_space",
    "make_targets",
    "make_train_settings",
    "overfit",
    "read_recipe",
    "recipe_names",
    "train",
    "tune",
    "validate",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'pose_train' has no attribute {name!r}")
    value = getattr(import_module(f"pose_train.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
