"""`pose export`: another format of the same network, handed over only when it gives the same poses."""

from __future__ import annotations

from dataclasses import dataclass

from pose_cli.command import WordsCommand
from pose_cli.field import word

HELP = """Turn a file of weights into another format and check the result.

\b
  pose export best.safetensors format=onnx
  pose export best.safetensors format=onnx imgsz=[480,640] half=True data=people.yaml
"""


@dataclass(frozen=True)
class ExportSettings:
    """What becomes what."""

    model: str = word("", "file of weights; empty takes the weights that come along")
    format: str = word("onnx", "onnx, torchscript or safetensors")
    output: str = word("", "file to write; beside the weights and named like them when empty")
    imgsz: tuple[int, ...] | None = word(None, "side of the input, or [height,width]; the card's when empty", least=32)
    dynamic: bool = word(False, "take any batch and any multiple of the stride")
    batch: int = word(1, "images per call of a file that isn't dynamic", least=1)
    opset: int | None = word(None, "ONNX operator set; the converter's choice when empty", least=1)
    half: bool = word(False, "calculate in 16 bit; input and output stay in 32")
    simplify: bool = word(True, "simplify the graph")
    data: str = word("", "data YAML, or 'people': also compare AP on its validation images")
    force: bool = word(False, "hand over a file that differs too much; its card says so")


def _run(settings: ExportSettings) -> int:
    import click
    from pose_data import Predictor
    from pose_export import export

    from pose_cli.console import messages
    from pose_cli.models import model_file
    from pose_cli.sizes import input_size
    from pose_cli.validation import measure

    def measure_ap(predictor: Predictor) -> float:
        return measure(predictor.runtime, data=settings.data).pose.map

    with messages().status("exporting") as status:
        result = export(
            model_file(settings.model),
            format=settings.format,
            output=settings.output or None,
            imgsz=input_size(settings.imgsz),
            dynamic=settings.dynamic,
            batch=settings.batch,
            opset=settings.opset,
            half=settings.half,
            simplify=settings.simplify,
            measure_ap=measure_ap if settings.data else None,
            force=settings.force,
            progress=status.update,
        )
    for note in result.notes:
        click.echo(note, err=True)
    click.echo(f"compared with the network on {result.parity.to_text()}")
    click.echo(f"{result.path} ({result.format}, {result.megabytes:.1f} MB, {result.seconds:.1f} s)")
    return 0


command = WordsCommand("export", settings=lambda: ExportSettings, run=_run, help=HELP, places=("model",))
