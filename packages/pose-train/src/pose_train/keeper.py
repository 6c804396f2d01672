"""What a run writes at the end of an epoch, in the order that leaves it whole wherever it is stopped."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from pose_data import ModelCard
from pose_nn import save_checkpoint

from pose_train.curves import write_curves
from pose_train.learner import Learner
from pose_train.resume import Progress, save_state
from pose_train.run_folder import RunFolder
from pose_train.settings import TrainSettings
from pose_train.tables import read_rows, write_row


class Keeper:
    """Writes the files of a run; only one process of several does.

    Args:
        folder: of the run.
        settings: of the run.
        card: of its weights.
    """

    def __init__(self, folder: RunFolder, settings: TrainSettings, card: ModelCard) -> None:
        self.folder, self.settings, self.card = folder, settings, card

    def keep_epoch(
        self, learner: Learner, progress: Progress, row: Mapping[str, float], *, seconds: float, better: bool
    ) -> None:
        """Write everything of an epoch that ended.

        The state comes last: killed before it, a resumed run does the epoch again, to the same result.

        Raises:
            PoseError: a file can't be written; the ones of the epoch before are whole.
        """
        write_row(self.folder.table, progress.epoch, row)
        write_row(self.folder.times, progress.epoch, {"seconds": seconds, "seconds_total": progress.seconds})
        targets = [self.folder.last] + [self.folder.best] * better
        if self.settings.save_period > 0 and progress.epoch % self.settings.save_period == 0:
            targets.append(self.folder.epoch_weights(progress.epoch))
        for path in targets:
            self._keep_weights(path, learner, progress, row)
        if self.settings.plots:
            write_curves(self.folder.curves, read_rows(self.folder.table))
        save_state(self.folder.state, learner, progress)

    def keep_state(self, learner: Learner, progress: Progress) -> None:
        """Write what it takes to go on from here, in the middle of an epoch or before the first.

        Raises:
            PoseError: the file can't be written; the one before is whole.
        """
        save_state(self.folder.state, learner, progress)

    def _keep_weights(self, path: Path, learner: Learner, progress: Progress, row: Mapping[str, float]) -> None:
        facts = {name: f"{value:.4f}" for name, value in row.items() if name.startswith(("pose/", "box/"))}
        facts |= {"epoch": str(progress.epoch), "images_seen": str(progress.steps * self.settings.batch)}
        save_checkpoint(path, learner.average.net, dataclasses.replace(self.card, facts=facts), half=True)
