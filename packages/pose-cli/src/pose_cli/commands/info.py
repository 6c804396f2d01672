"""`pose info`: what a file of weights, an exported file or a named network is."""

from __future__ import annotations

from dataclasses import dataclass

from pose_data import setting

from pose_cli.command import WordsCommand

HELP = """Show what a file of weights or a network is.

\b
  pose info best.safetensors
  pose info yolov8x-pose-p6 imgsz=1280
  pose info best.onnx
"""


@dataclass(frozen=True)
class InfoSettings:
    """What to look at."""

    model: str = setting("", "weights, exported file or network name; empty takes the weights that come along")
    imgsz: tuple[int, ...] | None = setting(
        None, "input that GFLOPs are counted for; the model's own when empty", least=32
    )
    stages: bool = setting(False, "list every stage of the network")


def _run(settings: InfoSettings) -> int:
    from pose_cli.console import results
    from pose_cli.description import describe_model
    from pose_cli.sizes import input_size

    for table in describe_model(settings.model, imgsz=input_size(settings.imgsz), stages=settings.stages):
        results().print(table)
    return 0


command = WordsCommand("info", settings=lambda: InfoSettings, run=_run, help=HELP, places=("model",))
