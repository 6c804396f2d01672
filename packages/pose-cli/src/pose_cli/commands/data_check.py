"""`pose data check`: all that is wrong with a data set, before anything is trained on it."""

from __future__ import annotations

from dataclasses import dataclass

from pose_cli.command import WordsCommand
from pose_cli.field import word

FAULTS_FOUND = 1  # exit status; 2 is for a data set that can't be looked at at all

HELP = """List every fault of a data set as file:line with its reason.

\b
  pose data check people.yaml

The exit status is 1 when there are errors, which would stop training, 0 when there are none or warnings only.
"""


@dataclass(frozen=True)
class CheckSettings:
    """What is looked at."""

    data: str = word("", "data YAML")


def _run(settings: CheckSettings) -> int:
    import click
    from pose_data import SettingsError, check_dataset, read_data_settings

    if not settings.data:
        raise SettingsError("data check: nothing to look at; add data=FILE.yaml")
    report = check_dataset(read_data_settings(settings.data))
    click.echo(str(report))
    return FAULTS_FOUND if report.errors else 0


command = WordsCommand("data check", settings=lambda: CheckSettings, run=_run, help=HELP, places=("data",))
