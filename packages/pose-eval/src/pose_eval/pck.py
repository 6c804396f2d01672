"""Metrics by distance for people that are already paired with their annotation: PCK, PCKh, PDJ, AUC, EPE, NME.

All take distances (P, K) in pixels and the labelled points (P, K), and average over labelled points only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pose_eval.exceptions import EvalError
from pose_eval.problem import Bools, Floats


def keypoint_distances(keypoints: Floats, truth_keypoints: Floats) -> Floats:
    """Measure how far found keypoints are from annotated ones.

    Args:
        keypoints: (P, K, 2) xy image pixels.
        truth_keypoints: (P, K, 2) xy image pixels.

    Returns:
        (P, K) pixels.

    Raises:
        EvalError: the shapes differ.
    """
    if np.shape(keypoints) != np.shape(truth_keypoints):
        raise EvalError(
            f"keypoints must be paired with annotations of the same shape; got {np.shape(keypoints)} and "
            f"{np.shape(truth_keypoints)}; pair people first, for instance with found_pairs()"
        )
    apart = np.asarray(keypoints, np.float64) - np.asarray(truth_keypoints, np.float64)
    return np.asarray(np.hypot(apart[..., 0], apart[..., 1]))


def pck_at(distances: Floats, labelled: Bools, *, lengths: Floats, alpha: float) -> float:
    """Share of keypoints within `alpha` of a reference length: the percentage of correct keypoints.

    Yang & Ramanan, "Articulated Human Detection with Flexible Mixtures of Parts", PAMI 2013, where the length is
    max(height, width) of the person's box and alpha .1 or .2. PCKh (Andriluka et al., "2D Human Pose Estimation: New
    Benchmark and State of the Art Analysis", CVPR 2014) takes 0.6 of the diagonal of the head's box and alpha .5;
    PDJ (Sapp & Taskar, "MODEC: Multimodal Decomposable Models for Human Pose Estimation", CVPR 2013) takes the torso
    diameter: see `box_lengths`, `head_lengths` and `torso_lengths`.

    Args:
        distances: (P, K) pixels.
        labelled: (P, K).
        lengths: (P,) reference length of each person, in pixels; people with 0 are left out.
        alpha: share of the length.

    Returns:
        In [0, 1]; NaN without any labelled keypoint.
    """
    return _mean(distances <= alpha * lengths[:, None], labelled & (lengths[:, None] > 0))


def pck_per_keypoint(distances: Floats, labelled: Bools, *, lengths: Floats, alpha: float) -> Floats:
    """Compute `pck_at` of each keypoint alone: (K,)."""
    return np.array(
        [
            pck_at(distances[:, [point]], labelled[:, [point]], lengths=lengths, alpha=alpha)
            for point in range(distances.shape[1])
        ]
    )


def auc(
    distances: Floats, labelled: Bools, *, lengths: Floats, alphas: Sequence[float] | Floats | None = None
) -> float:
    """Area under the curve of PCK over alpha, divided by the width of the range.

    Insafutdinov et al., "DeeperCut", ECCV 2016 (AUC of PCKh over 0 to .5).

    Args:
        distances: (P, K) pixels.
        labelled: (P, K).
        lengths: (P,) pixels.
        alphas: rising; None takes 0 to .5 in steps of .01. The curve is integrated by the trapezoid rule.
    """
    steps = np.linspace(0, 0.5, 51) if alphas is None else np.asarray(alphas, np.float64)
    if len(steps) < 2 or np.any(np.diff(steps) <= 0):
        raise EvalError(f"alphas must be two or more rising numbers; got {steps.tolist()}; give the ends of the range")
    values = np.array([pck_at(distances, labelled, lengths=lengths, alpha=alpha) for alpha in steps])
    area = np.sum((values[1:] + values[:-1]) / 2 * np.diff(steps))
    return float(area / (steps[-1] - steps[0]))


def epe(distances: Floats, labelled: Bools) -> float:
    """Mean distance in pixels: the end point error.

    Zimmermann & Brox, "Learning to Estimate 3D Hand Pose from Single RGB Images", ICCV 2017.

    Args:
        distances: (P, K) pixels.
        labelled: (P, K).
    """
    return _mean(distances, labelled)


def nme(distances: Floats, labelled: Bools, *, lengths: Floats) -> float:
    """Mean distance in units of a reference length: the normalised mean error.

    Sagonas et al., "300 Faces In-The-Wild Challenge", ICCVW 2013, where the length is that between the outer corners of
    the eyes; for bodies the box, the head or the torso serve.

    Args:
        distances: (P, K) pixels.
        labelled: (P, K).
        lengths: (P,) pixels; people with 0 are left out.
    """
    safe = np.where(lengths > 0, lengths, 1)[:, None]
    return _mean(distances / safe, labelled & (lengths[:, None] > 0))


def box_lengths(boxes: Floats) -> Floats:
    """Longer side of each box, (P, 4) xywh: the length of PCK."""
    return np.asarray(np.max(boxes[:, 2:], axis=1))


def head_lengths(head_boxes: Floats) -> Floats:
    """0.6 of the diagonal of each head's box, (P, 4) xywh: the length of PCKh in MPII's own evaluation."""
    return np.asarray(0.6 * np.hypot(head_boxes[:, 2], head_boxes[:, 3]))


def torso_lengths(keypoints: Floats, labelled: Bools, *, shoulder: int, hip: int) -> Floats:
    """Distance from one shoulder to the opposite hip, the torso diameter of PDJ; 0 where one isn't labelled.

    Args:
        keypoints: (P, K, 2) xy image pixels of annotated people.
        labelled: (P, K).
        shoulder: index of the left (or right) shoulder.
        hip: index of the hip on the other side.
    """
    apart = keypoints[:, shoulder] - keypoints[:, hip]
    return np.where(labelled[:, shoulder] & labelled[:, hip], np.hypot(apart[:, 0], apart[:, 1]), 0)


def _mean(values: Floats | Bools, chosen: Bools) -> float:
    count = np.count_nonzero(chosen)
    return float(values[chosen].sum() / count) if count else float("nan")
