"""Steady keypoints of people who are followed: the One-Euro filter."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pose_data.boxes import box_areas
from pose_data.errors import SettingsError
from pose_data.poses import Poses
from pose_data.predict.track import UNFOLLOWED

SPEED_CUTOFF = 1.0  # Hz, of the low-pass on speeds; the paper's

_Floats = NDArray[np.float64]


class PoseSmoother:
    """Smooths still keypoints much and moving ones little: Casiez, Roussel and Vogel, "1 € Filter", CHI 2012.

    A point's position goes through a low-pass filter whose cutoff is f = min_cutoff + beta |speed|. Speed here is in
    person sizes (square root of the box's area) per second, so that near and far people are treated alike. A point
    that moves steadily by v pixels per second lags v / (2 pi f) pixels behind.

    Args:
        fps: frames per second.
        min_cutoff: Hz, of a point at rest; lower is steadier.
        beta: how much the cutoff grows with speed; higher lags less.

    Raises:
        SettingsError: fps or min_cutoff not above 0, or beta below 0.
    """

    def __init__(self, *, fps: float = 30.0, min_cutoff: float = 1.0, beta: float = 5.0) -> None:
        if not (fps > 0 and min_cutoff > 0 and beta >= 0):
            raise SettingsError(
                f"smoothing: fps and min_cutoff must be above 0, and beta 0 or more; got {fps}, {min_cutoff} and {beta}"
            )
        self.fps, self.min_cutoff, self.beta = fps, min_cutoff, beta
        self._past: _Past | None = None

    def __call__(self, poses: Poses, ids: NDArray[np.int64]) -> Poses:
        """Go on by one frame.

        Args:
            poses: N people in pixels of the image.
            ids: (N,) of `PoseTracker.update`.

        Returns:
            The people with smooth keypoints, and all else as it was. Who has no id, or wasn't in the frame before,
            stays as found.
        """
        found = poses.keypoints.astype(np.float64)
        past = self._past or _Past(ids[:0], found[:0], found[:0], found[:0])
        smooth, speeds = found.copy(), np.zeros_like(found)
        _, now, before = np.intersect1d(ids, past.ids, return_indices=True)
        sizes = np.sqrt(np.maximum(box_areas(poses.boxes[now].astype(np.float64)), 1.0))[:, None, None]
        newest = (found[now] - past.found[before]) * self.fps / sizes
        speeds[now] = _between(past.speeds[before], newest, self._share(np.array(SPEED_CUTOFF)))
        rates = np.linalg.norm(speeds[now], axis=2, keepdims=True)
        smooth[now] = _between(past.smooth[before], found[now], self._share(self.min_cutoff + self.beta * rates))
        # a point that isn't a number for one frame must not stay none
        smooth, speeds = np.where(np.isfinite(smooth), smooth, found), np.nan_to_num(speeds)
        followed = ids != UNFOLLOWED
        self._past = _Past(ids[followed], found[followed], smooth[followed], speeds[followed])
        return replace(poses, keypoints=smooth.astype(np.float32))

    def _share(self, cutoff: _Floats) -> _Floats:
        """The paper's alpha: 1 / (1 + tau / Te) with tau = 1 / (2 pi cutoff) and Te = 1 / fps."""
        share: _Floats = 1.0 / (1.0 + self.fps / (2 * math.pi * cutoff))
        return share


@dataclass(frozen=True)
class _Past:
    """P people of the frame before.

    Args:
        ids: (P,) int64.
        found: (P, K, 2) float64, xy pixels as they were given.
        smooth: (P, K, 2) float64, xy pixels.
        speeds: (P, K, 2) float64, person sizes per second.
    """

    ids: NDArray[np.int64]
    found: _Floats
    smooth: _Floats
    speeds: _Floats


def _between(old: _Floats, new: _Floats, share: _Floats) -> _Floats:
    return old + share * (new - old)
