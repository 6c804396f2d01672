"""Words that people bring from other tools: which of them mean nothing here, and what to write instead of the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

LEARNING = ("train", "tune")  # verbs whose words are settings of pose-train
ANY = ("true", "false")
OFF = ("false", "none", "null", "", "0", "0.0")
_NO_MASKS = "there are no masks here; leave it out"
_VIDEO = "video is read by `pose track`, every frame of it and no stream"
_TRACKER = "there is one tracker, `pose track`; its words are sure, match, begin and keep"
_DRAWING = "drawn images carry boxes, classes and scores; for bare results use save=False save_txt=True"
_FINDING = "`pose predict`, `pose track`, `pose val` and, with nms=True, `pose export`"
_OTHER_TASK = "it belongs to another task; leave it out"
_SELECTION = "people are always selected; files that do it themselves are made by `pose export nms=True`"


@dataclass(frozen=True)
class ForeignWord:
    """A word that is no setting here.

    Args:
        instead: what to write instead, or why there is nothing to write.
        harmless: values, in small letters, that ask for what happens anyway.
    """

    instead: str
    harmless: tuple[str, ...] = ()


FOREIGN: Mapping[str, ForeignWord] = MappingProxyType(
    {
        "task": ForeignWord("keypoints are all that this tool finds; leave task= out", ("pose",)),
        "verbose": ForeignWord("use `pose -v` for tracebacks", ANY),
        "weights": ForeignWord("use model=FILE"),
        "checkpoint": ForeignWord("use model=FILE"),
        "img": ForeignWord("use imgsz=SIDE"),
        "img_size": ForeignWord("use imgsz=SIDE"),
        "batch_size": ForeignWord("use batch=N"),
        "lr": ForeignWord("use lr0=RATE"),
        "learning_rate": ForeignWord("use lr0=RATE"),
        "cfg": ForeignWord("write the settings as words, key=value, or give `pose train` a recipe=FILE"),
        # belongs to one of our other commands
        "iterations": ForeignWord("use trials=N with `pose tune`"),
        "classes": ForeignWord("it belongs to `pose predict` and `pose track`", OFF),
        "epochs": ForeignWord("it belongs to `pose train`"),
        "source": ForeignWord("it belongs to `pose predict` and `pose track`"),
        "save_txt": ForeignWord("it belongs to `pose predict`", OFF),
        "save_json": ForeignWord("it belongs to `pose predict`", OFF),
        "save_crop": ForeignWord("it belongs to `pose predict`", OFF),
        "save_conf": ForeignWord("it belongs to `pose predict`", OFF),
        "format": ForeignWord("it belongs to `pose export`"),
        "data": ForeignWord("it belongs to `pose train`, `pose val` and `pose export`"),
        "split": ForeignWord("it belongs to `pose val`"),
        "conf": ForeignWord(f"it belongs to {_FINDING}", OFF),
        "iou": ForeignWord(f"it belongs to {_FINDING}"),
        "max_det": ForeignWord(f"it belongs to {_FINDING}"),
        "device": ForeignWord("it belongs to `pose train`, `pose val` and `pose predict`", ("cpu", *OFF)),
        # precision
        "half": ForeignWord("16-bit files are made by `pose export half=True`", OFF),
        "quantize": ForeignWord("use half=True (16 bit) or int8=True (8 bit) with `pose export`", (*OFF, "32")),
        "int8": ForeignWord("8-bit files are made by `pose export int8=True`", OFF),
        # learning
        "save": ForeignWord("best and last weights are always kept", ("true",)),
        "plots": ForeignWord("figures are printed as a table", ANY),
        "rect": ForeignWord(
            "training images are square, and validation pads to whole strides by itself; leave it out", OFF
        ),
        "single_cls": ForeignWord("name one class in the data YAML", OFF),
        "multi_scale": ForeignWord("use scale=SHARE, which changes the size of what is in the images", OFF),
        "compile": ForeignWord("it is not offered; leave it out", OFF),
        "channels_last": ForeignWord("it is always so; leave it out", (*OFF, "true")),
        "profile": ForeignWord("use `pose info`", OFF),
        "cls_remap": ForeignWord("weights are taken where their shapes fit; leave it out", ("true",)),
        "cls_pw": ForeignWord("classes are not weighted; leave it out", OFF),
        "label_smoothing": ForeignWord("targets are soft already; leave it out", OFF),
        "dropout": ForeignWord(_OTHER_TASK, OFF),
        "distill_model": ForeignWord("distillation is not offered; leave it out", OFF),
        "bgr": ForeignWord("images are always RGB; leave it out", OFF),
        "cutmix": ForeignWord("use mixup=P or mosaic=P", OFF),
        "copy_paste": ForeignWord("it needs masks, which keypoint labels don't have; leave it out", OFF),
        "auto_augment": ForeignWord(_OTHER_TASK, ("randaugment", *OFF)),
        "erasing": ForeignWord(_OTHER_TASK, ("0.4", *OFF)),
        "crop_fraction": ForeignWord(_OTHER_TASK, ("1.0", "1", *OFF)),
        "rle": ForeignWord("that loss belongs to another network; use likelihood=1, or leave it out", OFF),
        "angle": ForeignWord(_OTHER_TASK),
        "overlap_mask": ForeignWord(_NO_MASKS, ANY),
        "mask_ratio": ForeignWord(_NO_MASKS, ("4",)),
        "retina_masks": ForeignWord(_NO_MASKS, OFF),
        # using
        "show": ForeignWord("there is no window; look at the images in the run folder", OFF),
        "show_labels": ForeignWord(_DRAWING, ("true",)),
        "show_conf": ForeignWord(_DRAWING, ("true",)),
        "show_boxes": ForeignWord(_DRAWING, ("true",)),
        "boxes": ForeignWord(_DRAWING, ("true",)),
        "hide_labels": ForeignWord(_DRAWING, OFF),
        "hide_conf": ForeignWord(_DRAWING, OFF),
        "line_width": ForeignWord("lines are as wide as the image asks for; leave it out", OFF),
        "line_thickness": ForeignWord("lines are as wide as the image asks for; leave it out", OFF),
        "augment": ForeignWord("test-time augmentation is not offered for keypoints; leave it out", OFF),
        "agnostic_nms": ForeignWord("people of each class are selected apart; leave it out", OFF),
        "visualize": ForeignWord("feature maps are not drawn; leave it out", OFF),
        "embed": ForeignWord("embeddings are not offered; leave it out", OFF),
        "stream": ForeignWord("results are written as they come; leave it out", ANY),
        "stream_buffer": ForeignWord(_VIDEO, OFF),
        "vid_stride": ForeignWord(_VIDEO, ("1",)),
        "save_frames": ForeignWord("drawn frames of a video are saved as a video; give images to get images", OFF),
        "tracker": ForeignWord(_TRACKER, ("bytetrack.yaml",)),
        "persist": ForeignWord("ids stay through all frames of a source; leave it out", ANY),
        "track_high_thresh": ForeignWord("use sure=SCORE with `pose track`"),
        "track_low_thresh": ForeignWord("use conf=SCORE with `pose track`"),
        "new_track_thresh": ForeignWord("use sure=SCORE with `pose track`"),
        "track_buffer": ForeignWord("use keep=FRAMES with `pose track`"),
        "match_thresh": ForeignWord("use match=SIMILARITY with `pose track`; higher is stricter"),
        "save_hybrid": ForeignWord("it mixes labels into results; use save_txt=True", OFF),
        "dnn": ForeignWord("ONNX files run in ONNX Runtime; leave it out", OFF),
        # exporting
        "dynamic": ForeignWord("it belongs to `pose export`", OFF),
        "simplify": ForeignWord("it belongs to `pose export`", ANY),
        "opset": ForeignWord("it belongs to `pose export`", OFF),
        "nms": ForeignWord(_SELECTION, OFF),
        "end2end": ForeignWord("people are selected inside the file by `pose export nms=True`", OFF),
        "workspace": ForeignWord("it belongs to pose export format=engine; leave it out", OFF),
        "keras": ForeignWord("the SavedModel of format=saved_model is no Keras model; leave it out", OFF),
        "optimize": ForeignWord("it is an option of `pose export format=torchscript`; leave it out here", OFF),
    }
)


def foreign_hint(key: str, value: object, *, command: str) -> str | None:
    """What to say about a word that is no setting of this command.

    Args:
        command: such as "train"; its last part is the verb that `mode=` may repeat.

    Returns:
        "" when the word can be dropped, a sentence with the way out when it can't, None for a word
        that is not known from anywhere.
    """
    text = str(value).strip().lower()
    verb = command.replace(".", " ").split()[-1]
    if key == "mode":
        return "" if text == verb else f"the mode is the command itself: pose {text or 'train'} ..."
    word = FOREIGN.get(key)
    if word is not None and text in word.harmless:
        return ""
    usual = None if word is None else word.instead
    return _refused_hint(key) or usual if verb in LEARNING else usual


def _refused_hint(key: str) -> str | None:
    """What learning itself says of a word of other trainers."""
    from pose_train import REFUSED_SETTINGS

    return REFUSED_SETTINGS.get(key)
