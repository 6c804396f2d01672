"""How far a converted file is from the network that it was made from, in figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pose_data import ModelCard, Poses, Predictor, Runtime, iou_matrix, xyxy_from_cxcywh

from pose_export.contracts import count_cells
from pose_export.selecting import read_thresholds

SCORE_FLOOR = 0.05  # an anchor that scores less in both is never seen by anybody
LEAST_ANCHORS = 100  # per call; a network that is sure of nothing is compared where it is surest
MOST_CANDIDATES = 2048  # anchors among which a person is looked for that the file has selected itself
SAME_PLACE = 0.5  # IoU of two finds of one person; selection may take the other of two equal boxes
SAME_SCORE = 0.25  # difference up to which a score says the same
ONE_OF = 8  # images, of which one is left out of "most"


@dataclass(frozen=True)
class LargestDifferences:
    """The largest differences in one image, at the anchors that matter.

    Args:
        cells: anchors at each level, which say its size in the network.
        box: of a box's corner coordinate, input pixels.
        score: of a class score or keypoint score.
    """

    cells: tuple[int, ...]
    box: float
    score: float


@dataclass(frozen=True)
class Parity:
    """Differences between a network and a file, both run on the same images.

    Args:
        images: how many.
        anchors: that matter: those that score above a floor in either, or are among the best; for a file that selects
            people itself those of the people that it found, and 0 where it found nobody.
        largest: of each image that has such anchors.
        box_mean: mean difference of a box's corner coordinate at those anchors, input pixels.
        score_mean: mean difference of a class score or keypoint score at those anchors.
        class_scores_within: share of the class scores at those anchors that differ by at most 0.25.
        keypoint_scores_within: the same of keypoint scores; 1 where there are none.
        within: share of keypoints at those anchors that lie within 1, 2 and 4 input pixels.
        weakest: share that lies within 4 input pixels, over all anchors of a level, of the box side or the keypoint
            and the level that keep fewest; 1 for a file that selects people itself and so has no levels.
        everywhere: largest difference of a coordinate at any anchor, over the largest coordinate.
        people: found by the network or by the file after selection, each of them counted.
        people_matched: of these found by the other in the same place.
        people_within: share of their keypoints that lie within 1, 2 and 4 image pixels of the other's.
        ap_expected: AP of the network, where it was measured.
        ap: AP of the file, where it was measured.
    """

    images: int
    anchors: int
    largest: tuple[LargestDifferences, ...]
    box_mean: float
    score_mean: float
    class_scores_within: float
    keypoint_scores_within: float
    within: tuple[float, float, float]
    weakest: float
    everywhere: float
    people: int
    people_matched: int
    people_within: tuple[float, float, float]
    ap_expected: float | None = None
    ap: float | None = None

    @property
    def box_max(self) -> float:
        """Largest difference of a box's corner coordinate in any image, input pixels."""
        return max((image.box for image in self.largest), default=0.0)

    @property
    def score_max(self) -> float:
        """Largest difference of a class score or keypoint score in any image."""
        return max((image.score for image in self.largest), default=0.0)

    @property
    def left_out(self) -> int:
        """How many images may be left out of "most images": one of eight, of those in which something was compared."""
        return len(self.largest) // ONE_OF

    @property
    def box_most(self) -> float:
        """Largest difference of a box's corner coordinate in most images, input pixels."""
        return self._largest_in_most([image.box for image in self.largest])

    @property
    def score_most(self) -> float:
        """Largest difference of a class score or keypoint score in most images."""
        return self._largest_in_most([image.score for image in self.largest])

    def _largest_in_most(self, values: Sequence[float]) -> float:
        """Leave out the worst images, but of no size all: a file may be wrong at one size alone.

        Images that are alone in their size count as of one size.
        """
        counts = Counter(image.cells for image in self.largest)
        best: dict[tuple[int, ...], float] = {}
        for image, value in zip(self.largest, values, strict=True):
            size = image.cells if counts[image.cells] > 1 else ()
            best[size] = min(value, best.get(size, value))
        return max([*best.values(), *sorted(values)[: len(values) - self.left_out]], default=0.0)

    @property
    def compared(self) -> bool:
        """Whether there was anything to compare; not so where a file that selects people itself found nobody."""
        return self.anchors > 0 or max(self.ap or 0.0, self.ap_expected or 0.0) > 0

    @property
    def people_share(self) -> float:
        """Share of people that both find; 1 where there is nobody."""
        return self.people_matched / self.people if self.people else 1.0

    @property
    def ap_drop(self) -> float:
        """AP that is lost, 0 to 1; 0 where it wasn't measured."""
        return 0.0 if self.ap is None or self.ap_expected is None else self.ap_expected - self.ap

    def to_text(self) -> str:
        """Write the figures in one line, to two digits."""
        if not self.compared:
            return f"{self.images} images: nothing, for nobody was found in them"
        boxes, scores = (
            f" ({most:.2g} at most in most images)" if self.left_out else ""
            for most in (self.box_most, self.score_most)
        )
        text = (
            f"{self.images} images: boxes {self.box_max:.2g} px at most, {self.box_mean:.2g} on average{boxes}; "
            f"scores {self.score_max:.2g} at most, {self.score_mean:.2g} on average{scores}; "
            f"keypoints within 1, 2, 4 px: {_percents(self.within)}; "
            f"of the weakest side or keypoint of a level {100 * self.weakest:.1f} %; "
            f"people found by both {100 * self.people_share:.1f} % of {self.people}, "
            f"their keypoints within 1, 2, 4 px: {_percents(self.people_within)}"
        )
        if self.ap is not None and self.ap_expected is not None:
            text += f"; AP {self.ap:.4f}, of the network {self.ap_expected:.4f}"
        return text


