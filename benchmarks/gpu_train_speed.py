"""How fast training is on a GPU: the loop, the step alone, the loader alone, and what parts a step has.

python benchmarks/gpu_train_speed.py --networks yolov8n-pose yolov8s-pose --batches 16 64 --turns 3

Images of 640 px are drawn into memory first. A turn learns some batches by the loop of a run, then as many steps on one
batch that is on the GPU already, then makes as many batches without learning: images per second of each, and the ratio
of loop and step, turn by turn. Then a step's parts, and what each choice about it brings, one at a time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

import cv2
import torch
from kept import Kept, draw_people
from pose_nn import build_network
from pose_train import TrainSettings
from pose_train.batches import Batch
from pose_train.engine import make_engine
from pose_train.epochs import EpochLearner
from pose_train.interrupts import Interrupts
from pose_train.learner import Learner, make_learner
from pose_train.loader import AugmentedImages, make_loader
from pose_train.order import GROUP_IMAGES, EpochOrder
from pose_train.resume import Progress

PARTS = ("forward", "loss", "backward", "step")
AHEAD = 2.0  # seconds of a validation, in which the loader begins the next epoch


def make_settings(chosen: argparse.Namespace, batch: int, **changed: object) -> TrainSettings:
    """The defaults of a run, but for what a benchmark doesn't need."""
    words: dict[str, object] = {"imgsz": chosen.imgsz, "batch": batch, "workers": chosen.workers, "plots": False}
    words |= {"close_mosaic": 0, "deterministic": False, "device": chosen.device}
    return TrainSettings(**(words | changed))  # type: ignore[arg-type]


class Bench:
    """A run of one network and batch, without its folder."""

    def __init__(self, settings: TrainSettings, network: str, samples: Kept, *, per_epoch: int) -> None:
        self.settings, self.per_epoch = settings, per_epoch
        self.engine = make_engine(settings)
        torch.manual_seed(0)
        self.order = EpochOrder(len(samples), batch=settings.batch, per_epoch=per_epoch, seed=0)
        self.learner = make_learner(
            settings, build_network(network), samples, self.engine, batches=len(self.order), images=per_epoch
        )
        images = AugmentedImages(samples, settings.imgsz, settings.augmentation(), 0)
        cuda = self.engine.device.type == "cuda"
        self.loader = make_loader(images, self.order, workers=settings.workers, pin_memory=cuda)
        self.epochs = EpochLearner(self.learner, self.order, self.loader, engine=self.engine, interrupts=Interrupts())
        self.resident = next(iter(make_loader(images, self.order, workers=0, pin_memory=False))).to(self.engine.device)

    def loop(self, turn: int) -> float:
        """Images per second of an epoch of the training loop."""
        progress = Progress(epochs=100, epoch=turn)
        self.epochs.load_ahead(turn, mix=True)  # as a run does while it validates
        time.sleep(AHEAD)
        return self._speed(
            lambda: self.epochs.learn(progress, mix=True, out_of_time=lambda: False, on_step=lambda _: None)
        )

    def bare(self) -> float:
        """Images per second of the step, on one batch that is there."""
        self.learner.begin_epoch()
        progress = Progress(epochs=100)
        return self._speed(lambda: [self.learner.learn(self.resident, progress) for _ in range(len(self.order))])

    def load(self, turn: int) -> float:
        """Images per second of the loader, nothing learnt."""
        self.order.epoch, self.order.done, self.order.mix = turn, 0, True
        return self._speed(lambda: [None for _ in self.loader])

    def _speed(self, work: Callable[[], object]) -> float:
        wait(self.engine.device)
        start = time.perf_counter()
        work()
        wait(self.engine.device)
        return self.per_epoch / (time.perf_counter() - start)


def wait(device: torch.device) -> None:
    """Wait until the GPU has done everything."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure_parts(learner: Learner, batch: Batch, *, times: int) -> dict[str, float]:
    """Milliseconds of a step's parts, each waited for."""
    learner.begin_epoch()
    spent: dict[str, list[float]] = {part: [] for part in PARTS}
    for _ in range(times):
        laps = [_lap(learner)]
        outputs = learner._forward(batch.images)
        laps.append(_lap(learner))
        total, _ = learner._losses(outputs, batch)
        laps.append(_lap(learner))
        learner.engine.accelerator.backward(total)
        laps.append(_lap(learner))
        learner._step(Progress(epochs=1))
        laps.append(_lap(learner))
        for part, start, end in zip(PARTS, laps, laps[1:], strict=False):
            spent[part].append(1000 * (end - start))
    return {part: statistics.median(values) for part, values in spent.items()}


def _lap(learner: Learner) -> float:
    wait(learner.engine.device)
    return time.perf_counter()


