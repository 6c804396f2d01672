"""`pose download`: the one command that fetches data sets from the web."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pose_data import setting

from pose_cli.command import WordsCommand

HELP = """Fetch a public data set from its own site.

\b
  pose download coco-pose                     20 GB into datasets/coco-pose
  pose download coco-pose split=val           1 GB: what validation needs
  pose download coco-pose folder=/data/coco   then train with data=/data/coco
  pose download coco-pose dry_run=True        only say what would be fetched

An interrupted download goes on where it stopped when the command is repeated.
"""


@dataclass(frozen=True)
class DownloadSettings:
    """What is fetched, and where to."""

    name: str = setting("", "data set", choices=("", "coco-pose"))
    folder: str = setting("", "where to; datasets/NAME when empty")
    split: tuple[str, ...] = setting(("train", "val"), "parts to fetch", choices=("train", "val"))
    keep: bool = setting(False, "keep the zip files after they were unpacked")
    site: str = setting("", "another address that has the same files; the data set's own when empty")
    dry_run: bool = setting(False, "only say what would be fetched")


def _make(words: Mapping[str, object]) -> DownloadSettings:
    from pose_data import SettingsError, make_settings

    if words.get("name") == "people":
        raise SettingsError("download: 'people' needs no download, as it is drawn: pose train data=people")
    return make_settings(DownloadSettings, words, source="download")


def _run(settings: DownloadSettings) -> int:
    import click
    from pose_data import COCO_POSE, COCO_POSE_FOLDER, SettingsError, download_coco_pose, plan_coco_pose

    from pose_cli.work import work_shown

    if not settings.name:
        raise SettingsError(f"download: nothing to fetch; name a data set: pose download {COCO_POSE}")
    folder = Path(settings.folder).expanduser() if settings.folder else COCO_POSE_FOLDER
    site = {"site": settings.site} if settings.site else {}
    plan = plan_coco_pose(folder, splits=settings.split, **site)
    click.echo(f"{folder}: {len(plan.files)} files to fetch, {plan.megabytes / 1000:.1f} GB")
    for address in plan.files:
        click.echo(f"  {address}")
    if settings.dry_run:
        return 0
    try:
        with work_shown() as say:
            download_coco_pose(folder, splits=settings.split, keep=settings.keep, progress=say, **site)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt("interrupted; the same command goes on from there") from stop
    click.echo(f"done: pose train data={settings.folder or COCO_POSE}")
    return 0


command = WordsCommand(
    "download", settings=lambda: DownloadSettings, run=_run, help=HELP, places=("name", "folder"), make=_make
)
