"""Time keypoint evaluation against pycocotools and the compiled packages that replace it.

Each measurement is a process of its own; the tools take turns, so that a busy machine slows all of them alike, and the
ratios are medians over the turns. A tool that isn't installed is left out. The problem has 5,000 images, as many as
COCO val2017. `--categories 80` shows that the time doesn't depend on there being one; 0 times ours with 80 that are
ignored (pycocotools finds nothing then), and `--larger 10` ours on a problem ten times as large, in turns with the
first.

    pip install pycocotools faster-coco-eval ultrafast-pycocotools hotcoco orjson pysimdjson
    python benchmarks/oks_speed.py --runs 7
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from oks_problem import make_problem, write_problem
from pose_eval import COCO_SIGMAS, Detections, Problem, Truths, evaluate, evaluate_coco, keypoint_rules

RIVALS = {
    "pycocotools": ("pycocotools.coco", "pycocotools.cocoeval", "COCO", "COCOeval"),
    "faster-coco-eval": ("faster_coco_eval", "faster_coco_eval", "COCO", "COCOeval_faster"),
    "ultrafast-pycocotools": ("ultrafast_pycocotools", "ultrafast_pycocotools", "COCO", "COCOeval"),
    "hotcoco": ("hotcoco", "hotcoco", "COCO", "COCOeval"),
}
OURS = ("pose-eval arrays", "pose-eval JSON")
IGNORED_CATEGORIES = 80
ARRAYS, TRUTH, FOUND = "arrays.npz", "ground_truth.json", "detections.json"


def main() -> None:
    """Run the benchmark, or one measurement of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--categories", type=int, default=1)
    parser.add_argument("--larger", type=int, help="compare with a problem so many times as large instead")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tools", nargs="*", default=[*OURS, *RIVALS])
    parser.add_argument("--folder", type=Path, help="keep the problem here instead of in a temporary folder")
    parser.add_argument("--one", choices=[*OURS, *RIVALS], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.folder, joined=options.categories == 0)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        prepare(folder, options.images, options.categories or IGNORED_CATEGORIES)
        if options.larger:
            large = folder / f"times-{options.larger}"
            large.mkdir(exist_ok=True)
            prepare(large, options.images * options.larger, options.categories or IGNORED_CATEGORIES)
            print_growth(folder, large, options.runs)
            return
        tools = [tool for tool in options.tools if installed(tool) and (options.categories or tool in OURS)]
        print_table(take_turns(tools, folder, options.runs, joined=options.categories == 0))


def prepare(folder: Path, images: int, categories: int) -> None:
    """Write the problem as JSON and as arrays, unless it is there."""
    if (folder / ARRAYS).exists():
        return
    problem = make_problem(images, categories=categories)
    write_problem(folder, problem)
    parts = {"truths": problem.truths, "detections": problem.detections}
    columns = {
        f"{part}.{key}": value for part, rows in parts.items() for key, value in vars(rows).items() if value is not None
    }
    np.savez(folder / ARRAYS, image_ids=problem.image_ids, category_ids=problem.category_ids, **columns)


def installed(tool: str) -> bool:
    """Say whether a tool can be imported, and mention it if not."""
    try:
        importlib.import_module(RIVALS[tool][0] if tool in RIVALS else "pose_eval")
    except ImportError:
        print(f"{tool} is not installed: left out")
        return False
    return True


def take_turns(tools: list[str], folder: Path, runs: int, *, joined: bool) -> dict[str, list[dict[str, float]]]:
    """Measure every tool once per turn, each in a fresh process."""
    results: dict[str, list[dict[str, float]]] = {tool: [] for tool in tools}
    for turn in range(runs):
        for tool in tools[turn % len(tools) :] + tools[: turn % len(tools)]:
            results[tool].append(measure_apart(tool, folder, joined=joined))
    return results


