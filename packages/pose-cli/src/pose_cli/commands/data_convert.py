"""`pose data convert`: the same data set as YOLO label files or as COCO keypoint JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from pose_data import setting

from pose_cli.command import WordsCommand

HELP = """Turn COCO keypoint JSON into YOLO labels, or back.

\b
  pose data convert coco.yaml people-yolo/ to=yolo
  pose data convert people.yaml people-coco/ to=coco

A COCO file is named by a data YAML such as "train: {images: folder, annotations: keypoints.json}".
"""


@dataclass(frozen=True)
class ConvertSettings:
    """What becomes what."""

    data: str = setting("", "data YAML")
    output: str = setting("", "new or empty folder")
    to: str = setting("yolo", "form of the new data set", choices=("yolo", "coco"))
    images: str = setting("copy", "with to=yolo: how images get into the new folder", choices=("copy", "link"))


def _run(settings: ConvertSettings) -> int:
    import click
    from pose_data import SettingsError, convert_to_coco, convert_to_yolo, read_data_settings

    _check(settings, SettingsError)
    data = read_data_settings(settings.data)
    if settings.to == "coco":
        done = convert_to_coco(data, Path(settings.output))
    else:
        done = convert_to_yolo(data, Path(settings.output), images=cast(Literal["copy", "link"], settings.images))
    for note in done.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"{done.file}: {done.images} images, {done.objects} objects")
    return 0


def _check(settings: ConvertSettings, refusal: type[Exception]) -> None:
    for name, value in (("data", settings.data), ("output", settings.output)):
        if not value:
            raise refusal(
                f"data convert: '{name}' must be given; write: pose data convert data=FILE.yaml output=FOLDER"
            )
    if settings.data.lower().endswith(".json"):
        raise refusal(
            f"{settings.data}: data must be a YAML file; got COCO JSON; write one with the line "
            f"'train: {{images: FOLDER, annotations: {settings.data}}}' and give that"
        )


command = WordsCommand("data convert", settings=lambda: ConvertSettings, run=_run, help=HELP, places=("data", "output"))
