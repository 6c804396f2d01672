"""OKS sigmas of a skeleton, from people whom several annotators have labelled."""

from __future__ import annotations

import numpy as np

from pose_eval.exceptions import EvalError
from pose_eval.problem import Bools, Floats


def estimate_sigmas(keypoints: Floats, *, labelled: Bools, areas: Floats) -> Floats:
    """Estimate how far annotators differ at each keypoint, in units of the square root of the person's area.

    sigma² = E[d² / s²] with d the distance of an annotation from the mean of all annotations of that point, corrected
    for the mean being estimated from the same annotations, as COCO did with 5,000 images that were labelled twice
    (https://cocodataset.org/#keypoints-eval).

    Args:
        keypoints: (R, P, K, 2) xy image pixels by R annotators of the same P people.
        labelled: (R, P, K); points that fewer than two have labelled are left out.
        areas: (P,) px².

    Returns:
        (K,) sigmas.

    Raises:
        EvalError: nobody was labelled twice at a keypoint, or all annotators agree exactly.
    """
    counts = np.count_nonzero(labelled, axis=0)
    shown = labelled[..., None]
    mean = np.where(shown, keypoints, 0).sum(axis=0) / np.maximum(counts, 1)[..., None]
    squared = (np.where(shown, keypoints - mean, 0) ** 2).sum(axis=(0, 3))  # (P, K)
    variance = squared / np.maximum(counts - 1, 1) / np.maximum(areas, np.spacing(1))[:, None]
    repeated = (counts > 1) & (areas > 0)[:, None]
    people = np.count_nonzero(repeated, axis=0)
    sigmas = np.sqrt(np.where(repeated, variance, 0).sum(axis=0) / np.maximum(people, 1))
    if not np.all(sigmas > 0):
        row = int(np.flatnonzero(~(sigmas > 0))[0])
        raise EvalError(
            f"each keypoint must be labelled twice, with some difference, for at least one person; got none for "
            f"keypoint {row}; label more people twice, or choose its sigma by hand"
        )
    return np.asarray(sigmas)
