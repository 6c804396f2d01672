"""`pose val`: COCO's figures of a network on a data set, whatever kind of file the network is in."""

from __future__ import annotations

from dataclasses import dataclass

import click
from pose_data import setting

from pose_cli.command import WordsCommand
from pose_cli.models import PROVIDERS_HELP

HELP = """Measure a file of weights, or an exported file, on a data set.

\b
  pose val best.safetensors
  pose val model=best.onnx data=people.yaml split=test
"""


@dataclass(frozen=True)
class ValSettings:
    """What is measured on what."""

    model: str = setting("", "weights or exported file; empty takes the weights that come along")
    data: str = setting("", "data YAML, or 'people'; empty takes the data that the model's card names")
    split: str = setting("val", "part of the data set", choices=("train", "val", "test"))
    imgsz: int | None = setting(None, "longer side of the input, pixels; the model's own when empty", least=32)
    batch: int = setting(16, "images per call of the network", least=1)
    conf: float = setting(0.001, "lowest score that is counted", least=0, most=1)
    iou: float = setting(0.7, "overlap from which two boxes are the same person", least=0, most=1)
    max_det: int = setting(300, "most people per image", least=1)
    rect: bool = setting(True, "pad to the stride only, not to a square, where the file allows it")
    device: str = setting("", "cpu, cuda, cuda:1, mps, for files that torch runs; most others know cpu")
    threads: int | None = setting(None, "CPU threads; all cores when empty", least=1)
    providers: str = setting("", PROVIDERS_HELP)
    skip_bad: bool = setting(False, "drop faulty label rows, and say how many, in place of stopping")


def _run(settings: ValSettings) -> int:
    from pose_cli.console import results
    from pose_cli.models import open_runtime, runtime_line, warn_of_selection
    from pose_cli.names import split_names
    from pose_cli.progress import progress_shown
    from pose_cli.tables import metrics_table, times_line
    from pose_cli.validation import measure

    providers = split_names(settings.providers)
    runtime = open_runtime(settings.model, device=settings.device, threads=settings.threads, providers=providers)
    click.echo(runtime_line(settings.model, runtime))
    warn_of_selection(runtime, conf=settings.conf, iou=settings.iou, max_det=settings.max_det)
    with progress_shown() as listener:
        done = measure(
            runtime,
            data=settings.data,
            split=settings.split,
            imgsz=settings.imgsz,
            batch=settings.batch,
            conf=settings.conf,
            iou=settings.iou,
            max_det=settings.max_det,
            rect=settings.rect,
            skip_bad=settings.skip_bad,
            on_event=listener,
        )
    results().print(metrics_table(done.metrics, title=f"{done.images} images"))
    results().print(times_line(done.times))
    return 0


command = WordsCommand("val", settings=lambda: ValSettings, run=_run, help=HELP, places=("model", "data"))
