"""Train one network on drawn people with `pose train` and, where it is on the PATH, with a `yolo` command.

python benchmarks/beside_yolo.py OUTPUT --epochs 10 --imgsz 320 --batch 16 --turns 3

Each turn trains both, one after the other, with all cores and from scratch. Both weights are then validated by
pose-eval, so that the AP of both is COCO's. The other program is run as the command that it is; nothing of it is
imported. Prints a table: seconds per epoch (its first left out), largest memory, keypoint and box AP.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pose_cli import Pose
from pose_data import COCO_PERSON, write_people


@dataclass(frozen=True)
class Outcome:
    """What one training cost and gave."""

    seconds_per_epoch: float
    gigabytes: float
    keypoint_ap: float
    box_ap: float


def draw(folder: Path, *, train: int, val: int, imgsz: int) -> Path:
    """Draw a data set; return a YAML of it in the public keys, which both programs read."""
    public = folder / "both.yaml"
    if not public.is_file():
        write_people(folder, train=train, val=val, size=imgsz)
        flips = COCO_PERSON.flip_idx
        assert flips is not None
        lines = (
            f"path: {folder.as_posix()}",
            "train: images/train",
            "val: images/val",
            "names: {0: person}",
            "kpt_shape: [17, 3]",
            f"flip_idx: {flips.tolist()}",
        )
        public.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return public


def commands(chosen: argparse.Namespace, data: Path, folder: Path, seed: int) -> dict[str, tuple[list[str], Path]]:
    """The command of each program, and the run folder that it makes."""
    shared = [f"data={data}", "model=yolov8n-pose.yaml", f"epochs={chosen.epochs}", f"imgsz={chosen.imgsz}"]
    shared += [f"batch={chosen.batch}", f"seed={seed}", "device=cpu", "plots=False", f"project={folder}"]
    programs = {"pose": ["pose", "train"], "yolo": ["yolo", "pose", "train"]}
    return {
        name: ([*program, *shared, f"name={name}-{seed}"], folder / f"{name}-{seed}")
        for name, program in programs.items()
        if shutil.which(program[0])
    }


def run(command: Sequence[str], run_folder: Path, data: Path) -> Outcome:
    """Train, then validate the last weights with our own numbers."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    whole = time.perf_counter() - start
    if status:
        raise SystemExit(f"{' '.join(command)} ended with status {os.waitstatus_to_exitcode(status)}")
    weights = next(run_folder.glob("weights/last.*"))
    found = Pose(weights).val(data=data)
    return Outcome(epoch_seconds(run_folder, whole), usage.ru_maxrss / 2**20, found.pose.map, found.box.map)


def epoch_seconds(run_folder: Path, whole: float) -> float:
    """Median seconds of an epoch, from the table that either program writes; of a single one, of the whole run."""
    ours = run_folder / "times.csv"
    with (ours if ours.is_file() else run_folder / "results.csv").open(encoding="utf-8") as file:
        rows = [{key.strip(): value.strip() for key, value in row.items()} for row in csv.DictReader(file)]
    if "seconds" in rows[0]:
        each = [float(row["seconds"]) for row in rows]
    elif "time" in rows[0]:  # since the start of the run
        ends = [0.0, *(float(row["time"]) for row in rows)]
        each = [later - earlier for earlier, later in itertools.pairwise(ends)]
    else:
        return whole / len(rows)
    return statistics.median(each[1:] or each)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    for name, default in {"epochs": 10, "imgsz": 320, "batch": 16, "turns": 3, "train": 200, "val": 50}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    chosen = parser.parse_args()
    output = chosen.output.resolve()
    data = draw(output / "people", train=chosen.train, val=chosen.val, imgsz=chosen.imgsz)
    outcomes: dict[str, list[Outcome]] = {}
    for seed in range(chosen.turns):
        for name, (command, folder) in commands(chosen, data, output / "runs", seed).items():
            outcomes.setdefault(name, []).append(run(command, folder, data))
            print(f"turn {seed + 1}: {name} {outcomes[name][-1]}", flush=True)
    print(f"{'':6}{'s / epoch':>12}{'GB':>8}{'keypoint AP':>14}{'box AP':>10}   (medians of {chosen.turns})")
    for name, several in outcomes.items():
        columns = zip(*((o.seconds_per_epoch, o.gigabytes, o.keypoint_ap, o.box_ap) for o in several), strict=True)
        seconds, gigabytes, keypoints, boxes = map(statistics.median, columns)
        print(f"{name:6}{seconds:12.2f}{gigabytes:8.2f}{keypoints:14.4f}{boxes:10.4f}")
    if "yolo" not in outcomes:
        print("no `yolo` command is on the PATH: ours alone")


if __name__ == "__main__":
    main()
