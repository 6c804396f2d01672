"""Make the weights that come with pose-cli: the n network, trained from scratch on drawn people.

python tools/make_weights.py OUTPUT --hours 2                                 # from nothing
python tools/make_weights.py OUTPUT --hours 2 --weights WEIGHTS --seed 3003     # goes on
OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 tools/make_weights.py OUTPUT    # a process per core: a third faster

The result is OUTPUT/people-n.safetensors; pose-cli has it in src/pose_cli/weights.

Two stages of the project's own trainer. The first looks at small windows around people, at the scale at which they
are drawn: a window costs a quarter of a whole picture and shows the same details. The second sees whole pictures.
Seeds differ from those of the built-in data set, so that no picture of it is ever learnt.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pose_data import DrawnPeople, PoseTargets, Sample, Samples, Skeleton, box_areas, clip_boxes
from pose_nn import load_checkpoint, save_checkpoint
from pose_train import EpochEvent, MessageEvent, TrainEvent, TrainSettings, train

SIZE = 320  # pixels of a picture
WINDOW = 160  # pixels of a window
PICTURES = 1_000_000  # more than can be seen, so that none is seen twice
VAL_SEED = 2000  # the pictures to learn from have a seed above it
EPOCH = 9600  # images
BATCH = 32  # images, of all processes
SHARE_OF_WINDOWS = 0.65  # of the time; people larger than a window are learnt from whole pictures alone
LEAST_SHARE = 0.1  # of a person's box; less than this in the window is nobody


class Windows:
    """Square windows of a data set, each at a person where there is one; implements Samples.

    Args:
        samples: whole images.
        size: pixels of a window's side.
        seed: of the places.
    """

    def __init__(self, samples: Samples, *, size: int, seed: int) -> None:
        self._samples, self._size, self._seed = samples, size, seed

    @property
    def names(self) -> tuple[str, ...]:
        """The classes of the images."""
        return self._samples.names

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton of the images."""
        return self._samples.skeleton

    @property
    def keypoint_dims(self) -> int:
        """As of the images."""
        return self._samples.keypoint_dims

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> Sample:
        """Cut one window."""
        sample = self._samples[index]
        corner = self._corner(index, sample.image.shape[:2], sample.targets)
        x, y = corner
        image = np.ascontiguousarray(sample.image[y : y + self._size, x : x + self._size])
        return Sample(image, cut_targets(sample.targets, corner, size=self._size), sample.name)

    def targets(self, index: int) -> PoseTargets:
        """The people in one window."""
        return self[index].targets

    def _corner(self, index: int, image_size: tuple[int, ...], targets: PoseTargets) -> NDArray[np.int64]:
        """Left and top of the window, in pixels of the image."""
        generator = np.random.default_rng([self._seed, index])
        limit = np.array(image_size[::-1]) - self._size
        middle = generator.uniform(0, 1, 2) * limit + self._size / 2
        if len(targets):
            box = targets.boxes[generator.integers(len(targets))]
            middle = (box[:2] + box[2:]) / 2 + generator.uniform(-0.25, 0.25, 2) * self._size
        corner: NDArray[np.int64] = np.clip(np.round(middle - self._size / 2), 0, limit).astype(np.int64)
        return corner


def cut_targets(targets: PoseTargets, corner: NDArray[np.int64], *, size: int) -> PoseTargets:
    """Move people from an image into a window of it; points outside it become unlabelled."""
    shift = corner.astype(np.float32)
    moved = targets.boxes - np.tile(shift, 2)
    boxes = clip_boxes(moved, height=size, width=size)
    share = box_areas(boxes) / np.maximum(box_areas(moved), 1e-6)
    keypoints = targets.keypoints - shift
    inside = ((keypoints >= 0) & (keypoints < size)).all(axis=2)
    visibility = np.where(inside, targets.visibility, 0).astype(np.uint8)
    cut = dataclasses.replace(
        targets,
        boxes=boxes,
        keypoints=np.where(visibility[..., None] > 0, keypoints, 0).astype(np.float32),
        visibility=visibility,
        areas=(targets.areas * share).astype(np.float32),
    )
    return cut[(share > LEAST_SHARE) & (visibility > 0).any(axis=1)]


