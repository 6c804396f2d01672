"""Everything that can be set about a training run, under the names that people know."""

from __future__ import annotations

from dataclasses import dataclass

from pose_data import AugmentSettings, SettingsError
from pose_data import setting as _setting

OPTIMIZERS = ("auto", "SGD", "Adam", "Adamax", "AdamW", "NAdam", "RAdam", "RMSProp", "Muon")
ALIGNMENTS = ("iou", "oks")
OCCLUDED = ("visible", "ignored", "own")
MOST_SEED = 2**32 - 1  # 32 bits: all that the generator of a search takes
CACHES = (False, True, "", "ram", "disk")


@dataclass(frozen=True)
class TrainSettings:
    """One run: what learns from what, for how long and how. Defaults are those of the v8 pose recipe but for `nbs`."""

    model: str = _setting("yolov8n-pose", "network name, or a checkpoint to go on from")
    data: str = _setting("people", "data YAML, or 'people' for the drawn data set")
    pretrained: bool | str = _setting(
        True, "checkpoint whose fitting weights a new network takes; False starts a checkpoint's network afresh"
    )
    epochs: int = _setting(100, "times through the training images", least=1)
    time: float | None = _setting(
        None, "hours of learning, looked at after each step; the schedule is fitted to them", least=0
    )
    patience: int = _setting(100, "epochs without better fitness before the run ends; 0 never", least=0)
    batch: int = _setting(16, "images per step", least=1)
    imgsz: int = _setting(640, "side of the square input, pixels", least=32)
    images_per_epoch: int = _setting(0, "images that make an epoch; 0 takes them all", least=0)
    fraction: float = _setting(1.0, "share of the training images that is used", least=0, most=1)
    single_cls: bool = _setting(False, "take all classes for one")
    save_period: int = _setting(-1, "keep the weights of every so many epochs; -1 only best and last", least=-1)
    cache: bool | str = _setting(False, "'ram' (or True) keeps decoded images in memory, 'disk' in files by the runs")
    device: str = _setting("", "cpu, cuda, mps; empty takes the fastest there is")
    workers: int = _setting(8, "processes that load images, at most the number of cores; 0 for none", least=0)
    project: str = _setting("runs/train", "folder of the run, numbered when it is taken")
    name: str = _setting("", "folder inside project; empty numbers the project folder itself")
    exist_ok: bool = _setting(False, "take a run folder that is there, and remove what its run wrote")
    resume: bool | str = _setting(False, "run folder, or a checkpoint in it, to go on with; True means that of model")
    optimizer: str = _setting("auto", "optimizer", choices=OPTIMIZERS, meant={"MuSGD": "Muon"})
    seed: int = _setting(0, "of weights, order and augmentation", least=0, most=MOST_SEED)
    deterministic: bool = _setting(True, "take only algorithms that repeat to the bit")
    cos_lr: bool = _setting(False, "cosine in place of linear learning rate")
    close_mosaic: int = _setting(10, "last epochs without mosaic and mixup", least=0)
    amp: bool = _setting(True, "half precision on a GPU")
    graphs: bool = _setting(True, "replay the network's passes as CUDA graphs, where a GPU learns full batches alone")
    freeze: int | tuple[int, ...] | None = _setting(None, "first layers that don't learn, or a list of layers", least=0)
    multi_scale: float = _setting(0.0, "largest change of the input's side from batch to batch", least=0, most=0.9)
    val: bool = _setting(True, "validate after each epoch")
    split: str = _setting("val", "split that is validated on")
    conf: float | None = _setting(None, "lowest score that validation counts; 0.001 unless given", least=0, most=1)
    iou: float = _setting(0.7, "overlap from which validation takes two boxes for one person", least=0, most=1)
    max_det: int = _setting(300, "most people per image in validation", least=1)
    plots: bool = _setting(True, "write pictures of labels, batches and validation")
    tracker: tuple[str, ...] = _setting((), "trackers: tensorboard, mlflow, wandb, clearml, comet_ml, aim, dvclive")
    skip_bad: bool = _setting(False, "drop faulty label rows, and say how many, in place of stopping")
    nbs: int = _setting(
        0,
        "nominal batch; smaller batches add up to it before a step; 0 is 64, or the batch itself where optimizer=auto "
        "takes AdamW for a short run",
        least=0,
    )
    lr0: float = _setting(0.01, "first learning rate; optimizer=auto chooses its own", least=0)
    lrf: float = _setting(0.01, "last learning rate as a share of the first", least=0)
    momentum: float = _setting(0.937, "momentum of SGD, beta1 of Adam", least=0, most=1)
    weight_decay: float = _setting(0.0005, "of convolution weights, at the nominal batch", least=0)
    warmup_epochs: float = _setting(3.0, "epochs in which the learning rate rises", least=0)
    warmup_momentum: float = _setting(0.8, "momentum at the start of the rise", least=0, most=1)
    warmup_bias_lr: float = _setting(0.1, "learning rate of biases at the start of the rise", least=0)
    box: float = _setting(7.5, "gain of the box loss", least=0)
    cls: float = _setting(0.5, "gain of the class loss", least=0)
    dfl: float = _setting(1.5, "gain of the distribution focal loss", least=0)
    pose: float = _setting(12.0, "gain of the keypoint loss", least=0)
    kobj: float = _setting(1.0, "gain of the keypoint visibility loss", least=0)
    likelihood: float = _setting(0.0, "gain of the likelihood of points, by a branch that only training has", least=0)
    heatmap: float = _setting(0.0, "gain of a heatmap branch that only training has; 0 for none", least=0)
    alignment: str = _setting("oks", "what matches anchors with people: boxes alone, or OKS too", choices=ALIGNMENTS)
    smallest_side: float = _setting(
        16.0, "pixels that a side of a box counts as at least when cells that may learn it are looked for", least=0
    )
    occluded: str = _setting("visible", "what a hidden keypoint (v = 1) is to the losses", choices=OCCLUDED)
    hsv_h: float = _setting(0.015, "largest shift of hue, as a share of the circle", least=0, most=1)
    hsv_s: float = _setting(0.7, "largest gain of saturation", least=0, most=1)
    hsv_v: float = _setting(0.4, "largest gain of brightness", least=0, most=1)
    degrees: float = _setting(0.0, "largest rotation, degrees", least=0, most=180)
    translate: float = _setting(0.1, "largest shift, as a share of the side", least=0, most=1)
    scale: float = _setting(0.5, "largest change of scale", least=0, most=0.99)
    shear: float = _setting(0.0, "largest shear, degrees", least=0, most=80)
    perspective: float = _setting(0.0, "largest perspective, per pixel", least=0, most=0.001)
    flipud: float = _setting(0.0, "probability of an up-down flip", least=0, most=1)
    fliplr: float | None = _setting(
        None,
        "probability of a left-right flip; 0.5 unless given, 0 for points without mirror pairs",
        least=0,
        most=1,
    )
    mosaic: float = _setting(1.0, "probability of a mosaic of four images", least=0, most=1)
    mixup: float = _setting(0.0, "probability of mixing in a second image", least=0, most=1)

    def __post_init__(self) -> None:
        if self.cache not in CACHES:
            raise SettingsError(f"cache must be False, True, 'ram' or 'disk'; got '{self.cache}'")
        if not self.fraction:
            raise SettingsError("fraction must be above 0; got 0, which leaves no image to learn from")

    def augmentation(self) -> AugmentSettings:
        """Return the settings that concern the images alone."""
        values = {name: getattr(self, name) for name in AugmentSettings.__dataclass_fields__}
        return AugmentSettings(**{name: value for name, value in values.items() if value is not None})
