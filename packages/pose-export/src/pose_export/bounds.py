"""How far a file may be from its network before it is refused, per precision."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pose_export.parity import Parity


@dataclass(frozen=True)
class Bounds:
    """What a file must keep.

    Args:
        box_max: largest difference of a box's corner, input pixels.
        box_mean: mean difference of a box's corner, input pixels.
        score_max: largest difference of a score.
        score_mean: mean difference of a score.
        within_1: least share of keypoints within 1 input pixel.
        within_4: least share of keypoints within 4 input pixels.
        everywhere: largest difference of any coordinate over the largest coordinate.
        people: least share of people that both find.
        ap_drop: most AP that may be lost, 0 to 1.
    """

    box_max: float
    box_mean: float
    score_max: float
    score_mean: float
    within_1: float
    within_4: float
    everywhere: float
    people: float
    ap_drop: float


# float32: the same sums in another order. Measured on networks of all sizes, trained and random: at most
# 0.0002 px and 1e-6 of a score. One wrong weight moves a network that hears its input by pixels.
# float16: layers in 16 bit, the decode in 32. Measured on a trained network: at most 0.3 px, 0.01 px on
# average, 0.001 of a score.
# int8: layers in 8 bit, the decode in float. Measured on a trained network at 320 x 320: 34 px at the worst
# anchor and 1.5 px on average, 0.25 of a score, AP of boxes 0.003 lower. These bounds tell a network from a
# broken one; how good it still is, only AP on a data set tells. Scores of two trained networks differed by at most
# 0.0004 in 16 bit and 0.02 in 8 bit on average, and by at least 0.18 with ranges measured on black images or noise.
BOUNDS = {
    "float32": Bounds(
        box_max=0.1,
        box_mean=0.01,
        score_max=1e-3,
        score_mean=1e-4,
        within_1=1.0,
        within_4=1.0,
        everywhere=1e-3,
        people=0.95,
        ap_drop=0.001,
    ),
    "float16": Bounds(
        box_max=4.0,
        box_mean=0.1,
        score_max=0.02,
        score_mean=0.002,
        within_1=0.99,
        within_4=0.999,
        everywhere=0.02,
        people=0.95,
        ap_drop=0.005,
    ),
    "int8": Bounds(
        box_max=96.0,
        box_mean=4.0,
        score_max=0.5,
        score_mean=0.05,
        within_1=0.2,
        within_4=0.75,
        everywhere=1.0,
        people=0.85,
        ap_drop=0.01,
    ),
}


def find_misses(parity: Parity, precision: str, *, max_ap_drop: float | None = None) -> tuple[str, ...]:
    """Say which bounds a file misses, with its figure and the bound; empty when it misses none.

    Args:
        precision: of its weights; says which bounds hold.
        max_ap_drop: most AP that may be lost, 0 to 1, instead of the table's.
    """
    bounds = BOUNDS[precision]
    if max_ap_drop is not None:
        bounds = replace(bounds, ap_drop=max_ap_drop)
    upper = (
        ("boxes differ by up to {:.3g} px", parity.box_max, bounds.box_max),
        ("boxes differ by {:.3g} px on average", parity.box_mean, bounds.box_mean),
        ("scores differ by up to {:.3g}", parity.score_max, bounds.score_max),
        ("scores differ by {:.3g} on average", parity.score_mean, bounds.score_mean),
        ("coordinates differ by up to {:.3g} of the largest", parity.everywhere, bounds.everywhere),
        ("AP drops by {:.4f}", parity.ap_drop, bounds.ap_drop),
    )
    lower = (
        ("keypoints within 1 px are {:.2%}", parity.within[0], bounds.within_1),
        ("keypoints within 4 px are {:.2%}", parity.within[2], bounds.within_4),
        ("people found by both are {:.1%}", parity.people_share, bounds.people),
    )
    return (
        *(f"{text.format(figure)} (at most {bound:g})" for text, figure, bound in upper if not figure <= bound),
        *(f"{text.format(figure)} (at least {bound:.1%})" for text, figure, bound in lower if not figure >= bound),
    )
