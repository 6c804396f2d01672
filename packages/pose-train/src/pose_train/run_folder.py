"""The folder that a run leaves behind: settings, a table of every epoch, weights, pictures."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import yaml
from pose_data import SettingsError, atomic_path

from pose_train.settings import TrainSettings

_LEFTOVER = re.compile(r"\..+\.[0-9a-f]{12}(\.\w+)?")  # as atomic_path names what it hasn't finished
_WRITTEN = (  # by a run, beside its settings; trackers see to what is theirs
    *("record.json", "results.csv", "times.csv", "results.png", "labels.png", "train_batch*.jpg", "validation.jpg"),
    *("pr_curves.png", "keypoint_errors.png", "weights/best.safetensors", "weights/last.safetensors"),
    *("weights/epoch*.safetensors", "weights/resume.safetensors", "bad_images.txt"),
    "messages.txt",
)


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """Where the parts of a run are."""

    path: Path

    @property
    def best(self) -> Path:
        """Weights of the epoch with the best fitness."""
        return self.path / "weights" / "best.safetensors"

    @property
    def last(self) -> Path:
        """Weights of the last epoch."""
        return self.path / "weights" / "last.safetensors"

    @property
    def state(self) -> Path:
        """All that a resumed run needs, as of the end of the last whole epoch."""
        return self.path / "weights" / "resume.safetensors"

    @property
    def table(self) -> Path:
        """A CSV with a row per epoch."""
        return self.path / "results.csv"

    @property
    def times(self) -> Path:
        """A CSV with the seconds of every epoch: what differs between two runs that are the same."""
        return self.path / "times.csv"

    @property
    def curves(self) -> Path:
        """A picture of the table."""
        return self.path / "results.png"

    @property
    def record(self) -> Path:
        """What the run was made of: data, versions, code, start."""
        return self.path / "record.json"

    @property
    def messages(self) -> Path:
        """What the run has said, a line each."""
        return self.path / "messages.txt"

    @property
    def bad_images(self) -> Path:
        """The images of the batch whose losses were last no numbers, where they are many."""
        return self.path / "bad_images.txt"

    @property
    def settings(self) -> Path:
        """The settings as they were resolved."""
        return self.path / "settings.yaml"

    @property
    def resume_word(self) -> str:
        """The word that goes on with the run, as a shell takes it."""
        return f"resume={shlex.quote(self.path.as_posix())}"

    def epoch_weights(self, epoch: int) -> Path:
        """Weights of one epoch, kept with save_period."""
        return self.path / "weights" / f"epoch{epoch}.safetensors"

    def write_settings(self, settings: TrainSettings) -> None:
        """Write settings.yaml."""
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(settings).items()}
        text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
        with atomic_path(self.settings) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def written(self) -> list[Path]:
        """List what a run has written here, but for its settings."""
        return [file for pattern in _WRITTEN for file in self.path.glob(pattern)]

    def clear_leftovers(self) -> None:
        """Remove the files that a process was writing when it was killed."""
        for file in (*self.path.glob(".*"), *self.last.parent.glob(".*")):
            if _LEFTOVER.fullmatch(file.name):
                file.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove all that a run has written here."""
        self.clear_leftovers()
        for file in (*self.written(), self.settings):
            file.unlink(missing_ok=True)
        with suppress(OSError):  # there is none, or something else lies in it
            self.last.parent.rmdir()


def wanted_place(settings: TrainSettings) -> Path:
    """Where a run is to lie: project/name, or project.

    Raises:
        SettingsError: the folder has no name to put a number after, where one may be needed.
    """
    place = Path(settings.project) / settings.name if settings.name else Path(settings.project)
    if not settings.exist_ok and place.name in ("", ".."):
        word, given = ("name", settings.name) if settings.name else ("project", settings.project)
        raise SettingsError(
            f"{word} must end with the name of a folder for the run, which gets a number where it is taken; "
            f"got '{given}'; name one, such as {'name=first' if settings.name else 'project=runs/train'}"
        )
    return place.resolve() if ".." in place.parts else place


