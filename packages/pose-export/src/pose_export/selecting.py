"""A network behind which people are selected as a file of contract "nms" selects them, to be measured beside one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pose_data import ModelCard, Poses, Runtime, cxcywh_from_xyxy, select


class SelectingRuntime:
    """A network that shows nobody but those whom a file shows; satisfies `pose_data.Runtime`.

    Args:
        runtime: the network, of contract "raw".
        card: of the file, whose facts hold conf, iou and max_det.
    """

    def __init__(self, runtime: Runtime, card: ModelCard) -> None:
        self._runtime = runtime
        self._conf, self._iou, self._max_det = read_thresholds(card.facts)

    @property
    def card(self) -> ModelCard:
        """What the network is."""
        return self._runtime.card

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Map (B, H, W, 3) uint8 to (B, 4 + C + D K, max_det): those selected, best first, then zeros."""
        card, raw = self.card, self._runtime(images)
        found = select(
            raw,
            num_classes=len(card.names),
            keypoint_dims=card.keypoint_dims,
            conf=self._conf,
            iou=self._iou,
            max_det=self._max_det,
        )
        rows = np.zeros((len(raw), self._max_det, card.channels), np.float32)
        for row, people in zip(rows, found, strict=True):
            row[: len(people)] = _make_rows(people, card)
        return np.ascontiguousarray(rows.transpose(0, 2, 1))


def describe_selection(runtime: Runtime, *, conf: float, iou: float, max_det: int) -> str:
    """Say which of these a file that selects people itself can't grant; "" where it grants all, or selects nobody.

    Args:
        conf: lowest score that is asked for; a file keeps nobody below its own.
        iou: overlap that is asked for; a file keeps nobody who overlaps more than by its own.
        max_det: most people that are asked for; a file gives no more than its own.
    """
    card = getattr(runtime, "file_card", None)
    if card is None or card.contract != "nms" or not {"conf", "iou", "max_det"} <= set(card.facts):
        return ""
    made = read_thresholds(card.facts)
    beyond = (conf < made[0], iou > made[1], max_det > made[2])
    asked = (f"conf={conf:g}", f"iou={iou:g}", f"max_det={max_det}")
    lost = ", ".join(text for text, too_far in zip(asked, beyond, strict=True) if too_far)
    inside = f"conf={made[0]:g}, iou={made[1]:g}, max_det={made[2]}"
    return f"people are selected inside the file, with {inside}; {lost} finds no more than that" if lost else ""


def read_thresholds(facts: Mapping[str, str]) -> tuple[float, float, int]:
    """Read conf, iou and max_det from the facts of a card of contract "nms"."""
    return float(facts["conf"]), float(facts["iou"]), int(facts["max_det"])


def _make_rows(people: Poses, card: ModelCard) -> NDArray[np.float32]:
    """(N, 4 + C + D K), as the raw contract has them, an anchor per row."""
    scores = people.scores[:, None] * (people.labels[:, None] == np.arange(len(card.names)))
    points = np.concatenate([people.keypoints, people.keypoint_scores[..., None]], axis=2)[..., : card.keypoint_dims]
    parts = (cxcywh_from_xyxy(people.boxes), scores, points.reshape(len(people), card.channels - 4 - len(card.names)))
    return np.concatenate(parts, axis=1).astype(np.float32)
