"""Assigner, losses and the training loop for keypoint networks."""

from pose_train._version import __version__
from pose_train.assigner import Assignment, assign
from pose_train.batches import Batch, BatchTargets, make_batch, make_targets
from pose_train.events import EpochEvent, Listener, MessageEvent, StartEvent, StepEvent, TrainEvent, ValidationEvent
from pose_train.losses import LOSS_NAMES, Gains, LossItems, PoseLoss, keypoint_loss
from pose_train.overlap import complete_iou
from pose_train.settings import TrainSettings
from pose_train.train import TrainingError, TrainResult, fitness, train
from pose_train.validate import ValidationResult, validate

__all__ = [
    "LOSS_NAMES",
    "Assignment",
    "Batch",
    "BatchTargets",
    "EpochEvent",
    "Gains",
    "Listener",
    "LossItems",
    "MessageEvent",
    "PoseLoss",
    "StartEvent",
    "StepEvent",
    "TrainEvent",
    "TrainResult",
    "TrainSettings",
    "TrainingError",
    "ValidationEvent",
    "ValidationResult",
    "__version__",
    "assign",
    "complete_iou",
    "fitness",
    "keypoint_loss",
    "make_batch",
    "make_targets",
    "train",
    "validate",
]