def check_place(folder: Path, *, numbered: bool = False) -> None:
    """Check that a folder is there or can be made, without making it.

    Args:
        folder: the place.
        numbered: whether another number is taken where something else has its name.

    Raises:
        SettingsError: a file is in its place or above it, or nobody may write there.
    """
    candidates = folder.absolute().parents if numbered else (folder, *folder.absolute().parents)
    nearest = next(path for path in candidates if path.exists())
    if not nearest.is_dir():
        raise _cannot_be_made(folder, f"'{nearest}' is a file")
    if not os.access(nearest, os.W_OK):
        raise _cannot_be_made(folder, f"no right to write into '{nearest}'")


@contextmanager
def claimed_run_folder(settings: TrainSettings) -> Iterator[RunFolder]:
    """Claim the folder of a new run: project/name, or project, numbered when it is taken.

    A run that fails before it has a state leaves nothing: what it wrote is removed, and the folders that were made
    for it where they are empty.

    Yields:
        The folder, which is there and empty; with exist_ok the one that was named, as it is.

    Raises:
        SettingsError: it can't be made.
    """
    wanted = wanted_place(settings)
    made = [path for path in (wanted, *wanted.parents) if not path.exists()]
    folder = RunFolder(wanted)
    if not settings.exist_ok:
        with _making_explained(wanted):
            folder = RunFolder(_claim(wanted))
        made = [folder.path, *(path for path in made if path != wanted)]
    was_empty = not any(folder.path.glob("*"))
    try:
        yield folder
    except BaseException:
        if was_empty and not (folder.state.exists() or folder.last.exists()):
            folder.clear()
        raise
    finally:
        with suppress(OSError):  # something lies in it
            for path in made:
                path.rmdir()


def make_run_folder(folder: RunFolder, settings: TrainSettings) -> None:
    """Make what is in the folder of a run, with its settings; nothing of an earlier run stays beside them.

    Raises:
        SettingsError: it can't be made, or the run begins with weights that would be removed.
    """
    _check_start_stays(folder, settings)
    with _making_explained(folder.path):
        folder.best.parent.mkdir(parents=True, exist_ok=True)
    for old in folder.written():  # with exist_ok, or when a run begins again with a smaller batch
        old.unlink(missing_ok=True)
    folder.write_settings(settings)


def find_run_folder(settings: TrainSettings) -> RunFolder:
    """Find the run that is to be continued, by its folder or a file of weights in it.

    Raises:
        SettingsError: there is none, or it holds no state to go on from.
    """
    if settings.resume is True and not Path(settings.model).exists():
        given = "none" if settings.model == TrainSettings().model else f"'{settings.model}'"
        raise SettingsError(
            f"resume: True means the run of model=, which must be a file in a run folder; got {given}; name "
            "the folder, such as resume=runs/train"
        )
    path = Path(settings.model if settings.resume is True else str(settings.resume))
    folder = RunFolder(path.parent.parent if path.is_file() else path)
    if not folder.settings.exists() or (folder.table.exists() and not folder.state.exists()):
        raise SettingsError(
            f"resume: '{path}' must be a run folder or its weights/last.safetensors, with weights/resume.safetensors "
            "and settings.yaml beside; got none there. A run keeps them until you remove them"
        )
    return folder


def _claim(wanted: Path) -> Path:
    """Make the first folder that isn't there; making it is the test, so two runs that start together get two."""
    wanted.parent.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        folder = wanted if number == 1 else wanted.with_name(f"{wanted.name}{number}")
        with suppress(FileExistsError):
            folder.mkdir()
            return folder
    raise AssertionError("count never ends")


def _check_start_stays(folder: RunFolder, settings: TrainSettings) -> None:
    removed = {file.resolve() for file in folder.written()}
    for name, file in (("model", settings.model), ("pretrained", settings.pretrained)):
        if isinstance(file, str) and Path(file).resolve() in removed:
            raise SettingsError(
                f"{name} must be a file that the new run keeps; got '{file}', which exist_ok=True removes with all of "
                "the earlier run; leave exist_ok out, or copy the file elsewhere"
            )


@contextmanager
def _making_explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _cannot_be_made(folder, str(error.strerror)) from error


def _cannot_be_made(folder: Path, reason: str) -> SettingsError:
    return SettingsError(f"project: the folder '{folder}' can't be made ({reason}); give another 'project'")