@dataclass(frozen=True)
class Run:
    """What a network made of some images.

    Args:
        rows: per image that went through the network (A, 4 + C + D K), the raw output with an anchor per row.
        poses: one per image.
        cells: per image that went through the network, its anchors at each level, the finest first.
    """

    rows: tuple[NDArray[np.float32], ...]
    poses: tuple[Poses, ...]
    cells: tuple[tuple[int, ...], ...]


class _Recorder:
    """A runtime that keeps the raw outputs on their way to the selection."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.rows: list[NDArray[np.float32]] = []
        self.cells: list[tuple[int, ...]] = []

    @property
    def card(self) -> ModelCard:
        return self._runtime.card

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        raw = self._runtime(images)
        self.rows.extend(raw.transpose(0, 2, 1))
        self.cells.extend([count_cells(images.shape[1:3], stride=self.card.stride)] * len(images))
        return raw


def run_images(runtime: Runtime, images: Sequence[NDArray[np.uint8]], card: ModelCard) -> Run:
    """Run images through a network and the same Predictor that users have.

    Args:
        images: (H, W, 3) uint8 RGB each.
        card: of the file; where the file selects people itself, its thresholds are taken.
    """
    recorder = _Recorder(runtime)
    poses = Predictor(recorder, **_thresholds(card)).predict_batch(images)  # type: ignore[arg-type]
    return Run(tuple(recorder.rows), tuple(poses), tuple(recorder.cells))


def _thresholds(card: ModelCard) -> dict[str, float | int]:
    if card.contract != "nms":
        return {}
    conf, iou, max_det = read_thresholds(card.facts)
    return {"conf": conf, "iou": iou, "max_det": max_det}


def compare_runs(expected: Run, found: Run, card: ModelCard) -> Parity:
    """Compare what two networks made of the same images.

    Args:
        expected: of the network itself.
        found: of the converted file.
        card: class and keypoint counts.
    """
    pairs = list(zip(expected.rows, found.rows, strict=True))
    if card.contract == "nms":
        pairs = chosen = [_pair_people(a, b, classes=len(card.names)) for a, b in pairs]
    else:
        chosen = [_pick_anchors(a, b, classes=len(card.names)) for a, b in pairs]
    a, b = (np.concatenate(side) for side in zip(*chosen, strict=True))
    boxes = _difference(xyxy_from_cxcywh(a[:, :4]), xyxy_from_cxcywh(b[:, :4]))
    scores = _difference(_score_columns(a, card), _score_columns(b, card))
    class_scores, keypoint_scores = np.split(scores <= SAME_SCORE, [len(card.names)], axis=1)
    both = list(zip(expected.poses, found.poses, strict=True))
    people = [distances for x, y in both for distances in (_match_people(x, y), _match_people(y, x))]
    return Parity(
        images=len(expected.poses),
        anchors=len(a),
        largest=_find_largest(boxes, scores, [len(rows) for rows, _ in chosen], expected.cells),
        box_mean=float(boxes.mean()) if boxes.size else 0.0,
        score_mean=float(scores.mean()) if scores.size else 0.0,
        class_scores_within=_share(class_scores),
        keypoint_scores_within=_share(keypoint_scores),
        within=_shares_within(_distances(_point_columns(a, card), _point_columns(b, card))),
        weakest=1.0 if card.contract == "nms" else _find_weakest(pairs, expected.cells, card),
        everywhere=max(_relative_difference(x, y, card) for x, y in pairs),
        people=sum(len(x) + len(y) for x, y in both),
        people_matched=sum(len(distances) for distances in people),
        people_within=_shares_within(np.concatenate([distances.reshape(-1) for distances in people])),
    )


_Rows = NDArray[np.float32]


def _pick_anchors(a: _Rows, b: _Rows, *, classes: int) -> tuple[_Rows, _Rows]:
    """Keep the anchors that matter: sure in either, or among the best."""
    best = a[:, 4 : 4 + classes].max(axis=1)
    other = np.nan_to_num(b[:, 4 : 4 + classes].max(axis=1), nan=np.inf)
    least = np.partition(best, -min(LEAST_ANCHORS, len(best)))[-min(LEAST_ANCHORS, len(best))]
    keep = (np.maximum(best, other) > SCORE_FLOOR) | (best >= least)
    return a[keep], b[keep]


def _pair_people(a: _Rows, b: _Rows, *, classes: int) -> tuple[_Rows, _Rows]:
    """Give each person of a file that selects the anchor of the network that it is nearest to."""
    a, b = _keep_best_class(a, classes=classes), b[b[:, 4 : 4 + classes].max(axis=1) > 0]
    likely = np.argsort(-a[:, 4 : 4 + classes].max(axis=1), kind="stable")[:MOST_CANDIDATES]
    weights = np.ones(4 + classes, np.float32)
    weights[4:] = max(np.abs(a[:, :4]).max(), 1.0)  # a score of 1 is as far as the longest box
    scaled = [rows[:, : 4 + classes] * weights for rows in (b, a[likely])]
    distance = np.stack([np.abs(row - scaled[1]).sum(axis=1) for row in scaled[0]]) if len(b) else np.zeros((0, 1))
    return a[likely][distance.argmin(axis=1)], b


def _keep_best_class(rows: _Rows, *, classes: int) -> _Rows:
    """Score 0 for every class but the best, of which alone a file that selects people itself says the score."""
    kept: _Rows = rows.copy()
    best = rows[:, 4 : 4 + classes].argmax(axis=1)
    kept[:, 4 : 4 + classes] *= best[:, None] == np.arange(classes)
    return kept


def _difference(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Absolute difference; infinite where the file gives no number."""
    return np.nan_to_num(np.abs(a.astype(np.float64) - b), nan=np.inf, posinf=np.inf)


