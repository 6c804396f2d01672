"""The same numbers for some of the images or some of the keypoints, and CrowdPose's three levels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from pose_eval.evaluation import Evaluation, evaluate
from pose_eval.exceptions import EvalError
from pose_eval.problem import Bools, Floats, Ints, Problem, keypoint_extents


def choose_images(problem: Problem, images: Ints | Bools) -> Problem:
    """Keep some images with all that is in them.

    Args:
        problem: truth and detections.
        images: (I',) rows of `Problem.image_ids`, or a mask (I,).
    """
    rows = np.flatnonzero(images) if images.dtype == np.bool_ else np.unique(images)
    places = np.full(len(problem.image_ids), -1)
    places[rows] = np.arange(len(rows))
    truths = problem.truths.choose(places[problem.truths.images] >= 0)
    detections = problem.detections.choose(places[problem.detections.images] >= 0)
    return replace(
        problem,
        image_ids=problem.image_ids[rows],
        truths=replace(truths, images=places[truths.images]),
        detections=replace(detections, images=places[detections.images]),
    )


def evaluate_slices(evaluation: Evaluation, slices: Mapping[str, Ints | Bools]) -> dict[str, Evaluation]:
    """Evaluate parts of a data set by the same rules.

    Args:
        evaluation: of the whole.
        slices: name of each part, and its images: rows (I',) or a mask (I,).
    """
    return {
        name: evaluate(choose_images(evaluation.problem, images), replace(evaluation.rules, by_category=True))
        for name, images in slices.items()
    }


def evaluate_parts(evaluation: Evaluation, parts: Mapping[str, Ints]) -> dict[str, Evaluation]:
    """Evaluate parts of the skeleton alone, such as body, feet, face and hands of 133 whole-body keypoints.

    A person without a labelled keypoint in the part is ignored there; areas and boxes stay those of the whole person.

    Args:
        evaluation: of keypoints.
        parts: name of each part, and its keypoints: rows (K',).

    Raises:
        EvalError: boxes were compared, or a part has no keypoints or one that isn't there.
    """
    sigmas = evaluation.rules.sigmas
    if sigmas is None:
        raise EvalError("parts of a skeleton must come from an evaluation of keypoints; got one of boxes")
    for name, points in parts.items():
        if not len(points) or np.min(points) < 0 or np.max(points) >= len(sigmas):
            raise EvalError(
                f"part {name!r} must be keypoints from 0 to {len(sigmas) - 1}; got {np.asarray(points).tolist()}; "
                "list the rows of its keypoints"
            )
    rules = replace(evaluation.rules, by_category=True)
    return {
        name: evaluate(_choose_keypoints(evaluation.problem, points), replace(rules, sigmas=sigmas[points]))
        for name, points in parts.items()
    }


def _choose_keypoints(problem: Problem, points: Ints) -> Problem:
    truths, found = problem.truths, problem.detections
    labelled = truths.labelled[:, points]
    own = None if truths.own is None else truths.own[:, points]
    if own is not None:
        own = own | ~own.any(axis=1, keepdims=True)  # nothing of the part is labelled there, and it is ignored
    keypoints = np.ascontiguousarray(found.keypoints[:, points])
    return replace(
        problem,
        truths=replace(
            truths,
            keypoints=np.ascontiguousarray(truths.keypoints[:, points]),
            labelled=labelled,
            ignored=truths.ignored | ~labelled.any(axis=1),
            own=own,
        ),
        detections=replace(
            found,
            keypoints=keypoints,
            extents=keypoint_extents(keypoints),
            keypoint_scores=found.keypoint_scores[:, points],
        ),
    )


def crowd_levels(crowd_index: Floats) -> dict[str, Bools]:
    """Split images as CrowdPose does: easy up to .1, medium up to .8, hard above.

    Li et al., "CrowdPose: Efficient Crowded Scenes Pose Estimation and A New Benchmark", CVPR 2019, section 3.

    Args:
        crowd_index: (I,) of each image, in [0, 1]; the files have it as `crowdIndex`.

    Returns:
        "easy", "medium" and "hard", a mask (I,) each.

    Raises:
        EvalError: a value is outside [0, 1].
    """
    if not np.all((crowd_index >= 0) & (crowd_index <= 1)):
        wrong = crowd_index[~((crowd_index >= 0) & (crowd_index <= 1))][0]
        raise EvalError(f"a crowd index must be between 0 and 1; got {wrong}; take crowdIndex from CrowdPose's file")
    return {
        "easy": np.asarray(crowd_index <= 0.1),
        "medium": np.asarray((crowd_index > 0.1) & (crowd_index <= 0.8)),
        "hard": np.asarray(crowd_index > 0.8),
    }