def measure_apart(tool: str, folder: Path, *, joined: bool = False) -> dict[str, float]:
    """Measure once in a fresh process."""
    command = [sys.executable, __file__, "--one", tool, "--folder", str(folder), *(("--categories", "0") * joined)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def print_growth(small: Path, large: Path, runs: int) -> None:
    """Print how the time of ours grows from one problem to a larger one."""
    pairs = [[measure_apart(OURS[0], folder)["evaluate"] for folder in (small, large)] for _ in range(runs)]
    first, second = (statistics.median(times) for times in zip(*pairs, strict=True))
    growth = statistics.median(after / before for before, after in pairs)
    print(f"{OURS[0]}: {first:.3f} s, {second:.3f} s; {growth:.1f} times (median of {runs} pairs)")


def measure(tool: str, folder: Path, *, joined: bool) -> dict[str, float]:
    """Load and evaluate once, everything imported; seconds of each, peak memory in MB, and AP."""
    for module in RIVALS[tool][:2] if tool in RIVALS else ("pose_eval.coco", "simdjson", "orjson"):
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    rules = replace(keypoint_rules(COCO_SIGMAS), by_category=not joined)
    start = time.perf_counter()
    if tool == OURS[0]:
        problem = load_arrays(folder / ARRAYS)
        loaded = time.perf_counter()
        stats = evaluate(problem, rules).stats.tolist()
    elif tool == OURS[1]:
        stats = evaluate_coco(folder / TRUTH, folder / FOUND, rules=rules).stats.tolist()
        loaded = start
    else:
        loaded, stats = measure_rival(tool, folder)
    end = time.perf_counter()
    times = {"load": loaded - start, "evaluate": end - loaded, "total": end - start}
    return {**times, "peak": peak_memory(), "ap": float(stats[0])}


def peak_memory() -> float:
    """Peak resident memory of this process in MB.

    Linux says it in /proc; getrusage there counts what the parent used before this program began.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_rival(tool: str, folder: Path) -> tuple[float, list[float]]:
    """Load and evaluate with pycocotools' calls; the time at which loading was done, and the summary."""
    truth_module, eval_module, truth_name, eval_name = RIVALS[tool]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = getattr(importlib.import_module(truth_module), truth_name)(str(folder / TRUTH))
        found = truth.loadRes(str(folder / FOUND))
        loaded = time.perf_counter()
        evaluator = getattr(importlib.import_module(eval_module), eval_name)(truth, found, "keypoints")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return loaded, list(evaluator.stats)


def load_arrays(path: Path) -> Problem:
    """Read the columns that `prepare` wrote."""
    with np.load(path) as columns:
        parts = {"truths": Truths, "detections": Detections}
        truths, detections = (
            kind(**{f.name: columns[f"{part}.{f.name}"] for f in fields(kind) if f"{part}.{f.name}" in columns})
            for part, kind in parts.items()
        )
        return Problem(columns["image_ids"], columns["category_ids"], truths, detections)


def print_table(results: dict[str, list[dict[str, float]]]) -> None:
    """Print medians, and the median ratio of each turn's pair to ours."""
    heads = ("load s", "evaluate s", "total s", "peak MB", "evaluate / arrays", "total / JSON")
    print(f"{'tool':24}" + "".join(f"{head:>19}" for head in heads) + "   AP")
    for tool, runs in results.items():
        cells = [statistics.median(run[key] for run in runs) for key in ("load", "evaluate", "total", "peak")]
        cells += [ratio(results, tool, OURS[0], "evaluate"), ratio(results, tool, OURS[1], "total")]
        print(f"{tool:24}" + "".join(f"{cell:19.3f}" for cell in cells) + f"   {runs[0]['ap']:.6f}")


def ratio(results: dict[str, list[dict[str, float]]], tool: str, ours: str, key: str) -> float:
    """Median over the turns of a tool's figure divided by ours; NaN if ours wasn't run."""
    if ours not in results:
        return float("nan")
    return statistics.median(a[key] / b[key] for a, b in zip(results[tool], results[ours], strict=True))


if __name__ == "__main__":
    main()
