"""What can go wrong in a run."""

from __future__ import annotations

from pose_data import PoseError


class TrainingError(PoseError):
    """A run can't go on."""


def find_write_error(error: PoseError) -> PoseError | None:
    """Find what says that a file couldn't be written: an error, or what it came from; None where none does."""
    if type(error) is PoseError and isinstance(error.__cause__, OSError):
        return error
    return find_write_error(error.__cause__) if isinstance(error.__cause__, PoseError) else None


class NotFiniteError(Exception):
    """A batch gave a loss, or gradients, that are no numbers; the run decides what becomes of it.

    Args:
        what: such as "loss".
        value: infinite or not a number.
        step: of the epoch, from 1.
    """

    def __init__(self, what: str, *, value: float, step: int) -> None:
        super().__init__(f"the {what} is {value}")
        self.step = step
