"""The words that every command shares which looks for people, and the predictor that they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pose_data import setting

from pose_cli.models import PROVIDERS_HELP

if TYPE_CHECKING:
    from pose_data import Predictor


@dataclass(frozen=True)
class FindSettings:
    """What to look at, with which network, and who counts as found."""

    source: tuple[str, ...] = setting((), "images: files, folders, globs, lists (.txt) or URLs")
    model: str = setting("", "weights or exported file; empty takes the weights that come along")
    conf: float = setting(0.25, "lowest score of a person", least=0, most=1)
    iou: float = setting(0.7, "overlap from which two boxes are the same person", least=0, most=1)
    max_det: int = setting(300, "most people per image", least=1)
    imgsz: tuple[int, ...] | None = setting(
        None, "side of the input, or [height,width]; the model's own when empty", least=32
    )
    rect: bool = setting(True, "pad to the stride only, not to a square, where the file allows it")
    classes: tuple[int, ...] | None = setting(None, "keep these class numbers only", least=0)
    device: str = setting("", "cpu, cuda, cuda:1, mps, for files that torch runs; most others know cpu")
    threads: int | None = setting(None, "CPU threads; all cores when empty", least=1)
    providers: str = setting("", PROVIDERS_HELP)


def make_predictor(settings: FindSettings) -> Predictor:
    """Open the model and set how people are selected."""
    from pose_data import Predictor

    from pose_cli.models import open_runtime, warn_of_selection
    from pose_cli.names import split_names
    from pose_cli.sizes import input_size

    providers = split_names(settings.providers)
    runtime = open_runtime(settings.model, device=settings.device, threads=settings.threads, providers=providers)
    warn_of_selection(runtime, conf=settings.conf, iou=settings.iou, max_det=settings.max_det)
    return Predictor(
        runtime,
        conf=settings.conf,
        iou=settings.iou,
        max_det=settings.max_det,
        imgsz=input_size(settings.imgsz),
        rect=settings.rect,
        classes=settings.classes,
    )
