"""How far a file may be from its network before it is refused, per precision."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pose_export.parity import Parity


@dataclass(frozen=True)
class Bounds:
    """What a file must keep.

    Args:
        spares: whether one image of eight may miss `box_max` and `score_max`; of each size one must keep them.
        box_max: largest difference of a box's corner, input pixels.
        box_mean: mean difference of a box's corner, input pixels.
        score_max: largest difference of a score.
        score_mean: mean difference of a score.
        class_scores: least share of class scores that differ by at most 0.25.
        keypoint_scores: the same of keypoint scores.
        within_1: least share of keypoints within 1 input pixel.
        within_4: least share of keypoints within 4 input pixels.
        weakest: least share within 4 input pixels at all anchors of a level, for each box side and each keypoint.
        everywhere: largest difference of any coordinate over the largest coordinate.
        people: least share of people that both find.
        ap_drop: most AP that may be lost, 0 to 1.
    """

    spares: bool
    box_max: float
    box_mean: float
    score_max: float
    score_mean: float
    class_scores: float
    keypoint_scores: float
    within_1: float
    within_4: float
    weakest: float
    everywhere: float
    people: float
    ap_drop: float


# float32: the same sums in another order. Measured on networks of all sizes, trained and random: at most
# 0.0002 px and 1e-6 of a score. One wrong weight moves a network that hears its input by pixels.
# float16: layers in 16 bit, the decode in 32. Measured on a trained network: at most 0.3 px, 0.01 px on
# average, 0.001 of a score. At 192 to 640 px the weakest side or keypoint of a level kept 0.993 or more.
# int8: layers in 8 bit, the decode in float. Measured on a trained network at 320 x 320: 34 px at the worst
# anchor and 1.5 px on average, 0.25 of a score, AP of boxes 0.003 lower. These bounds tell a network from a
# broken one; how good it still is, only AP on a data set tells. Scores of two trained networks differed by at most
# 0.0004 in 16 bit and 0.02 in 8 bit on average, and by at least 0.18 with ranges measured on black images or noise.
# In 8 bit 0.99 of class scores and 0.98 of keypoint scores stayed within 0.25, with halved or exchanged scores at
# most 0.8. The weakest side or keypoint of a level kept
# 0.28 to 0.76 (ONNX and OpenVINO at 192 to 640 px), and at most 0.04 where it was lost, moved or exchanged.
# The more images, the larger their largest difference: of 64 drawn ones 2 to 6 had a score that differed by more than
# 0.5 (ONNX and TFLite at 256 to 384 px), whether AP lost 0.003 or 0.023; a broken network is off in all of them. So one
# of eight images is spared; of fewer, none.
BOUNDS = {
    "float32": Bounds(
        spares=False,
        box_max=0.1,
        box_mean=0.01,
        score_max=1e-3,
        score_mean=1e-4,
        class_scores=1.0,
        keypoint_scores=1.0,
        within_1=1.0,
        within_4=1.0,
        weakest=1.0,
        everywhere=1e-3,
        people=0.95,
        ap_drop=0.001,
    ),
    "float16": Bounds(
        spares=False,
        box_max=4.0,
        box_mean=0.1,
        score_max=0.02,
        score_mean=0.002,
        class_scores=1.0,
        keypoint_scores=1.0,
        within_1=0.99,
        within_4=0.999,
        weakest=0.99,
        everywhere=0.02,
        people=0.95,
        ap_drop=0.005,
    ),
    "int8": Bounds(
        spares=True,
        box_max=96.0,
        box_mean=4.0,
        score_max=0.5,
        score_mean=0.05,
        class_scores=0.95,
        keypoint_scores=0.95,
        within_1=0.2,
        within_4=0.75,
        weakest=0.15,
        everywhere=1.0,
        people=0.85,
        ap_drop=0.01,
    ),
}


def loses_ap(parity: Parity, precision: str) -> bool:
    """Whether a file loses more AP than its precision may."""
    return parity.ap_drop > BOUNDS[precision].ap_drop


def find_misses(parity: Parity, precision: str, *, max_ap_drop: float | None = None) -> tuple[str, ...]:
    """Say which bounds a file misses, with its figure and the bound; empty when it misses none.

    Args:
        precision: of its weights; says which bounds hold.
        max_ap_drop: most AP that may be lost, 0 to 1, instead of the table's.
    """
    bounds = BOUNDS[precision]
    if max_ap_drop is not None:
        bounds = replace(bounds, ap_drop=max_ap_drop)
    most = bounds.spares and parity.left_out > 0
    where = " in most images" if most else ""
    box, score = (parity.box_most, parity.score_most) if most else (parity.box_max, parity.score_max)
    upper = (
        (f"boxes differ by up to {{:.3g}} px{where}", box, bounds.box_max),
        ("boxes differ by {:.3g} px on average", parity.box_mean, bounds.box_mean),
        (f"scores differ by up to {{:.3g}}{where}", score, bounds.score_max),
        ("scores differ by {:.3g} on average", parity.score_mean, bounds.score_mean),
        ("coordinates differ by up to {:.3g} of the largest", parity.everywhere, bounds.everywhere),
        ("AP drops by {:.4f}", parity.ap_drop, bounds.ap_drop),
    )
    lower = (
        ("class scores within 0.25 are {:.2%}", parity.class_scores_within, bounds.class_scores),
        ("keypoint scores within 0.25 are {:.2%}", parity.keypoint_scores_within, bounds.keypoint_scores),
        ("keypoints within 1 px are {:.2%}", parity.within[0], bounds.within_1),
        ("keypoints within 4 px are {:.2%}", parity.within[2], bounds.within_4),
        ("within 4 px, the weakest side or keypoint of a level has {:.2%}", parity.weakest, bounds.weakest),
        ("people found by both are {:.1%}", parity.people_share, bounds.people),
    )
    return (
        *(f"{text.format(figure)} (at most {bound:g})" for text, figure, bound in upper if not figure <= bound),
        *(f"{text.format(figure)} (at least {bound:.1%})" for text, figure, bound in lower if not figure >= bound),
    )
