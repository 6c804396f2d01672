"""How fast training is, part by part, on drawn people of 640 px that are stored as JPEG.

python benchmarks/train_speed.py loader OUTPUT        # augmented images per second and core, from files and from memory
python benchmarks/train_speed.py choices OUTPUT       # what each choice about the loader brings
python benchmarks/train_speed.py loop OUTPUT          # images per second of the training loop and of the bare step
python benchmarks/train_speed.py validation OUTPUT --images 5000   # seconds of a validation and of the network alone
python benchmarks/train_speed.py memory OUTPUT        # largest memory of a run with a batch of 16
python benchmarks/train_speed.py index OUTPUT         # seconds until 100,000 labelled images are known, twice
python benchmarks/train_speed.py recipes OUTPUT       # a step by the defaults and by the published recipe

The data are drawn into OUTPUT by the first command that needs them. What is compared is measured in turns.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import torch
from pose_cli.models import shipped_weights
from pose_data import COCO_PERSON, PoseDataset, PoseTargets, mosaic, open_dataset, read_data_settings, write_people
from pose_data.datasets.augment import _Draw
from pose_data.datasets.warp import Piece, render
from pose_nn import TorchRuntime, build_network, load_checkpoint
from pose_train import (
    Batch,
    TrainSettings,
    ValidationEvent,
    make_targets,
    make_train_settings,
    train,
    validate,
)
from pose_train.data import keep_images, open_run_data
from pose_train.engine import make_engine
from pose_train.epochs import EpochLearner
from pose_train.interrupts import Interrupts
from pose_train.learner import Learner, make_learner
from pose_train.loader import AugmentedImages, make_loader
from pose_train.order import EpochOrder
from pose_train.resume import Progress

SIZE, BATCH = 640, 16
SMALL, STEPS = 192, 5  # of a step of each recipe
TRAIN, VAL = 96, 96
READ = 192  # images that a loader makes in a turn, three groups
PART = 480  # images of a validation between two looks at the network's own time
LABELLED = 100_000
NETWORK = "yolov8n-pose"
ROW = "0 0.5 0.5 0.4 0.4" + " 0.5 0.5 2" * 17 + "\n"
OPENING = """
import sys
from pathlib import Path
from pose_data import open_dataset, read_data_settings
folder = Path(sys.argv[1])
open_dataset(read_data_settings(folder / "data.yaml"), "train", cache_dir=folder / "cache")
"""


def drawn(output: Path, *, train: int = TRAIN, val: int = VAL) -> Path:
    """Draw the data set once; return its YAML."""
    data = output / f"people-{train}-{val}" / "data.yaml"
    if not data.is_file():
        print(f"drawing {train + val} images of {SIZE} px", flush=True)
        write_people(data.parent, train=train, val=val, size=SIZE)
    return data


def settings_for(output: Path, *, train: int = TRAIN, **changed: object) -> TrainSettings:
    """The defaults on the drawn images."""
    chosen: dict[str, object] = {"data": str(drawn(output, train=train)), "project": str(output / "run"), "imgsz": SIZE}
    return TrainSettings(**(chosen | {"batch": BATCH, "plots": False, "close_mosaic": 0} | changed))  # type: ignore[arg-type]


def measure_loader(output: Path, turns: int) -> None:
    """Augmented images per second of processor time, one process."""
    for cache, size in (("", SIZE), ("ram", SIZE), ("", SIZE // 2), ("ram", SIZE // 2)):
        settings = settings_for(output, train=READ, cache=cache, imgsz=size)
        samples = keep_images(settings, open_run_data(settings, None, None).learnt, Interrupts())
        images = AugmentedImages(samples, size, settings.augmentation(), 0)
        for mix in (True, False):
            speeds = [
                READ / processor_seconds(lambda i=images, m=mix, c=bool(cache): read_all(i, m, cached=c))
                for _ in range(turns)
            ]
            kind = f"{'mosaic' if mix else 'one image'}, {size} px, {'from memory' if cache else 'from JPEG files'}"
            print(f"{kind:40} {statistics.median(speeds):6.0f} per second and core ({spread(speeds)})", flush=True)


def measure_choices(output: Path, turns: int) -> None:
    """What each choice about the loader brings: mosaics from JPEG files without it, in turns with those with all."""
    choices = {
        "images are decoded once per group": patch("pose_train.loader.KeptImages", lambda samples, longest: samples),
        "mosaics are drawn at once": patch.object(_Draw, "place", place_by_canvas),
        "colours are changed in strips": patch("pose_data.datasets.augment._STRIP", SIZE),
        "channels are moved while stacking": patch("pose_train.loader.make_batch", make_batch_by_torch),
    }
    for size in (SIZE, SIZE // 2):
        settings = settings_for(output, train=READ, imgsz=size)
        samples = open_run_data(settings, None, None).learnt
        whole = open_dataset(read_data_settings(settings.data), "train")  # not read any smaller than they are
        images, unshrunk = (AugmentedImages(s, size, settings.augmentation(), 0) for s in (samples, whole))
        took: dict[str, list[float]] = {}
        for _ in range(turns):
            took.setdefault("(with all of them)", []).append(processor_seconds(lambda i=images: read_all(i, True)))
            for name, choice in choices.items():
                with choice:
                    took.setdefault(name, []).append(processor_seconds(lambda i=images: read_all(i, True)))
            if size < SIZE:
                in_full = processor_seconds(lambda i=unshrunk: read_all(i, True))
                took.setdefault("JPEG is decoded no larger than needed", []).append(in_full)
        print(f"{size} px, without this: milliseconds an image, and times what it is with all")
        for name, times in took.items():
            ratios = [time / best for time, best in zip(times, took["(with all of them)"], strict=True)]
            each = 1000 * statistics.median(times) / READ
            print(f"  {name:40} {each:6.2f}  {statistics.median(ratios):.2f}", flush=True)


def place_by_canvas(draw: _Draw, index: int, *, use_mosaic: bool) -> tuple[np.ndarray, PoseTargets]:
    """Draw a mosaic whole, and then through its matrix."""
    assert use_mosaic
    samples = [draw._read(i) for i in (index, *draw.partners(index, 3))]
    canvas, targets = mosaic(samples, draw.size, generator=draw.generator)
    side = 2 * draw.size
    return render([Piece(canvas, targets, draw._matrix((side, side)), (0, 0, side, side))], draw.size)


def make_batch_by_torch(items: Sequence[tuple[np.ndarray, PoseTargets]]) -> Batch:
    """Stack images, and then move their channels."""
    images = torch.from_numpy(np.stack([image for image, _ in items])).permute(0, 3, 1, 2).contiguous()
    return Batch(images, make_targets([targets for _, targets in items]))


def measure_recipes(output: Path, turns: int) -> None:
    """Processor time of a step of each recipe on a batch that is there, in turns; all begin from nothing."""
    recipes = {"the defaults": {}, "alignment=iou": {"alignment": "iou"}, "recipe=published": {"recipe": "published"}}
    learners = {}
    for name, words in recipes.items():
        chosen = {"data": str(drawn(output)), "imgsz": SMALL, "batch": BATCH, "model": NETWORK, "plots": False}
        settings = make_train_settings(chosen | words, source=name)
        samples = open_run_data(settings, None, None).learnt
        net = build_network(NETWORK)
        learners[name] = make_learner(settings, net, samples, make_engine(settings), batches=STEPS, images=TRAIN)
    images = AugmentedImages(samples, SMALL, settings.augmentation(), 0)
    order = EpochOrder(TRAIN, batch=BATCH, per_epoch=TRAIN, seed=0)
    batch = next(iter(make_loader(images, order, workers=0, pin_memory=False)))
    took: dict[str, list[float]] = {name: [] for name in learners}
    for turn in range(turns + 1):  # the first warms up
        for name, learner in learners.items():
            one = processor_seconds(lambda: learn_resident(learner, batch, STEPS)) / STEPS  # noqa: B023
            took[name] += [1000 * one] * bool(turn)
    for name, times in took.items():
        ratio = statistics.median(a / b for a, b in zip(times, took["recipe=published"], strict=True))
        print(f"{name:20} {statistics.median(times):7.1f} ms a step ({spread(times)}), of published {ratio:.3f}")


def read_all(images: AugmentedImages, mix: bool, *, cached: bool = False) -> None:
    """Make an epoch of batches in this process."""
    order = EpochOrder(len(images.samples), batch=BATCH, per_epoch=READ, seed=0, cached=cached)
    order.mix = mix
    for _ in make_loader(images, order, workers=0, pin_memory=False):
        pass


def measure_loop(output: Path, turns: int) -> None:
    """An epoch of the training loop, and as many steps on one batch that is there already."""
    for cache in ("", "ram"):
        settings = settings_for(output, cache=cache)
        engine = make_engine(settings)
        samples = keep_images(settings, open_run_data(settings, None, None).learnt, Interrupts())
        images = AugmentedImages(samples, SIZE, settings.augmentation(), 0)
        order = EpochOrder(TRAIN, batch=BATCH, per_epoch=TRAIN, seed=0, cached=bool(cache))
        net = build_network(NETWORK)
        learner = make_learner(settings, net, samples, engine, batches=len(order), images=TRAIN)
        loader = make_loader(images, order, workers=settings.workers, pin_memory=False)
        epochs = EpochLearner(learner, order, loader, engine=engine, interrupts=Interrupts())
        batch = next(iter(loader))
        loops, bares = [], []
        for turn in range(turns + 1):  # the first warms up
            progress = Progress(epochs=turns + 1, epoch=turn)
            loop = seconds(lambda: epochs.learn(progress, mix=True, out_of_time=lambda: False, on_step=lambda _: None))  # noqa: B023
            bare = seconds(lambda: learn_resident(learner, batch, len(order)))  # noqa: B023
            if turn:
                loops.append(TRAIN / loop)
                bares.append(TRAIN / bare)
        ratio = statistics.median(a / b for a, b in zip(loops, bares, strict=True))
        print(
            f"{'from memory' if cache else 'from JPEG files'}: loop {statistics.median(loops):.2f} images per second "
            f"({spread(loops)}), bare step {statistics.median(bares):.2f} ({spread(bares)}), ratio {ratio:.3f}",
            flush=True,
        )


def learn_resident(learner: Learner, batch: object, steps: int) -> None:
    """Learn one batch again and again."""
    learner.begin_epoch()
    progress = Progress(epochs=1)
    for _ in range(steps):
        learner.learn(batch, progress)  # type: ignore[arg-type]


def measure_validation(output: Path, turns: int, images: int) -> None:
    """A validation with the weights that come along, and in its pauses, for speed drifts, the network alone."""
    samples = open_dataset(read_data_settings(drawn(output, val=images)), "val")
    assert isinstance(samples, PoseDataset)
    checkpoint = load_checkpoint(shipped_weights())
    runtime = TorchRuntime(checkpoint.net, replace(checkpoint.card, imgsz=(SIZE, SIZE)))
    inputs = np.stack([samples[i].image for i in range(BATCH)])
    part = min(PART, images) // BATCH * BATCH
    ratios = []
    for _ in range(turns):
        pauses: list[float] = []

        def time_network(event: object, pauses: list[float] = pauses) -> None:
            if isinstance(event, ValidationEvent) and event.done >= part * (len(pauses) + 1):
                pauses.append(seconds(lambda: [runtime(inputs) for _ in range(part // BATCH)]))

        whole = seconds(lambda on_event=time_network: validate(runtime, samples, batch=BATCH, on_event=on_event))
        whole -= sum(pauses)
        alone = sum(pauses) / len(pauses) * images / part
        ratios.append(whole / alone)
        print(
            f"{images} images: validation {whole:.2f} s, network alone {alone:.2f} s, ratio {whole / alone:.3f}",
            flush=True,
        )
    print(f"median ratio {statistics.median(ratios):.3f}")


def measure_memory(output: Path, _turns: int) -> None:
    """The most memory that a run holds, its worker processes beside it."""
    settings = settings_for(output, epochs=1, val=False, cache="ram")
    train(settings)
    own, workers = (
        resource.getrusage(who).ru_maxrss / 2**20 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(
        f"n at {SIZE} px, batch {BATCH}: {own:.2f} GiB, and {workers:.2f} GiB for the largest worker, most of it shared"
    )


def measure_index(output: Path, turns: int) -> None:
    """Open a data set of 100,000 images, each time in a new process: without a cache and with it."""
    folder = output / "many"
    if not (folder / "data.yaml").is_file():
        print(f"writing {LABELLED} images with labels", flush=True)
        write_many(folder)
    for file in (folder / "cache").glob("*"):
        file.unlink()
    for turn in range(1, max(turns, 2) + 1):
        took = seconds(lambda: subprocess.run([sys.executable, "-c", OPENING, str(folder)], check=True))
        print(f"opening {turn} of {LABELLED} images: {took:.2f} s", flush=True)


def write_many(folder: Path) -> None:
    """Write small images by the hundred thousand: hard links to a few, and a label file for each."""
    images, labels = folder / "images", folder / "labels"
    images.mkdir(parents=True)
    labels.mkdir()
    content = cv2.imencode(".jpg", np.zeros((48, 64, 3), np.uint8))[1].tobytes()
    for index in range(LABELLED):
        (images / f"{index:06}.jpg").write_bytes(content)
        (labels / f"{index:06}.txt").write_text(ROW, encoding="utf-8")
    sigmas = COCO_PERSON.require_sigmas().tolist()
    text = f"path: {folder.as_posix()}\ntrain: images\nnames: [person]\nkpt_shape: [17, 3]\nkpt_oks_sigmas: {sigmas}\n"
    (folder / "data.yaml").write_text(text, encoding="utf-8")


def seconds(work: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def processor_seconds(work: Callable[[], object]) -> float:
    """Time one call by the processor time that it takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def spread(values: list[float]) -> str:
    """Write the smallest and the largest."""
    return f"{min(values):.2f} to {max(values):.2f}"


JOBS = {
    "loader": measure_loader,
    "choices": measure_choices,
    "loop": measure_loop,
    "memory": measure_memory,
    "index": measure_index,
    "recipes": measure_recipes,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=(*JOBS, "validation"))
    parser.add_argument("output", type=Path)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--images", type=int, default=VAL, help="of the validation")
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    print(f"{os.cpu_count()} cores, torch {torch.__version__}, OpenCV {cv2.__version__}")
    output = chosen.output.resolve()
    if chosen.job == "validation":
        measure_validation(output, chosen.turns, chosen.images)
    else:
        JOBS[chosen.job](output, chosen.turns)


if __name__ == "__main__":
    main()
