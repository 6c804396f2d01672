"""Make the weights that come with pose-cli: the n network, trained from scratch on drawn people.

python tools/make_weights.py OUTPUT --hours 2                                   # from nothing
python tools/make_weights.py OUTPUT --hours 1 --weights WEIGHTS --seed 3011     # goes on, also with --size 256
OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 tools/make_weights.py OUTPUT --device cpu  # a fifth faster
python tools/make_weights.py OUTPUT --hours 0.2 --size 320 --batch 128 --rate 0.004  # with a GPU and many cores

The result is OUTPUT/people-n.safetensors; pose-cli has it in src/pose_cli/weights.

Runs of the project's own trainer on whole pictures, at half the size at which they are drawn unless another is asked
for: people are found nearly as well there, and a picture costs a quarter. The seed differs from those of the built-in
data set, so that no picture of it is ever learnt.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from pathlib import Path

from pose_data import DrawnPeople
from pose_nn import find_device, load_checkpoint, save_checkpoint
from pose_train import EpochEvent, MessageEvent, TrainEvent, TrainSettings, train

DRAWN_SIZE = 320  # pixels of a picture as it is drawn
SIZE = 160  # pixels of the network's input, unless asked for another
PICTURES = 1_000_000  # more than can be seen, so that none is seen twice
VAL_PICTURES = 150
VAL_SEED = 2000  # the pictures to learn from have a seed above it
STEPS = 300  # of an epoch
BATCH = 32  # images, of all processes, unless another is asked for


def make_settings(
    output: Path, *, hours: float, model: str, size: int, rate: float, batch: int, device: str
) -> TrainSettings:
    """Settings: Muon, a step per batch, no mosaic, a schedule fitted to the time."""
    return TrainSettings(
        model=model,
        data="people",
        project=str(output),
        name="run",
        time=hours,
        epochs=20,
        imgsz=size,
        images_per_epoch=STEPS * batch,
        batch=batch,
        nbs=batch,
        optimizer="Muon",
        alignment="iou",  # as those that come along were learnt
        lr0=rate,
        momentum=0.95,
        warmup_epochs=0.5,
        warmup_momentum=0.9,
        warmup_bias_lr=0.0,
        mosaic=0.0,  # nor colours: no picture comes twice, and the drawings vary in size and colour by themselves
        hsv_h=0.0,
        hsv_s=0.0,
        hsv_v=0.0,
        scale=0.15,
        workers=drawing_processes(device),
        device=device,
        deterministic=False,  # every process normalises by its own part of a batch: no waiting in every layer
    )


def processes() -> int:
    """How many processes torchrun has started; one without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def drawing_processes(device: str) -> int:
    """How many processes draw: all cores feed a GPU; one is enough for what a CPU learns meanwhile."""
    if processes() > 1:
        return 0
    return 1 if find_device(device or "auto").type == "cpu" else os.cpu_count() or 1


def report(event: TrainEvent) -> None:
    """Print what an epoch brought."""
    if isinstance(event, MessageEvent):
        print(event.text, flush=True)
    elif isinstance(event, EpochEvent) and event.metrics is not None:
        losses = " ".join(f"{name} {value:.3f}" for name, value in event.losses.items())
        people, boxes = event.metrics.keypoints, event.metrics.boxes
        figures = f"keypoint AP {people.ap:.4f} AP50 {people.ap50:.4f} box AP {boxes.ap:.4f}"
        print(f"epoch {event.epoch} of {event.epochs}, {event.seconds:.0f} s: {figures}; {losses}", flush=True)


def make_weights(
    output: Path, *, hours: float, weights: str, seed: int, size: int, rate: float, batch: int, device: str
) -> Path:
    """Train, and write people-n.safetensors."""
    result = train(
        make_settings(output, hours=hours, model=weights, size=size, rate=rate, batch=batch, device=device),
        train_samples=DrawnPeople(PICTURES, size=DRAWN_SIZE, seed=seed),
        val_samples=DrawnPeople(VAL_PICTURES, size=DRAWN_SIZE, seed=VAL_SEED),
        on_event=report,
    )
    checkpoint = load_checkpoint(result.last)
    card = dataclasses.replace(
        checkpoint.card,
        licence="Apache-2.0",
        provenance=(
            f"made by tools/make_weights.py of the pose project on drawn people (seed {seed}), no other data: "
            f"{result.epochs * STEPS * batch:,} pictures at {size} px in batches of {batch}, "
            f"Muon from {rate:g}, {result.seconds / 60:.0f} minutes; "
            f"{checkpoint.card.provenance}"
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
    parser.add_argument("--size", type=int, default=SIZE, help="pixels of the network's input")
    parser.add_argument("--rate", type=float, default=0.002, help="first learning rate")
    parser.add_argument("--batch", type=int, default=BATCH, help="images per step, of all processes")
    parser.add_argument("--device", default="", help="as `pose train` has it: the fastest there is unless named")
    chosen = parser.parse_args()
    if chosen.seed <= VAL_SEED:
        parser.error(f"--seed must be above {VAL_SEED}, so that no picture is learnt that anything is measured on")
    path = make_weights(**vars(chosen))
    if os.environ.get("RANK", "0") == "0":
        print(path)


if __name__ == "__main__":
    main()
