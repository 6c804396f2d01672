"""`pose demo`: the whole way from data to a checked ONNX file, in minutes and with nothing to prepare."""

from __future__ import annotations

from dataclasses import dataclass

from pose_data import setting

from pose_cli.command import WordsCommand

HELP = """Fine-tune, measure, draw and export on drawn people, in minutes.

\b
  pose demo
  pose demo seconds=600 output=long-demo
"""


@dataclass(frozen=True)
class DemoSettings:
    """How long, how much and where."""

    output: str = setting("quickstart", "folder of everything that is made, numbered when it is taken")
    model: str = setting("", "weights to start from, or a network's name; empty takes the weights that come along")
    seconds: float = setting(120.0, "time for fine-tuning; the rest of the demo takes about a minute more", least=1)
    train_images: int = setting(400, "drawn images to learn from", least=1)
    val_images: int = setting(160, "drawn images to measure on; none of them is learnt from", least=1)
    size: int = setting(320, "side of the drawn images, pixels", least=32)
    imgsz: int = setting(320, "side of the input, pixels", least=32)
    batch: int = setting(16, "images per step", least=1)
    workers: int = setting(8, "processes that load images, at most the number of cores; 0 for none", least=0)
    device: str = setting("", "cpu, cuda, mps; empty takes the fastest there is")
    seed: int = setting(0, "of the drawn people and of the training", least=0, most=2**32 - 1)


def _run(settings: DemoSettings) -> int:
    import click

    from pose_cli.console import results
    from pose_cli.demo import run_demo
    from pose_cli.demo_report import report_files, report_table

    report = run_demo(settings)
    results().print(report_table(report))
    for line in report_files(report):
        click.echo(line)
    return 0


command = WordsCommand("demo", settings=lambda: DemoSettings, run=_run, help=HELP)
