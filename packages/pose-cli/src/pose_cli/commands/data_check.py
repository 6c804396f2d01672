"""`pose data check`: all that is wrong with a data set, before anything is trained on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pose_data import setting

from pose_cli.command import WordsCommand

if TYPE_CHECKING:
    from pose_data import DataSettings

FAULTS_FOUND = 1  # exit status; 2 is for a data set that can't be looked at at all

HELP = """List every fault of a data set as file:line with its reason.

\b
  pose data check people.yaml
  pose data check people.yaml --overfit 8

With overfit=8 a network also learns eight of the images by heart, without augmentation: what it can't learn so is
mostly labelled wrongly. It takes minutes and writes a run folder.

The exit status is 1 when there are errors, which would stop training, or the images weren't learnt; 0 when there are
none or warnings only.
"""


@dataclass(frozen=True)
class CheckSettings:
    """What is looked at."""

    data: str = setting("", "data YAML")
    overfit: int = setting(0, "images to learn by heart; 0 for none", least=0)
    model: str = setting("", "with overfit: network or weights to start from; the weights that come along when empty")
    steps: int = setting(600, "with overfit: steps after which it is given up", least=1)
    imgsz: int = setting(320, "with overfit: side of the input, pixels", least=32)
    device: str = setting("", "with overfit: cpu, cuda, mps; empty takes the fastest there is")
    project: str = setting("runs/overfit", "with overfit: folder of the run, numbered when it is taken")


def _run(settings: CheckSettings) -> int:
    import click
    from pose_data import SettingsError, check_dataset, read_data_settings

    if not settings.data:
        raise SettingsError("data check: nothing to look at; add data=FILE.yaml")
    data = read_data_settings(settings.data)
    report = check_dataset(data)
    click.echo(str(report))
    if report.errors:
        return FAULTS_FOUND
    return _overfit(settings, data) if settings.overfit else 0


def _overfit(settings: CheckSettings, data: DataSettings) -> int:
    import click
    from pose_data import open_dataset
    from pose_train import OverfitSettings, overfit

    from pose_cli.models import find_start
    from pose_cli.progress import progress_shown

    how = OverfitSettings(
        model=find_start(settings.model),
        images=settings.overfit,
        steps=settings.steps,
        imgsz=settings.imgsz,
        device=settings.device,
        project=settings.project,
    )
    with progress_shown() as listener:
        result = overfit(how, open_dataset(data, "train"), on_event=listener)
    click.echo(str(result))
    return 0 if result.learnt else FAULTS_FOUND


command = WordsCommand("data check", settings=lambda: CheckSettings, run=_run, help=HELP, places=("data",))
