"""The steps of `pose demo`, each of them what a user would do with the same packages."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pose_data import Predictor, Runtime, Samples, contact_sheet, draw_poses, write_image, write_people
from pose_export import ExportResult, export
from pose_train import TrainResult, TrainSettings, train
from rich.markup import escape

from pose_cli.console import messages
from pose_cli.models import is_network_name, model_file, open_runtime
from pose_cli.progress import progress_shown
from pose_cli.run_folder import make_run_folder
from pose_cli.validation import Validation, measure, open_samples

if TYPE_CHECKING:
    from pose_cli.commands.demo import DemoSettings

STEPS = 7
EPOCH_IMAGES = 200  # of the fine-tuning: short epochs, for the schedule is fitted to the time after each
PICTURES = 12  # of the sheet of predictions, in rows of four


@dataclass(frozen=True)
class DemoReport:
    """Every figure of the demo and where its files are.

    Args:
        folder: of everything.
        data: the data YAML.
        before: the starting weights on the held-out people; None when they were a bare network.
        training: the run.
        after: the best weights of the run.
        pictures: predictions on held-out people.
        exported: the ONNX file and how far it is from the network.
        exported_validation: the ONNX file on the held-out people.
        seconds: of all steps.
    """

    folder: Path
    data: Path
    before: Validation | None
    training: TrainResult
    after: Validation
    pictures: Path
    exported: ExportResult
    exported_validation: Validation
    seconds: float


def run_demo(settings: DemoSettings) -> DemoReport:
    """Make people, measure, fine-tune, measure again, draw, export and check the export.

    Raises:
        PoseError: the weights or the folder can't be used.
    """
    started = time.perf_counter()
    model = settings.model if is_network_name(settings.model) else str(model_file(settings.model))
    folder = make_run_folder(settings.output)
    with _step(1, f"drawing {settings.train_images} + {settings.val_images} images of people into {folder / 'data'}"):
        data = _write_people(settings, folder / "data")
    before = None
    if not is_network_name(model):
        before = _measure(2, "measuring the weights as they come", open_runtime(model, device=settings.device), data)
    with _step(3, f"fine-tuning for {settings.seconds:.0f} s"), progress_shown() as listener:
        training = train(_train_settings(settings, model=model, data=data, folder=folder), on_event=listener)
    tuned = open_runtime(str(training.best), device=settings.device)
    after = _measure(4, "measuring the fine-tuned weights", tuned, data)
    pictures = folder / "predictions.jpg"
    with _step(5, f"drawing what they find into {pictures}"):
        write_predictions(pictures, tuned, open_samples(str(data), card=tuned.card, split="val"))
    with _step(6, "exporting to ONNX and comparing the file with the network"):
        exported = export(training.best, format="onnx", output=folder / "people.onnx", dynamic=True)
    exported_validation = _measure(7, "measuring the ONNX file", open_runtime(str(exported.path)), data)
    return DemoReport(
        folder=folder,
        data=data,
        before=before,
        training=training,
        after=after,
        pictures=pictures,
        exported=exported,
        exported_validation=exported_validation,
        seconds=time.perf_counter() - started,
    )


def _write_people(settings: DemoSettings, folder: Path) -> Path:
    with messages().status("drawing") as status:
        write_people(
            folder,
            train=settings.train_images,
            val=settings.val_images,
            size=settings.size,
            seed=settings.seed,
            progress=lambda done, total: status.update(f"drawn {done} of {total} images"),
        )
    return folder / "coco.yaml"  # the same data as data.yaml, with the true areas of people, which AP depends on


def write_predictions(path: Path, runtime: Runtime, samples: Samples) -> None:
    """Draw what a network finds in some images, spread evenly over a data set, on one sheet."""
    predictor = Predictor(runtime)
    chosen = np.linspace(0, len(samples) - 1, min(PICTURES, len(samples))).astype(int)
    images = [samples[int(index)].image for index in chosen]
    drawn = [draw_poses(image, predictor(image), samples.skeleton) for image in images]
    write_image(path, contact_sheet(drawn, columns=4))


def _train_settings(settings: DemoSettings, *, model: str, data: Path, folder: Path) -> TrainSettings:
    # The start is trained on people of the same kind, so learning goes on gently: a small rate, single images, and
    # a step after every batch, as there is time for a hundred batches or so.
    return TrainSettings(
        model=model,
        data=str(data),
        project=str(folder / "train"),
        epochs=10,
        time=settings.seconds / 3600,
        images_per_epoch=min(EPOCH_IMAGES, settings.train_images),
        imgsz=settings.imgsz,
        batch=settings.batch,
        nbs=settings.batch,
        optimizer="AdamW",
        lr0=0.002 if is_network_name(model) else 0.0001,
        momentum=0.9,
        warmup_epochs=0.5,
        warmup_bias_lr=0.0,
        mosaic=0.0,
        scale=0.25,
        workers=settings.workers,
        device=settings.device,
        seed=settings.seed,
    )


def _measure(number: int, what: str, runtime: Runtime, data: Path) -> Validation:
    with _step(number, what), progress_shown() as listener:
        return measure(runtime, data=str(data), on_event=listener)


@contextmanager
def _step(number: int, what: str) -> Iterator[None]:
    began = time.perf_counter()
    messages().print(f"[bold]{number}/{STEPS}[/] {escape(what)}")
    yield
    messages().print(f"    done in {time.perf_counter() - began:.1f} s")
