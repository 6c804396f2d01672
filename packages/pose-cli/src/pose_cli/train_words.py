"""The words of `Pose.train`, typed: the fields of `pose_train.TrainSettings` but for the model, which the object is."""

from __future__ import annotations

from typing import TypedDict


class TrainWords(TypedDict, total=False):
    """Every setting of a run under its own name; what each means is in `pose train --help`."""

    data: str
    epochs: int
    time: float | None
    patience: int
    batch: int
    imgsz: int
    images_per_epoch: int
    fraction: float
    single_cls: bool
    save_period: int
    cache: bool | str
    device: str
    workers: int
    project: str
    name: str
    exist_ok: bool
    resume: bool | str
    optimizer: str
    seed: int
    deterministic: bool
    cos_lr: bool
    close_mosaic: int
    amp: bool
    graphs: bool
    freeze: int | tuple[int, ...] | None
    multi_scale: float
    val: bool
    split: str
    conf: float | None
    iou: float
    max_det: int
    plots: bool
    tracker: tuple[str, ...]
    skip_bad: bool
    nbs: int
    lr0: float
    lrf: float
    momentum: float
    weight_decay: float
    warmup_epochs: float
    warmup_momentum: float
    warmup_bias_lr: float
    box: float
    cls: float
    dfl: float
    pose: float
    kobj: float
    likelihood: float
    heatmap: float
    alignment: str
    smallest_side: float
    occluded: str
    hsv_h: float
    hsv_s: float
    hsv_v: float
    degrees: float
    translate: float
    scale: float
    shear: float
    perspective: float
    flipud: float
    fliplr: float | None
    mosaic: float
    mixup: float
