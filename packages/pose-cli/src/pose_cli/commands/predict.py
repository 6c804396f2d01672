"""`pose predict`: find people in images, say how many and how long it took, and save what was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pose_data import setting

from pose_cli.command import WordsCommand
from pose_cli.finding import FindSettings, make_predictor

if TYPE_CHECKING:
    from pose_cli.saving import Saver

HELP = """Find people and their keypoints in images.

\b
  pose predict photo.jpg
  pose predict best.safetensors images/ conf=0.5 save_txt=True
  pose predict model=best.onnx source='images/*.jpg' save=False save_json=True
"""


@dataclass(frozen=True)
class PredictSettings(FindSettings):
    """What to look at, with which network, and what to keep."""

    save: bool = setting(True, "save the images with people drawn")
    save_txt: bool = setting(False, "save label text, labels/NAME.txt")
    save_conf: bool = setting(False, "end each row of label text with the score")
    save_json: bool = setting(False, "save COCO keypoint results, results.json")
    save_crop: bool = setting(False, "save each person's box as an image, crops/CLASS/NAME.jpg")
    kpt_conf: float = setting(0.25, "lowest score of a keypoint that is drawn; saved results keep all", least=0, most=1)
    project: str = setting("runs/predict", "folder of the results, numbered when it is taken")
    name: str = setting("", "folder inside project; empty numbers the project folder itself")
    exist_ok: bool = setting(False, "write into an existing folder")


def _run(settings: PredictSettings) -> int:
    import click
    from pose_data import SettingsError, open_source

    from pose_cli.models import runtime_line
    from pose_cli.results import find_people

    if not settings.source:
        raise SettingsError("predict: nothing to look at; add source=IMAGE, a folder, a glob or a URL")
    frames = open_source(settings.source)
    predictor = make_predictor(settings)
    click.echo(runtime_line(settings.model, predictor.runtime))
    saver = None
    people = images = 0
    for images, result in enumerate(find_people(predictor, frames), start=1):
        saver = saver or _make_saver(settings)  # not before there is something to save
        if saver is not None:
            saver.write(result)
        click.echo(result.line(images))
        people += len(result)
    if saver is not None:
        saver.finish()
    click.echo(f"{images} images, {people} found" + (f", saved in {saver.folder}" if saver is not None else ""))
    return 0


def _make_saver(settings: PredictSettings) -> Saver | None:
    from pose_cli.run_folder import make_run_folder
    from pose_cli.saving import Saver

    if not (settings.save or settings.save_txt or settings.save_json or settings.save_crop):
        return None
    return Saver(
        make_run_folder(settings.project, name=settings.name, exist_ok=settings.exist_ok),
        drawn=settings.save,
        text=settings.save_txt,
        scores=settings.save_conf,
        crops=settings.save_crop,
        coco=settings.save_json,
        keypoint_threshold=settings.kpt_conf,
    )


command = WordsCommand(
    "predict", settings=lambda: PredictSettings, run=_run, help=HELP, places=("model", "source"), many="source"
)