def profile_step(learner: Learner, batch: Batch, *, rows: int) -> str:
    """What the GPU and the processor spend their time on in a few steps."""
    from torch.profiler import ProfilerActivity, profile

    learner.begin_epoch()
    progress = Progress(epochs=100)
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        for _ in range(5):
            learner.learn(batch, progress)
    table = seen.key_averages()
    by_gpu = table.table(sort_by="self_cuda_time_total", row_limit=rows, max_name_column_width=60)
    return f"{by_gpu}\n{table.table(sort_by='self_cpu_time_total', row_limit=rows, max_name_column_width=60)}"


def compare_choices(chosen: argparse.Namespace, network: str, batch: int, samples: Kept) -> None:
    """Images per second of the bare step with one thing changed at a time."""
    eager: dict[str, object] = {"graphs": False}
    cases: dict[str, tuple[dict[str, object], Callable[[Bench], None] | None]] = {
        "eager, bf16, channels last": (eager, None),
        "CUDA graphs (what a run has)": ({}, None),
        "CUDA graphs, deterministic": ({"deterministic": True}, None),
        **({"torch.compile": (eager, _compile)} if chosen.compiled else {}),
        "float32": (eager | {"amp": False}, None),
        "planes (not channels last)": (eager, _planes),
        "cudnn.benchmark": (eager, None),
        "optimizer=SGD": (eager | {"optimizer": "SGD"}, None),
        "optimizer=Muon": (eager | {"optimizer": "Muon"}, None),
    }
    for name, (changed, prepare) in cases.items():
        torch.backends.cudnn.benchmark = name == "cudnn.benchmark"
        bench = Bench(make_settings(chosen, batch, **changed), network, samples, per_epoch=20 * batch)
        if prepare:
            prepare(bench)
        bench.bare()
        speeds = [bench.bare() for _ in range(chosen.turns)]
        print(f"  {name:32} {statistics.median(speeds):7.0f} images per second ({spread(speeds)})", flush=True)
    torch.backends.cudnn.benchmark = False


def _planes(bench: Bench) -> None:
    bench.learner.student.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]


def _compile(bench: Bench) -> None:
    bench.learner.prepared = torch.compile(bench.learner.prepared)  # type: ignore[assignment]


def spread(values: list[float]) -> str:
    """Write the smallest and the largest."""
    return f"{min(values):.0f} to {max(values):.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["yolov8n-pose", "yolov8s-pose"])
    parser.add_argument("--batches", nargs="+", type=int, default=[16, 64])
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--images", type=int, default=1024, help="drawn into memory")
    parser.add_argument("--steps", type=int, default=40, help="of a turn, at least")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--device", default="")
    parser.add_argument("--choices", action="store_true", help="measure what each choice about a step brings")
    parser.add_argument("--compiled", action="store_true", help="torch.compile among them, which takes minutes")
    parser.add_argument("--profile", type=int, default=0, help="rows of a profile of the step to print")
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    began = time.perf_counter()
    samples = draw_people(chosen.images, size=chosen.imgsz, seed=0)
    print(f"{chosen.images} images drawn in {time.perf_counter() - began:.1f} s by {os.cpu_count()} cores", flush=True)
    where = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    print(
        f"{where}, torch {torch.__version__}, {chosen.workers} workers, {chosen.imgsz} px, images per second",
        flush=True,
    )
    for network in chosen.networks:
        for batch in chosen.batches:
            measure(chosen, network, batch, samples)


def measure(chosen: argparse.Namespace, network: str, batch: int, samples: Kept) -> None:
    """Measure one network and batch, and print it."""
    # Many groups for each worker: what is made ahead, while a run would validate, must not be all of an epoch.
    per_epoch = max(chosen.steps * batch, 8 * max(chosen.workers, 1) * GROUP_IMAGES)
    bench = Bench(make_settings(chosen, batch), network, samples, per_epoch=per_epoch)
    bench.bare()
    bench.loop(0)  # the first of each warms up
    loops, bares, loads = [], [], []
    for turn in range(1, chosen.turns + 1):
        loops.append(bench.loop(turn))
        bares.append(bench.bare())
        loads.append(bench.load(turn))
    ratio = statistics.median(a / b for a, b in zip(loops, bares, strict=True))
    text = "  ".join(
        f"{name} {statistics.median(speeds):.0f} ({spread(speeds)})"
        for name, speeds in (("loop", loops), ("step", bares), ("loader", loads))
    )
    parts = measure_parts(bench.learner, bench.resident, times=10)
    print(f"{network} batch {batch}: {text}  loop/step {ratio:.2f}")
    print("  parts of a step, ms: " + ", ".join(f"{part} {took:.1f}" for part, took in parts.items()), flush=True)
    if chosen.profile:
        print(profile_step(bench.learner, bench.resident, rows=chosen.profile), flush=True)
    if chosen.choices:
        compare_choices(chosen, network, batch, samples)


if __name__ == "__main__":
    main()
