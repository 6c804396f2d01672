"""Run by test_train_processes in several processes: a short training; the first process writes what it saw.

python torchrun_job.py FOLDER WEIGHTS
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch
from pose_data import DrawnPeople, ModelCard
from pose_nn import build_network, save_checkpoint
from pose_train import EpochEvent, PoseLoss, StepEvent, TrainSettings, make_batch, train
from torch import nn

SIZE = 96


class TolerantPeople(DrawnPeople):
    """Drawn people whose keypoints may be far off, so that weights which have hardly learnt find some."""

    @property
    def skeleton(self):
        """COCO's with sigmas of 0.25."""
        return replace(super().skeleton, sigmas=(0.25,) * 17)


def held_out():
    return TolerantPeople(5, size=SIZE, seed=2)


def write_weights(path):
    """Learn three of the held out images by heart, half and half."""
    samples = held_out()
    batch = make_batch([(samples[i].image, samples.targets(i)) for i in (0, 3, 4)])
    images = batch.images.float() / 255
    torch.manual_seed(0)
    net = build_network("yolov8n-pose").train()
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    momentum = norms[0].momentum
    for norm in norms:
        norm.momentum = 1.0  # the statistics are those of the last step
    loss = PoseLoss(torch.tensor(samples.skeleton.sigmas))
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.003)
    for _ in range(15):
        optimizer.zero_grad()
        loss(net.raw(images), batch.targets).total.backward()
        optimizer.step()
    for norm in norms:
        norm.momentum = momentum
    card = ModelCard("yolov8n-pose", samples.names, samples.skeleton, imgsz=(SIZE, SIZE))
    save_checkpoint(path, net.eval(), card)


def make_settings(folder, weights):
    return TrainSettings(
        model=str(weights),
        project=str(folder / "run"),
        epochs=2,
        imgsz=SIZE,
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


def main(folder, weights):
    torch.set_num_threads(1)
    seen = {"steps": [], "ap": []}

    def listen(event):
        if isinstance(event, StepEvent):
            seen["steps"].append(dict(event.losses))
        elif isinstance(event, EpochEvent):
            seen["ap"].append([event.metrics.keypoints.ap, event.metrics.boxes.ap, event.metrics.images])

    # nine images in batches of four: of the last, with one image, the second process has none
    learnt = TolerantPeople(9, size=SIZE, seed=1)
    train(make_settings(folder, weights), train_samples=learnt, val_samples=held_out(), on_event=listen)
    if seen["steps"]:
        (folder / "seen.json").write_text(json.dumps(seen), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
