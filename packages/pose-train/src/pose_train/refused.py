"""Words that other trainers know and this one doesn't, each with what to write instead."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pose_data import SettingsError, make_settings

from pose_train.recipes import with_recipe
from pose_train.settings import TrainSettings

_OTHER_TASK = "it belongs to another task than keypoints; leave it out"
_ALWAYS_DONE = "that is always so; leave it out"
_NEEDS_MASKS = "it needs masks, which keypoint labels don't have; leave it out"
_OTHER_LOSS = "it belongs to the loss of another network; leave it out"

REFUSED_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "task": "keypoints are all that is learnt here; leave it out",
        "mode": "the function that is called is the mode; leave it out",
        "save": "best and last weights are always kept; leave it out",
        "verbose": "give on_event, and show what you like of the events",
        "rect": "training images are square, and validation pads to whole strides by itself; leave it out",
        "cls_remap": "weights are taken wherever name and shape fit; leave it out",
        "profile": "use pose_nn.profile",
        "compile": "it is not offered; leave it out",
        "channels_last": _ALWAYS_DONE,
        "overlap_mask": _NEEDS_MASKS,
        "mask_ratio": _NEEDS_MASKS,
        "dropout": _OTHER_TASK,
        "save_json": "use pose_data.poses_to_coco with the weights of the run",
        "quantize": "use pose_export.export with half=True",
        "dnn": "use pose_export.load for exported files",
        "nms": "people are selected outside the network; leave it out",
        "distill_model": "distillation is not offered; leave it out",
        "dis": "distillation is not offered; leave it out",
        "cls_pw": "classes are not weighted; leave it out",
        "rle": "it belongs to the loss of another network; use likelihood=1, or leave it out",
        "angle": _OTHER_LOSS,
        "dlog": _OTHER_LOSS,
        "dgrad": _OTHER_LOSS,
        "dlam": _OTHER_LOSS,
        "bgr": "images are RGB everywhere; leave it out",
        "cutmix": "use mosaic or mixup",
        "copy_paste": _NEEDS_MASKS,
        "copy_paste_mode": _NEEDS_MASKS,
        "auto_augment": _OTHER_TASK,
        "erasing": _OTHER_TASK,
        "cfg": "use recipe=FILE",
    }
)


def make_train_settings(
    mapping: Mapping[str, object], *, source: str, defaults: Mapping[str, object] | None = None
) -> TrainSettings:
    """Make settings from keys and values; a word of other trainers is refused with what to write instead.

    Args:
        mapping: values by name; `recipe` names settings that hold where the mapping has none of its own.
        source: the file or the place that errors name.
        defaults: settings that hold where neither the mapping nor the recipe has them.

    Raises:
        SettingsError: an unknown key, a wrong type, a value out of range, or a key beside `resume`.
    """
    for key in mapping:
        if key in REFUSED_SETTINGS:
            raise SettingsError(f"{source}: no setting '{key}' here; {REFUSED_SETTINGS[key]}")
    beside = [key for key in mapping if key not in ("resume", "model")]
    if mapping.get("resume") and beside:
        raise SettingsError(
            f"{source}: with resume a run goes on with its own settings; got {', '.join(beside)} as well; leave "
            "out all but resume, or begin another run with model=<its weights/last.safetensors>"
        )
    return make_settings(TrainSettings, {**(defaults or {}), **with_recipe(mapping)}, source=source)
