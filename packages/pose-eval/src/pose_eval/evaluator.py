"""Image by image evaluation of poses, while a model runs over a data set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pose_eval.evaluation import evaluate
from pose_eval.exceptions import EvalError
from pose_eval.image_set import AnnotatedPoses, FoundPoses, ImageSet, join, one_image, pack, to_problem, unpack
from pose_eval.metrics import PoseMetrics, pose_metrics
from pose_eval.problem import Bools, Floats, Problem
from pose_eval.rules import Rules, box_rules, check_sigmas, keypoint_rules


class PoseEvaluator:
    """Collect results and annotations image by image, and compute COCO's numbers at any time.

    A detection's size, which decides whether it is left out of the medium or the large range when unmatched, is the
    extent of its keypoints in the keypoint metrics, as in COCO's keypoint results, and that of its box in the box
    metrics.

    Args:
        sigmas: (K,) OKS falloff per keypoint; `COCO_SIGMAS` for COCO's 17. None evaluates boxes only: the keypoint
            metrics are then all -1.
        num_classes: C; labels are 0 to C - 1.
        names: (C,) names of the classes, for reports.
        class_keypoints: (C,) for each class the rows of the keypoints that it has; None when every class has all. What
            is found of the others counts neither for nor against, as if the class were evaluated with its own alone.

    Raises:
        EvalError: the sigmas are not positive numbers, or names or keypoints are not one entry per class.
    """

    def __init__(
        self,
        sigmas: Sequence[float] | Floats | None,
        *,
        num_classes: int = 1,
        names: Sequence[str] | None = None,
        class_keypoints: Sequence[Sequence[int]] | None = None,
    ) -> None:
        if num_classes < 1:
            raise EvalError(f"num_classes must be at least 1; got {num_classes}; one kind of object is one class")
        if names and len(names) != num_classes:
            raise EvalError(f"names must be {num_classes}, one per class; got {len(names)}; give all or none")
        self._sigmas = None if sigmas is None else check_sigmas(sigmas)
        self._num_classes = num_classes
        self._names = tuple(names or ())
        self._class_points = None
        if class_keypoints is not None:
            count = None if self._sigmas is None else len(self._sigmas)
            self._class_points = _class_points(class_keypoints, num_classes=num_classes, num_keypoints=count)
        self._parts: list[ImageSet] = []
        self._known: set[str] = set()

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def update(self, poses: FoundPoses, targets: AnnotatedPoses, *, name: str | None = None) -> None:
        """Add one image.

        Args:
            poses: what was found in it, with the fields of `FoundPoses`; in any order.
            targets: what is annotated in it, with the fields of `AnnotatedPoses`.
            name: the image's name: it makes ties independent of the order of the images, and stands in messages.

        Raises:
            EvalError: a field is missing, shapes disagree, a number isn't finite, a label is unknown, a labelled point
                isn't one of its class, or the name was given before.
        """
        place = f"image {name}" if name else f"image number {len(self) + 1}"
        if name in self._known:
            raise EvalError(f"{place} must be given once; got it again; use another name or leave the name out")
        image = one_image(poses, targets, name=name or "", place=place)
        self._check(image, place)
        self._add(image)

    def compute(self) -> PoseMetrics:
        """Compute all metrics of the images so far; more images may follow.

        Raises:
            EvalError: there are no images.
        """
        boxes = evaluate(self.problem(box_rules()), box_rules())
        if self._sigmas is None:
            return pose_metrics(None, boxes, names=self._names)
        rules = keypoint_rules(self._sigmas)
        return pose_metrics(evaluate(self.problem(rules), rules), boxes, names=self._names)

    def problem(self, rules: Rules) -> Problem:
        """Put the images together for `evaluate`, which gives the curves and matches behind the metrics.

        Raises:
            EvalError: there are no images.
        """
        if not self._parts:
            raise EvalError("an evaluation must have at least one image; got none; call update() for each image first")
        self._parts = [join(self._parts)]
        return to_problem(
            self._parts[0],
            num_classes=self._num_classes,
            by_keypoints=rules.iou_type == "keypoints",
            class_points=self._class_points,
        )

    def merge(self, other: PoseEvaluator) -> None:
        """Add the images of another evaluator; one that both have, by name, counts once.

        Raises:
            EvalError: the other has other sigmas, another number of classes or other keypoints of one.
        """
        mine, theirs = ([] if sigmas is None else sigmas.tolist() for sigmas in (self._sigmas, other._sigmas))
        if mine != theirs or self._num_classes != other._num_classes:
            raise EvalError(
                f"merged evaluators must have the same sigmas and num_classes; got {theirs}, {other._num_classes} "
                f"for {mine}, {self._num_classes}; make them with the same arguments"
            )
        own, others = (None if one._class_points is None else one._class_points.tolist() for one in (self, other))
        if own != others:
            raise EvalError(
                "merged evaluators must have the same class_keypoints; got others; make them with the same arguments"
            )
        for part in other._parts:
            self._add(part.choose(np.array([name not in self._known for name in part.names.tolist()], np.bool_)))

    def to_bytes(self) -> bytes:
        """Pack all images so far, to be sent to another process; empty for an evaluator without images."""
        return pack(join(self._parts)) if self._parts else b""

    def merge_bytes(self, content: bytes) -> None:
        """Add the images that another evaluator packed; nothing in the bytes is executed.

        Raises:
            EvalError: the bytes are something else, or don't fit this evaluator's sigmas and classes.
        """
        if content:
            images = unpack(content)
            self._check(images, "packed results")
            self._add(images.choose(np.array([name not in self._known for name in images.names.tolist()], np.bool_)))

    def _add(self, images: ImageSet) -> None:
        self._parts.append(images)
        self._known.update(name for name in images.names.tolist() if name)

    def _check(self, images: ImageSet, place: str) -> None:
        count = self._num_keypoints(images)
        for what, points in (("found", images.keypoints), ("annotated", images.truth_keypoints)):
            if points.shape[1] != count:
                raise EvalError(
                    f"{place}: {what} keypoints must be {count} per person; got {points.shape[1]}; "
                    "give the evaluator one sigma for each keypoint of the skeleton"
                )
        for what, labels in (("found", images.labels), ("annotated", images.truth_labels)):
            wrong = labels[(labels < 0) | (labels >= self._num_classes)]
            if len(wrong):
                raise EvalError(
                    f"{place}: {what} labels must be 0 to {self._num_classes - 1}; got {wrong[0]}; "
                    "set num_classes to the number of classes"
                )
        self._check_points(images, place)

    def _check_points(self, images: ImageSet, place: str) -> None:
        if self._class_points is None:
            return
        if self._class_points.shape[1] != images.labelled.shape[1]:
            raise EvalError(
                f"{place}: keypoints must be those of class_keypoints, {self._class_points.shape[1]} per person; got "
                f"{images.labelled.shape[1]}; number the keypoints of the skeleton from 0"
            )
        strange = np.argwhere(images.labelled & ~self._class_points[images.truth_labels])
        if len(strange):
            row, point = strange[0].tolist()
            raise EvalError(
                f"{place}: labelled keypoints must be among those of their class; got keypoint {point} for class "
                f"{images.truth_labels[row]}; set its visibility to 0, or add it to class_keypoints"
            )

    def _num_keypoints(self, images: ImageSet) -> int:
        if self._sigmas is not None:
            return len(self._sigmas)
        return int((self._parts or [images])[0].keypoints.shape[1])


def _class_points(keypoints: Sequence[Sequence[int]], *, num_classes: int, num_keypoints: int | None) -> Bools:
    """Turn the rows of each class into a table of classes and keypoints."""
    if len(keypoints) != num_classes:
        raise EvalError(f"class_keypoints must be {num_classes}, one list per class; got {len(keypoints)}")
    rows = [row for own in keypoints for row in own]
    count = max(rows, default=-1) + 1 if num_keypoints is None else num_keypoints
    if not all(len(own) for own in keypoints) or min(rows) < 0 or max(rows) >= count:
        raise EvalError(
            f"class_keypoints must be rows from 0 to {count - 1}, at least one per class; got "
            f"{[list(own) for own in keypoints]}; count keypoints from 0"
        )
    table = np.zeros((num_classes, count), np.bool_)
    for label, own in enumerate(keypoints):
        table[label, list(own)] = True
    return table
