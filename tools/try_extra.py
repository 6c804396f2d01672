"""Makes files of formats in one bare environment and runs them in another, with less in it: the session `extras`.

`try_extra.py make FOLDER WEIGHTS openvino` exports in 32 bit, through the gate, and in 8 bit where there is that, and
keeps what every file gives for a picture. `try_extra.py run FOLDER openvino` opens them again and must get the same
numbers; `run-alone` also fails where something is installed that only making takes.
"""

from __future__ import annotations

import sys
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pose_data import DrawnPeople, letterbox
from pose_export import FORMATS, Format, export, get_format, load, load_runtime

from check_installed import declared
from module_names import modules_of

SIZE = 160  # quick, and large enough to find people at
SEED = 90_100  # far from the seeds that anything is trained or measured on
SAME = 1e-3  # pixels, scores: the same runtime on the same machine, but threads may add in another order


def make_files(folder: Path, weights: Path, rows: list[Format]) -> list[str]:
    """Export all formats, keep what they give, and tell what is wrong."""
    faults = []
    for path, row in list_files(folder, rows):
        size, int8 = SIZE if "imgsz" in row.options else None, path.name.startswith("int8")
        # how good 8 bit is at this size is no question of what is installed: the file counts, and its status is told
        result = export(weights, format=row.name, output=path, imgsz=size, int8=int8, force=int8)
        print(f"{path.name}: {result.status}, {result.megabytes:.1f} MB")
        if row.why_not_run:
            continue
        found = predict(path)
        if not len(found["boxes"]):
            faults.append(f"{path.name} must find the people of the picture; got nobody")
        np.savez(answer_of(path), **found)  # type: ignore[arg-type]
    return faults + list_needless(rows)


def run_files(folder: Path, rows: list[Format]) -> list[str]:
    """Open all files again and tell which don't give what they gave."""
    faults = []
    for path, row in list_files(folder, rows):
        if row.why_not_run:
            row.load_runtime_module()  # what it imports is there; more can't be seen here
            print(f"{path.name}: not run: {row.why_not_run}")
            continue
        with np.load(answer_of(path)) as kept:
            expected = dict(kept)
        found = predict(path)
        apart = [name for name in expected if not alike(found[name], expected[name])]
        faults += [f"{path.name} must give the same {name} as where it was made" for name in apart]
        if not apart:
            print(f"{path.name}: the same {len(found['boxes'])} people as where it was made")
    return faults


def list_leftovers(rows: list[Format]) -> list[str]:
    """What is installed though only making files takes it."""
    making = {module for row in rows for module in (*row.convert_needs, *row.int8_needs)}
    running = {module for row in rows for module in row.run_needs}
    there = [module for module in sorted(making - running) if find_spec(module)]
    if not there:
        print(f"not installed, and not needed: {', '.join(sorted(making - running)) or 'nothing to leave out'}")
    return [f"{module} must not be installed where files are only run; it is" for module in there]


def list_needless(rows: list[Format]) -> list[str]:
    """What the extras of these formats declare though no format of theirs names it and nothing imported it."""
    extras = {extra for row in rows for extra in (*row.extra.split(","), row.run_extra) if extra}
    users = [row for row in FORMATS if extras & {*row.extra.split(","), row.run_extra}]
    named = {module.split(".")[0] for row in users for module in row.convert_needs + row.run_needs + row.int8_needs}
    wanted = [word for word, extra in declared(distribution("pose-export")) if extra in extras]
    needless = [word for word in wanted if not {*named, *sys.modules} & set(modules_of(word))]
    return [f"{word} must be used by a format to be in its extra; nothing uses it" for word in needless]


def list_files(folder: Path, rows: list[Format]) -> list[tuple[Path, Format]]:
    """The files of these formats: the one in 32 bit, unless there is none, and the one in 8 bit, if there is one."""
    return [
        (folder / f"{precision}-{row.name}{row.suffix}", row)
        for row in rows
        for precision, there in (("float32", not row.int8_only), ("int8", "int8" in row.options))
        if there
    ]


def predict(path: Path) -> dict[str, NDArray[np.generic]]:
    """What a file gives for a drawn picture: its output, and the poses of a Predictor in pixels of the picture."""
    image = DrawnPeople(1, size=SIZE, seed=SEED)[0].image
    poses = load(path)(image)
    return {
        "output": load_runtime(path)(letterbox(image, (SIZE, SIZE))[0][None]),
        "boxes": poses.boxes,
        "scores": poses.scores,
        "keypoints": poses.keypoints,
        "keypoint_scores": poses.keypoint_scores,
    }


def answer_of(path: Path) -> Path:
    """Where what a file gave is kept."""
    return path.with_name(path.name + ".npz")


def alike(found: NDArray[np.generic], expected: NDArray[np.generic]) -> bool:
    """Whether two arrays hold the same numbers."""
    return found.shape == expected.shape and bool(np.allclose(found, expected, rtol=0, atol=SAME))


def main(job: str, folder: Path, words: list[str]) -> int:
    """Do one job; print a line per fault and return 1 where there is one."""
    if job == "make":
        faults = make_files(folder, Path(words[0]), list(map(get_format, words[1:])))
    else:
        rows = list(map(get_format, words))
        faults = [*(list_leftovers(rows) if job == "run-alone" else []), *run_files(folder, rows)]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:]))
