"""An evaluation on disk, to be compared with another one later."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from pose_eval.evaluation import Evaluation, evaluate
from pose_eval.exceptions import EvalError
from pose_eval.problem import Detections, Problem, Truths
from pose_eval.rules import AreaRange, Rules

_VERSION = 1


def save_evaluation(path: str | Path, evaluation: Evaluation) -> None:
    """Write what was evaluated and by which rules into one file of plain arrays (npz); numbers follow from it.

    Args:
        path: usually ending in .npz; a file there is replaced once the new one is whole.
        evaluation: of keypoints or boxes.

    Raises:
        EvalError: the file can't be written.
    """
    problem, rules = evaluation.problem, evaluation.rules
    columns: dict[str, NDArray[np.generic]] = {
        "version": np.array(_VERSION),
        "image_ids": problem.image_ids,
        "category_ids": problem.category_ids,
        "iou_type": np.array(rules.iou_type),
        "area_names": np.array([bounds.name for bounds in rules.area_ranges]),
        "area_bounds": np.array([(bounds.low, bounds.high) for bounds in rules.area_ranges]),
        "max_detections": np.array(rules.max_detections),
        "sigmas": np.zeros(0) if rules.sigmas is None else rules.sigmas,
        "thresholds": rules.thresholds,
        "recalls": rules.recalls,
        "switches": np.array([rules.by_category, rules.strict]),
    }
    truths = {f"truths.{field.name}": getattr(problem.truths, field.name) for field in fields(Truths)}
    columns |= {name: column for name, column in truths.items() if column is not None}
    columns |= {f"detections.{field.name}": getattr(problem.detections, field.name) for field in fields(Detections)}
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **columns)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise EvalError(f"{path} must be a file that can be written; got {error.strerror}; choose another") from error


def load_evaluation(path: str | Path) -> Evaluation:
    """Read what `save_evaluation` wrote and evaluate it again; nothing in the file is executed.

    Raises:
        EvalError: the file is missing, cut off or something else.
    """
    try:
        with np.load(path, allow_pickle=False) as columns:
            return _evaluation({name: columns[name] for name in columns.files})
    except OSError as error:
        raise EvalError(f"{path} must be a saved evaluation; got {error.strerror or error}; check the path") from error
    except (ValueError, KeyError, EOFError, AttributeError, TypeError, IndexError, BadZipFile) as error:
        raise EvalError(
            f"{path} must be an evaluation saved by save_evaluation; got {error}; save it anew from the results"
        ) from error


def _evaluation(columns: dict[str, NDArray[Any]]) -> Evaluation:
    if int(columns["version"]) != _VERSION:
        raise ValueError(f"version {columns['version']}, this release reads {_VERSION}")
    by_category, strict = columns["switches"].tolist()
    names, bounds = columns["area_names"].tolist(), columns["area_bounds"].tolist()
    rules = Rules(
        iou_type=columns["iou_type"].item(),
        area_ranges=tuple(AreaRange(name, low, high) for name, (low, high) in zip(names, bounds, strict=True)),
        max_detections=tuple(columns["max_detections"].tolist()),
        sigmas=columns["sigmas"] if columns["sigmas"].size else None,
        thresholds=columns["thresholds"],
        recalls=columns["recalls"],
        by_category=bool(by_category),
        strict=bool(strict),
    )
    problem = Problem(
        image_ids=columns["image_ids"],
        category_ids=columns["category_ids"],
        truths=Truths(
            **{name.removeprefix("truths."): columns[name] for name in columns if name.startswith("truths.")}
        ),
        detections=Detections(**{field.name: columns[f"detections.{field.name}"] for field in fields(Detections)}),
    )
    return evaluate(problem, rules)
