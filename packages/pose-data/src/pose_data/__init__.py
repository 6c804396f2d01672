"""What an image, a label and a result are: data sets, letterbox, selection and drawing for keypoints."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pose_data._version import __version__

if TYPE_CHECKING:
    from pose_data.boxes import box_areas, clip_boxes, cxcywh_from_xyxy, iou_matrix, xyxy_from_cxcywh
    from pose_data.card import ModelCard, card_from_json
    from pose_data.datasets.augment import AugmentSettings, augment, flip_left_right, flip_up_down, hsv, mixup
    from pose_data.datasets.check import CheckReport, SplitCounts, check_dataset
    from pose_data.datasets.coco import CocoKeypoints, read_coco_keypoints
    from pose_data.datasets.coco_categories import CocoCategories, read_categories
    from pose_data.datasets.coco_pose import (
        COCO_POSE,
        COCO_POSE_FOLDER,
        CocoPosePlan,
        download_coco_pose,
        plan_coco_pose,
    )
    from pose_data.datasets.coco_write import write_coco_keypoints
    from pose_data.datasets.convert import Conversion, convert_to_coco, convert_to_yolo
    from pose_data.datasets.dataset import PoseDataset, open_dataset
    from pose_data.datasets.description import DRAWN_PEOPLE, DataSettings, read_data_settings, whole_data_path
    from pose_data.datasets.fault import Fault
    from pose_data.datasets.image_write import write_image
    from pose_data.datasets.images import IMAGE_SUFFIXES, decode_image, image_size, read_image
    from pose_data.datasets.label_rows import LabelForm
    from pose_data.datasets.mosaic import mosaic
    from pose_data.datasets.people import DrawnPeople
    from pose_data.datasets.people_write import write_people
    from pose_data.datasets.sample import Sample, Samples
    from pose_data.datasets.shrink import shrink
    from pose_data.datasets.split import CocoSource, DrawnSource, ImageSource, Source
    from pose_data.datasets.warp import affine
    from pose_data.datasets.yolo import AREA_OF_BOX, format_labels, read_labels, write_labels
    from pose_data.errors import CheckpointError, DataError, ExportError, PoseError, SettingsError
    from pose_data.field import setting
    from pose_data.files import atomic_folder, atomic_path, write_errors_explained
    from pose_data.poses import Poses, PoseTargets, concatenate
    from pose_data.predict.download import read_url
    from pose_data.predict.draw import draw_poses, draw_targets
    from pose_data.predict.letterbox import Letterbox, check_imgsz, letterbox, letterbox_shape, make_letterbox
    from pose_data.predict.pixels import as_rgb
    from pose_data.predict.predictor import Predictor, StageTimes
    from pose_data.predict.results import (
        crop_people,
        poses_to_coco,
        poses_to_label_text,
        poses_to_rows,
        poses_to_track_rows,
    )
    from pose_data.predict.runtime import Runtime, describe_runtime
    from pose_data.predict.select import MAX_CANDIDATES, select, suppress
    from pose_data.predict.sheet import contact_sheet
    from pose_data.predict.smooth import PoseSmoother
    from pose_data.predict.sources import VIDEO_SUFFIXES, Frame, FrameSource, SourceLike, open_source
    from pose_data.predict.track import PoseTracker, TrackSettings
    from pose_data.predict.video import Video, open_video, video_writer
    from pose_data.settings import load_settings, make_settings, nearest_key
    from pose_data.sides import mirror_pairs
    from pose_data.skeleton import COCO_PERSON, Skeleton, make_skeleton
    from pose_data.yaml_file import read_yaml

# Names are loaded when they are first asked for: whoever wants one error class pays for no OpenCV. No module right in
# this package may have the name of something at the door: Python would put the module in its place.
_HOMES = {
    "boxes": (
        "box_areas",
        "clip_boxes",
        "cxcywh_from_xyxy",
        "iou_matrix",
        "xyxy_from_cxcywh",
    ),
    "card": (
        "ModelCard",
        "card_from_json",
    ),
    "datasets.augment": (
        "AugmentSettings",
        "augment",
        "flip_left_right",
        "flip_up_down",
        "hsv",
        "mixup",
    ),
    "datasets.check": (
        "CheckReport",
        "SplitCounts",
        "check_dataset",
    ),
    "datasets.coco": (
        "CocoKeypoints",
        "read_coco_keypoints",
    ),
    "datasets.coco_categories": (
        "CocoCategories",
        "read_categories",
    ),
    "datasets.coco_write": ("write_coco_keypoints",),
    "datasets.coco_pose": ("COCO_POSE", "COCO_POSE_FOLDER", "CocoPosePlan", "download_coco_pose", "plan_coco_pose"),
    "datasets.convert": (
        "Conversion",
        "convert_to_coco",
        "convert_to_yolo",
    ),
    "datasets.dataset": (
        "PoseDataset",
        "open_dataset",
    ),
    "datasets.description": (
        "DRAWN_PEOPLE",
        "DataSettings",
        "read_data_settings",
        "whole_data_path",
    ),
    "datasets.fault": ("Fault",),
    "datasets.image_write": ("write_image",),
    "datasets.images": (
        "IMAGE_SUFFIXES",
        "decode_image",
        "image_size",
        "read_image",
    ),
    "datasets.label_rows": ("LabelForm",),
    "datasets.mosaic": ("mosaic",),
    "datasets.people": ("DrawnPeople",),
    "datasets.people_write": ("write_people",),
    "datasets.sample": (
        "Sample",
        "Samples",
    ),
    "datasets.shrink": ("shrink",),
    "datasets.split": (
        "CocoSource",
        "DrawnSource",
        "ImageSource",
        "Source",
    ),
    "datasets.warp": ("affine",),
    "datasets.yolo": (
        "AREA_OF_BOX",
        "format_labels",
        "read_labels",
        "write_labels",
    ),
    "errors": (
        "CheckpointError",
        "DataError",
        "ExportError",
        "PoseError",
        "SettingsError",
    ),
    "field": ("setting",),
    "files": (
        "atomic_folder",
        "atomic_path",
        "write_errors_explained",
    ),
    "poses": (
        "Poses",
        "PoseTargets",
        "concatenate",
    ),
    "predict.download": ("read_url",),
    "predict.draw": (
        "draw_poses",
        "draw_targets",
    ),
    "predict.letterbox": (
        "Letterbox",
        "check_imgsz",
        "letterbox",
        "letterbox_shape",
        "make_letterbox",
    ),
    "predict.pixels": ("as_rgb",),
    "predict.predictor": (
        "Predictor",
        "StageTimes",
    ),
    "predict.results": (
        "crop_people",
        "poses_to_coco",
        "poses_to_label_text",
        "poses_to_rows",
        "poses_to_track_rows",
    ),
    "predict.runtime": (
        "Runtime",
        "describe_runtime",
    ),
    "predict.select": (
        "MAX_CANDIDATES",
        "select",
        "suppress",
    ),
    "predict.sheet": ("contact_sheet",),
    "predict.smooth": ("PoseSmoother",),
    "predict.sources": (
        "VIDEO_SUFFIXES",
        "Frame",
        "FrameSource",
        "SourceLike",
        "open_source",
    ),
    "predict.track": (
        "PoseTracker",
        "TrackSettings",
    ),
    "predict.video": (
        "Video",
        "open_video",
        "video_writer",
    ),
    "settings": (
        "load_settings",
        "make_settings",
        "nearest_key",
    ),
    "sides": ("mirror_pairs",),
    "skeleton": (
        "COCO_PERSON",
        "Skeleton",
        "make_skeleton",
    ),
    "yaml_file": ("read_yaml",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AREA_OF_BOX",
    "COCO_PERSON",
    "COCO_POSE",
    "COCO_POSE_FOLDER",
    "DRAWN_PEOPLE",
    "IMAGE_SUFFIXES",
    "MAX_CANDIDATES",
    "VIDEO_SUFFIXES",
    "AugmentSettings",
    "CheckReport",
    "CheckpointError",
    "CocoCategories",
    "CocoKeypoints",
    "CocoPosePlan",
    "CocoSource",
    "Conversion",
    "DataError",
    "DataSettings",
    "DrawnPeople",
    "DrawnSource",
    "ExportError",
    "Fault",
    "Frame",
    "FrameSource",
    "ImageSource",
    "LabelForm",
    "Letterbox",
    "ModelCard",
    "PoseDataset",
    "PoseError",
    "PoseSmoother",
    "PoseTargets",
    "PoseTracker",
    "Poses",
    "Predictor",
    "Runtime",
    "Sample",
    "Samples",
    "SettingsError",
    "Skeleton",
    "Source",
    "SourceLike",
    "SplitCounts",
    "StageTimes",
    "TrackSettings",
    "Video",
    "__version__",
    "affine",
    "as_rgb",
    "atomic_folder",
    "atomic_path",
    "augment",
    "box_areas",
    "card_from_json",
    "check_dataset",
    "check_imgsz",
    "clip_boxes",
    "concatenate",
    "contact_sheet",
    "convert_to_coco",
    "convert_to_yolo",
    "crop_people",
    "cxcywh_from_xyxy",
    "decode_image",
    "describe_runtime",
    "download_coco_pose",
    "draw_poses",
    "draw_targets",
    "flip_left_right",
    "flip_up_down",
    "format_labels",
    "hsv",
    "image_size",
    "iou_matrix",
    "letterbox",
    "letterbox_shape",
    "load_settings",
    "make_letterbox",
    "make_settings",
    "make_skeleton",
    "mirror_pairs",
    "mixup",
    "mosaic",
    "nearest_key",
    "open_dataset",
    "open_source",
    "open_video",
    "plan_coco_pose",
    "poses_to_coco",
    "poses_to_label_text",
    "poses_to_rows",
    "poses_to_track_rows",
    "read_categories",
    "read_coco_keypoints",
    "read_data_settings",
    "read_image",
    "read_labels",
    "read_url",
    "read_yaml",
    "select",
    "setting",
    "shrink",
    "suppress",
    "video_writer",
    "whole_data_path",
    "write_coco_keypoints",
    "write_errors_explained",
    "write_image",
    "write_labels",
    "write_people",
    "xyxy_from_cxcywh",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'pose_data' has no attribute {name!r}")
    value = getattr(import_module(f"pose_data.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
