"""Time an exported file in a process of its own, which has nothing else in its memory."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pose_data import ExportError, StageTimes, describe_runtime

from pose_export.load import load

WARM_CALLS = 3  # the first ones set things up
_CHILD = "import sys; from pose_export.timing import main; main(sys.argv[1:])"


@dataclass(frozen=True)
class FileTimes:
    """What a file takes for one image.

    Args:
        stages: median milliseconds of each stage.
        memory: most memory that its process, with what it starts, held at any time, in millions of bytes.
        runs_on: what ran it and on what, such as "ONNX Runtime, CPUExecutionProvider".
    """

    stages: StageTimes
    memory: float
    runs_on: str = ""


def time_apart(
    path: Path,
    images: Sequence[NDArray[np.uint8]],
    *,
    calls: int = 30,
    threads: int | None = None,
    providers: Sequence[str] | None = None,
) -> FileTimes:
    """Time a file in a fresh process, one image per call.

    Args:
        path: of any runnable format.
        images: (H, W, 3) uint8 RGB, taken in turns.
        calls: that are timed, after some that aren't.
        threads: CPU threads; all cores when None.
        providers: ONNX Runtime's execution providers, best first.

    Raises:
        ExportError: the process failed; the message has its last line.
    """
    with tempfile.TemporaryDirectory() as folder:
        stored = Path(folder) / "images.npz"
        np.savez(stored, *images)
        words = [str(path), str(stored), str(calls), str(threads or 0), ",".join(providers or ())]
        done = subprocess.run([sys.executable, "-c", _CHILD, *words], capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise ExportError(f"{path}: can't be timed; its process says: {last}; try pose_export.load on it")
    figures = json.loads(lines[-1])
    return FileTimes(StageTimes(**figures["stages"]), figures["memory"], figures["runs_on"])


def time_here(
    path: Path,
    images: Sequence[NDArray[np.uint8]],
    *,
    calls: int,
    threads: int | None,
    providers: Sequence[str] | None = None,
) -> FileTimes:
    """Time a file in this process; as `time_apart`."""
    predictor = load(path, threads=threads, providers=providers)
    times: list[StageTimes] = []
    for call in range(WARM_CALLS + calls):
        times.append(predictor.timed([images[call % len(images)]])[1])
    medians = np.median([astuple(one) for one in times[WARM_CALLS:]], axis=0).tolist()
    return FileTimes(StageTimes(*medians), peak_memory(), describe_runtime(predictor.runtime))


def peak_memory() -> float:
    """Most memory that this process has held at any time, in millions of bytes; NaN where the system doesn't say.

    On Linux with that of the programs that it has started and that still run, such as node.
    """
    own = Path("/proc/self")
    if own.is_dir():  # getrusage would count what the parent held when this process began
        started = [name for file in own.glob("task/*/children") for name in file.read_text(encoding="ascii").split()]
        return sum(_peak_of(process) for process in (own, *map(own.parent.joinpath, started)))
    try:
        from resource import RUSAGE_SELF, getrusage
    except ImportError:  # Windows
        return float("nan")
    return getrusage(RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def _peak_of(process: Path) -> float:
    """Read VmHWM, in millions of bytes, from the folder of a process in /proc."""
    lines = (process / "status").read_text(encoding="utf-8").splitlines()
    kilobytes = next((line.split()[1] for line in lines if line.startswith("VmHWM")), "0")  # one that ends has none
    return int(kilobytes) * 1024 / 1e6


def main(words: Sequence[str]) -> None:
    """Print the figures of a file as JSON.

    Args:
        words: the file, an .npz of images, how many calls, how many threads, 0 for all cores, and ONNX Runtime's
            providers with commas, "" for its own choice.
    """
    path, stored, calls, threads, providers = words
    with np.load(stored) as arrays:
        images = [arrays[name] for name in arrays.files]
    names = providers.split(",") if providers else None
    times = time_here(Path(path), images, calls=int(calls), threads=int(threads) or None, providers=names)
    print(json.dumps(asdict(times)))
