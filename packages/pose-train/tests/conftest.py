"""A run that is small enough for tests, and a way to run it in a process of its own."""

from __future__ import annotations

import json
import multiprocessing
import os

import pytest
import torch
from pose_data import DrawnPeople
from pose_train import TrainSettings, train
from safetensors import safe_open
from safetensors.torch import load_file


class TinyRun:
    """Runs on eight drawn people of 64 pixels, validated on four others."""

    def __init__(self):
        self.learnt = DrawnPeople(8, size=64, seed=1)
        self.held_out = DrawnPeople(4, size=64, seed=2)

    def settings(self, folder, **changes):
        plain = {"epochs": 2, "imgsz": 64, "batch": 4, "workers": 0, "device": "cpu", "plots": False, "nbs": 8}
        return TrainSettings(project=str(folder / "run"), **{**plain, **changes})

    def __call__(self, settings, on_event=None):
        return train(settings, train_samples=self.learnt, val_samples=self.held_out, on_event=on_event)

    def progress(self, folder):
        """Read how far a run is."""
        return read_progress(folder)

    def in_own_process(self, settings, prepare=None, on_event=None):
        """Start a run in a forked process, after `prepare` was called in it; return the process."""

        def work():
            os.environ["OMP_NUM_THREADS"] = "1"  # the threads of the process that forked aren't there to wait for
            torch.set_num_threads(1)
            if prepare:
                prepare()
            self(settings, on_event)

        process = multiprocessing.get_context("fork").Process(target=work)
        process.start()
        return process


@pytest.fixture(scope="session")
def tiny():
    return TinyRun()


@pytest.fixture
def assert_same_run():
    """Compare everything of two run folders that is not time."""

    def compare(first, second):
        for name in ("best", "last", "resume"):
            mine, theirs = (load_file(folder / "weights" / f"{name}.safetensors") for folder in (first, second))
            assert mine.keys() == theirs.keys()
            assert [k for k in mine if not torch.equal(mine[k], theirs[k])] == []
        assert (first / "results.csv").read_bytes() == (second / "results.csv").read_bytes()
        assert read_progress(first) == read_progress(second)

    return compare


def read_progress(folder):
    with safe_open(folder / "weights" / "resume.safetensors", framework="pt") as file:
        progress = json.loads(file.metadata()["progress"])
    del progress["seconds"]
    return progress
