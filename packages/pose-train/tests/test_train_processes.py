"""Several processes learn what one learns from the same batches."""

import importlib.util
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from pose_data import ModelCard, PoseTargets, Sample, Skeleton
from pose_train import TrainSettings, validate
from pose_train.engine import learns_on_cpu
from pose_train.shared_norm import share_batch_norm
from pose_train.validation import validate_shared
from safetensors.torch import load_file
from torch import distributed, nn

JOB = Path(__file__).parent / "torchrun_job.py"
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

pytestmark = pytest.mark.skipif(not distributed.is_available(), reason="this torch has no distributed engine")


TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(JOB))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights that find some of the people that are validated on."""
    spec = importlib.util.spec_from_file_location("torchrun_job", JOB)
    job = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(job)
    path = tmp_path_factory.mktemp("weights") / "start.safetensors"
    job.write_weights(path)
    return path


def run_job(*command):
    return subprocess.run([str(word) for word in command], env=ENVIRONMENT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def alone_and_together(weights, tmp_path_factory):
    """The same run in one process, and in two that torchrun started."""
    folder = tmp_path_factory.mktemp("processes")
    for name, command in (("one", (sys.executable, JOB)), ("two", TORCHRUN)):
        (folder / name).mkdir()
        done = run_job(*command, folder / name, weights)
        assert done.returncode == 0, done.stderr
    return folder / "one", folder / "two"


def test_accelerate_launch_starts_the_same_processes(alone_and_together, weights, tmp_path):
    words = ("--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no")
    plain = ("--dynamo_backend", "no", "--num_cpu_threads_per_process", "1")
    done = run_job(sys.executable, "-m", "accelerate.commands.launch", *words, *plain, JOB, tmp_path, weights)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "record.json").read_text())["processes"] == 2
    assert read_seen(tmp_path) == read_seen(alone_and_together[1])


def read_seen(folder):
    return json.loads((folder / "seen.json").read_text(encoding="utf-8"))


def test_two_processes_have_the_losses_of_one_in_every_step(alone_and_together):
    one, two = (read_seen(folder)["steps"] for folder in alone_and_together)
    assert len(one) == len(two) == 2 * 3
    for mine, theirs in zip(one, two, strict=True):
        assert theirs == pytest.approx(mine, rel=0, abs=1e-5 * sum(mine.values()))


def test_two_processes_validate_every_image_once_and_get_the_same_ap(alone_and_together):
    one, two = (read_seen(folder)["ap"] for folder in alone_and_together)
    assert [epoch[2] for epoch in two] == [5, 5]
    assert all(0.01 < ap < 0.99 for epoch in one for ap in epoch[:2])  # some are found and some are not
    assert two == [pytest.approx(epoch, abs=1e-6) for epoch in one]


def test_of_two_processes_one_writes(alone_and_together):
    one, two = (sorted(str(p.relative_to(f)) for f in (folder,) for p in f.rglob("*")) for folder in alone_and_together)
    assert two == one  # no run2 beside run, and no file twice
    assert json.loads((alone_and_together[1] / "run" / "record.json").read_text())["processes"] == 2


def test_two_processes_end_with_the_gradients_and_weights_of_one(alone_and_together):
    one, two = (load_file(folder / "run" / "weights" / "resume.safetensors") for folder in alone_and_together)
    assert one.keys() == two.keys()
    for kind, tolerance in (("optimizer.", 1e-2), ("net.", 1e-5), ("branch.", 1e-5), ("average.", 1e-5)):
        mine, theirs = (
            torch.cat([v.double().flatten() for k, v in s.items() if k.startswith(kind)]) for s in (one, two)
        )
        assert (mine - theirs).norm() < tolerance * mine.norm(), kind  # of SGD the state is the sum of its gradients


def test_processes_without_a_gpu_are_joined_on_the_cpu_also_when_no_device_was_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert not learns_on_cpu("")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert learns_on_cpu("")


class NumberedImages:
    """Ten grey images of one person each, the number of an image in its grey; implements Samples."""

    names = ("person",)
    skeleton = Skeleton(("top", "middle", "bottom"), mirror=(), sigmas=(0.1, 0.1, 0.1))
    keypoint_dims = 3

    def __len__(self):
        return 10

    def __getitem__(self, index):
        return Sample(np.full((32, 32, 3), index, np.uint8), self.targets(index), "same name.png")

    def targets(self, _index):
        return PoseTargets(
            boxes=np.array([[4, 4, 20, 20]], np.float32),
            labels=np.zeros(1, np.int64),
            keypoints=np.array([[[6, 6], [10, 10], [14, 14]]], np.float32),
            visibility=np.full((1, 3), 2, np.uint8),
            areas=np.array([10_000], np.float32),  # large, so that pixels matter little
            crowd=np.zeros(1, np.bool_),
        )


class WorseAndWorse:
    """Finds the person of image i off by i pixels, with a score that falls with i; implements Runtime."""

    card = ModelCard("stub", ("person",), NumberedImages.skeleton, imgsz=(32, 32))

    def __call__(self, images):
        off = images[:, 0, 0, 0].astype(np.float32)
        keypoints = [value for at in (6, 10, 14) for value in (at + off, at + off, np.ones_like(off))]
        return np.stack([12 + off, 12 + off, 16 + 0 * off, 16 + 0 * off, 0.9 - 0.05 * off, *keypoints], axis=1)[
            ..., None
        ]


class ThreadEngine:
    """Stands for one of several processes: each is a thread that waits for the others where bytes are gathered."""

    def __init__(self, rank, shared, barrier):
        self.rank, self.world, self.shared, self.barrier = rank, len(shared), shared, barrier

    def gather(self, content):
        self.shared[self.rank] = content
        self.barrier.wait()
        return list(self.shared)


@pytest.mark.parametrize("world", [2, 3, 11])
def test_a_validation_in_parts_is_the_validation_of_the_whole_in_every_process(world):
    samples, runtime = NumberedImages(), WorseAndWorse()
    whole = validate(runtime, samples).metrics
    assert 0 < whole.keypoints.ap < 1
    shared, barrier = [b""] * world, threading.Barrier(world)

    def work(rank):
        engine = ThreadEngine(rank, shared, barrier)
        settings = TrainSettings(imgsz=32, batch=world)
        return validate_shared(runtime, samples, settings=settings, engine=engine, on_event=lambda _: None)

    with ThreadPoolExecutor(world) as pool:
        for result in pool.map(work, range(world)):
            assert result.images == result.metrics.images == 10
            assert result.metrics.keypoints == whole.keypoints
            assert result.metrics.boxes.ap == whole.boxes.ap


def test_shared_batch_norm_of_one_process_is_batch_norm():
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3, momentum=0.03))
    shared = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3, momentum=0.03))
    shared.load_state_dict(plain.state_dict())
    weight = shared[1].weight
    share_batch_norm(shared, torch.device("cpu"))
    assert shared[1].weight is weight
    images = torch.randn(4, 2, 5, 5)
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        for net in (plain, shared):
            (net(images) ** 3).sum().backward()
    finally:
        distributed.destroy_process_group()
    torch.testing.assert_close(shared.state_dict(), plain.state_dict())
    torch.testing.assert_close(shared[0].weight.grad, plain[0].weight.grad, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(shared.eval()(images), plain.eval()(images))
