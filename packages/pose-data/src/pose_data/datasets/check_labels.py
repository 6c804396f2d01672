"""Labels that can be used and still look wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pose_data.datasets.fault import Fault
from pose_data.datasets.index import Index, label_paths
from pose_data.datasets.split import CocoSource, ImageSource

_FAR = 0.25  # of the box's size: how far outside a point may lie before it is worth a look


def label_warnings(index: Index, source: ImageSource | CocoSource, *, names: tuple[str, ...]) -> list[Fault]:
    """List objects whose points lie far outside their box, lie at exactly (0, 0), or whose box has no extent.

    Args:
        index: a split; crowds aren't looked at.
        source: where it is from, for the files that the warnings name.
        names: K keypoint names.
    """
    targets = index.targets
    labelled = (targets.visibility > 0) & ~targets.crowd[:, None]
    found = [
        (_far_outside(index) & labelled, "'{name}' lies far outside its box"),
        (
            (targets.keypoints == 0).all(axis=-1) & labelled,
            "'{name}' is labelled, at exactly 0 0; if it isn't in the image, write v as 0",
        ),
        (_thin(index)[:, None], "the box is less than one pixel wide or high"),
    ]
    rows = [(r, text.format(name=names[int(np.argmax(bad[r]))])) for bad, text in found for r in _rows(bad)]
    return [_fault(index, source, row, reason) for row, reason in sorted(rows)]


def _rows(bad: NDArray[np.bool_]) -> list[int]:
    rows: list[int] = np.flatnonzero(bad.any(axis=1)).tolist()
    return rows


def _far_outside(index: Index) -> NDArray[np.bool_]:
    boxes, points = index.targets.boxes[:, None], index.targets.keypoints
    slack = (boxes[..., 2:] - boxes[..., :2]) * _FAR
    outside = (points < boxes[..., :2] - slack) | (points > boxes[..., 2:] + slack)
    return np.asarray(outside.any(axis=-1), np.bool_)


def _thin(index: Index) -> NDArray[np.bool_]:
    boxes = index.targets.boxes
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf) < 1, np.bool_)


def _fault(index: Index, source: ImageSource | CocoSource, row: int, reason: str) -> Fault:
    line = int(index.lines[row])
    if isinstance(source, CocoSource):
        return Fault(source.annotations, None, f"annotation {line}: {reason}", "warning")
    image = index.paths[int(np.searchsorted(index.offsets, row, side="right")) - 1]
    return Fault(Path(label_paths([str(image)])[0]), line, reason, "warning")