def _find_largest(
    boxes: NDArray[np.float64], scores: NDArray[np.float64], counts: Sequence[int], cells: Sequence[tuple[int, ...]]
) -> tuple[LargestDifferences, ...]:
    """Take the largest differences of each image in which something was compared."""
    ends = np.cumsum(counts)[:-1]
    per_image = zip(cells, np.split(boxes, ends), np.split(scores, ends), strict=True)
    return tuple(LargestDifferences(size, float(a.max()), float(b.max())) for size, a, b in per_image if len(a))


def _keypoints(rows: NDArray[np.float32], card: ModelCard) -> NDArray[np.float32]:
    return rows[:, 4 + len(card.names) :].reshape(len(rows), *card.kpt_shape)


def _point_columns(rows: NDArray[np.float32], card: ModelCard) -> NDArray[np.float32]:
    points: NDArray[np.float32] = _keypoints(rows, card)[..., :2]
    return points


def _score_columns(rows: NDArray[np.float32], card: ModelCard) -> NDArray[np.float32]:
    """Class scores and, where there are any, keypoint scores: (n, C + K) or (n, C)."""
    keypoints, dims = card.kpt_shape
    visible = _keypoints(rows, card)[..., 2:].reshape(len(rows), keypoints * (dims - 2))
    return np.concatenate([rows[:, 4 : 4 + len(card.names)], visible], axis=1)