def stage_settings(output: Path, *, name: str, hours: float, model: str, imgsz: int, lr0: float) -> TrainSettings:
    """Settings of a stage: AdamW, a step per batch, no mosaic, a schedule fitted to the time."""
    return TrainSettings(
        model=model,
        data="people",
        project=str(output),
        name=name,
        time=hours,
        epochs=20,
        imgsz=imgsz,
        images_per_epoch=EPOCH,
        batch=BATCH,
        nbs=BATCH,
        optimizer="AdamW",
        lr0=lr0,
        momentum=0.9,
        warmup_epochs=0.5,
        warmup_momentum=0.9,
        warmup_bias_lr=0.0,
        mosaic=0.0,  # nor colours: no picture comes twice, and the drawings vary in size and colour by themselves
        hsv_h=0.0,
        hsv_s=0.0,
        hsv_v=0.0,
        scale=0.15,
        workers=0 if processes() > 1 else 1,
        device="cpu",
        deterministic=False,  # every process normalises by its own part of a batch: no waiting in every layer
    )


def processes() -> int:
    """How many processes torchrun has started; one without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def report(event: TrainEvent) -> None:
    """Print what an epoch brought."""
    if isinstance(event, MessageEvent):
        print(event.text, flush=True)
    elif isinstance(event, EpochEvent) and event.metrics is not None:
        losses = " ".join(f"{name} {value:.3f}" for name, value in event.losses.items())
        people, boxes = event.metrics.keypoints, event.metrics.boxes
        figures = f"keypoint AP {people.ap:.4f} AP50 {people.ap50:.4f} box AP {boxes.ap:.4f}"
        print(f"epoch {event.epoch} of {event.epochs}, {event.seconds:.0f} s: {figures}; {losses}", flush=True)


def make_weights(output: Path, *, hours: float, start: str, seed: int) -> Path:
    """Run the stages and write people-n.safetensors."""
    pictures = DrawnPeople(PICTURES, size=SIZE, seed=seed)
    held_out = DrawnPeople(150, size=SIZE, seed=VAL_SEED)
    near = train(
        stage_settings(output, name="windows", hours=SHARE_OF_WINDOWS * hours, model=start, imgsz=WINDOW, lr0=0.0008),
        train_samples=Windows(pictures, size=WINDOW, seed=seed),
        val_samples=Windows(held_out, size=WINDOW, seed=VAL_SEED),
        on_event=report,
    )
    whole = train(
        stage_settings(
            output, name="whole", hours=(1 - SHARE_OF_WINDOWS) * hours, model=str(near.last), imgsz=SIZE, lr0=0.0005
        ),
        train_samples=pictures,
        val_samples=held_out,
        on_event=report,
    )
    checkpoint = load_checkpoint(whole.last)
    card = dataclasses.replace(
        checkpoint.card,
        licence="Apache-2.0",
        provenance=(
            f"made by tools/make_weights.py of the pose project on drawn people (seed {seed}), no other data: "
            f"{near.epochs * EPOCH:,} windows of {WINDOW} px, then {whole.epochs * EPOCH:,} pictures of {SIZE} px, "
            f"{(near.seconds + whole.seconds) / 60:.0f} minutes; {checkpoint.card.provenance}"
        ),
    )
    path = output / "people-n.safetensors"
    save_checkpoint(path, checkpoint.net, card, half=True)
    return path


def main() -> None:
    """Read the words of the command and make the weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--weights", default="yolov8n-pose", help="network name, or weights to go on from")
    parser.add_argument("--seed", type=int, default=3000, help="of the pictures; take a new one to go on from weights")
    chosen = parser.parse_args()
    if chosen.seed <= VAL_SEED:
        parser.error(f"--seed must be above {VAL_SEED}, so that no picture is learnt that anything is measured on")
    print(make_weights(chosen.output, hours=chosen.hours, start=chosen.weights, seed=chosen.seed))


if __name__ == "__main__":
    main()
