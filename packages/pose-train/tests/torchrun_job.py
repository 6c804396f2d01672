"""Run by test_train_processes in several processes: a short training; the first process writes what it saw.

python torchrun_job.py FOLDER
"""

import json
import sys
from pathlib import Path

import torch
from pose_data import DrawnPeople
from pose_train import EpochEvent, StepEvent, TrainSettings, train


def main(folder):
    torch.set_num_threads(1)
    seen = {"steps": [], "ap": []}

    def listen(event):
        if isinstance(event, StepEvent):
            seen["steps"].append(dict(event.losses))
        elif isinstance(event, EpochEvent):
            seen["ap"].append([event.metrics.keypoints.ap, event.metrics.boxes.ap, event.metrics.images])

    settings = TrainSettings(
        project=str(folder / "run"),
        epochs=2,
        imgsz=96,
        batch=4,
        nbs=4,
        workers=0,
        device="cpu",
        plots=False,
        optimizer="SGD",
        lr0=0.00001,
        warmup_epochs=0.0,
        heatmap=1.0,
        likelihood=0.01,  # an untrained one is steep: more of it would let the runs drift apart by rounding
    )
    # nine images in batches of four: of the last, with one image, the second process has none
    train(
        settings,
        train_samples=DrawnPeople(9, size=96, seed=1),
        val_samples=DrawnPeople(5, size=96, seed=2),
        on_event=listen,
    )
    if seen["steps"]:
        (folder / "seen.json").write_text(json.dumps(seen), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