def _distances(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    x, y = np.moveaxis(_difference(a, b), -1, 0)
    distances: NDArray[np.float64] = np.hypot(x, y)
    return distances


def _share(fine: NDArray[np.bool_]) -> float:
    return float(fine.mean()) if fine.size else 1.0


def _shares_within(distances: NDArray[np.float64]) -> tuple[float, float, float]:
    one, two, four = (_share(distances <= pixels) for pixels in (1, 2, 4))
    return one, two, four


def _find_weakest(pairs: Sequence[tuple[_Rows, _Rows]], cells: Sequence[tuple[int, ...]], card: ModelCard) -> float:
    """Take the least share within 4 pixels, over levels, and over the four sides of a box and the keypoints."""
    near = [_count_near(a, b, anchors, card) for (a, b), anchors in zip(pairs, cells, strict=True)]
    return float((np.sum(near, axis=0) / np.sum(cells, axis=0)[:, None]).min())


def _count_near(a: _Rows, b: _Rows, cells: tuple[int, ...], card: ModelCard) -> NDArray[np.int64]:
    """Count the anchors of each level at which a box side or a keypoint lies within 4 pixels: (L, 4 + K)."""
    sides = _difference(xyxy_from_cxcywh(a[:, :4]), xyxy_from_cxcywh(b[:, :4]))
    points = _distances(_point_columns(a, card), _point_columns(b, card))
    counts: NDArray[np.int64] = np.add.reduceat(
        np.concatenate([sides, points], axis=1) <= 4, np.cumsum((0, *cells[:-1])), axis=0, dtype=np.int64
    )
    return counts


def _relative_difference(a: NDArray[np.float32], b: NDArray[np.float32], card: ModelCard) -> float:
    if not len(a):
        return 0.0
    boxes = _difference(a[:, :4], b[:, :4]).max()
    points = _difference(_point_columns(a, card), _point_columns(b, card)).max()
    largest = max(np.abs(a[:, :4]).max(), np.abs(_point_columns(a, card)).max(), 1.0)
    return float(max(boxes, points) / largest)


def _match_people(people: Poses, others: Poses) -> NDArray[np.float64]:
    """Find each person's nearest among the others: (matched, K) distances of their keypoints."""
    if not len(people) or not len(others):
        return np.zeros((0, people.keypoints.shape[1]))
    overlap = iou_matrix(people.boxes, others.boxes)
    overlap = np.where(people.labels[:, None] == others.labels[None, :], overlap, 0.0)
    partner, matched = overlap.argmax(axis=1), overlap.max(axis=1) >= SAME_PLACE
    return _distances(people.keypoints[matched], others.keypoints[partner[matched]])


def _percents(shares: tuple[float, float, float]) -> str:
    return ", ".join(f"{100 * share:.2f}" for share in shares) + " %"
