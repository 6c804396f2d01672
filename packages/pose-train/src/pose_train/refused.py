"""Words that other trainers know and this one doesn't, each with what to write instead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from pose_data import SettingsError

_OTHER_TASK = "it belongs to another task than keypoints; leave it out"
_ALWAYS_DONE = "that is always so; leave it out"
_NEEDS_MASKS = "it needs masks, which keypoint labels don't have; leave it out"
_OTHER_LOSS = "it belongs to the loss of another network; leave it out"

REFUSED_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "task": "keypoints are all that is learnt here; leave it out",
        "mode": "the command or the function that is called is the mode; leave it out",
        "save": "best and last weights are always kept; leave it out",
        "verbose": "use `pose -v` for tracebacks; in Python, on_event is told all that happens",
        "rect": "training images are square, and validation pads to whole strides by itself; leave it out",
        "cls_remap": "weights are taken wherever name and shape fit; leave it out",
        "profile": "use `pose info`, in Python pose_nn.profile",
        "compile": "it is not offered; leave it out",
        "channels_last": _ALWAYS_DONE,
        "overlap_mask": _NEEDS_MASKS,
        "mask_ratio": _NEEDS_MASKS,
        "dropout": _OTHER_TASK,
        "save_json": "use `pose predict save_json=True` with the weights of the run, in Python pose_data.poses_to_coco",
        "quantize": "use half=True (16 bit) or int8=True (8 bit) with `pose export`, in Python pose_export.export",
        "dnn": "weights are learnt, not exported files; leave it out",
        "nms": "people are selected outside the network; files that do it are made by `pose export nms=True`",
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
        "classes": "all classes of the data YAML are learnt; take rows of others out of the labels",
        "agnostic_nms": "people of each class are selected apart; use single_cls=True for one class",
    }
)


def check_not_refused(keys: Iterable[str], *, source: str) -> None:
    """Refuse words of other trainers.

    Args:
        keys: names of settings, right ones or not.
        source: the file or the place that errors name.

    Raises:
        SettingsError: one of them is such a word; the message has what to write instead.
    """
    for key in keys:
        if key in REFUSED_SETTINGS:
            raise SettingsError(f"{source}: no setting '{key}' here; {REFUSED_SETTINGS[key]}")
