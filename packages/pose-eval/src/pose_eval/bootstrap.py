"""How sure the numbers are: intervals by resampling images, and a paired test of two models.

Efron & Tibshirani, "An Introduction to the Bootstrap", 1993: percentile intervals; the image is the unit that is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pose_eval.average_precision import ceiling, judge, needed_hits
from pose_eval.evaluation import Evaluation
from pose_eval.exceptions import EvalError
from pose_eval.matching import ignored_in_ranges, outside_ranges
from pose_eval.problem import Floats, Ints
from pose_eval.summary import Line, summary_lines


@dataclass(frozen=True)
class Intervals:
    """The numbers of COCO's summary with their uncertainty.

    Args:
        lines: what each of the L numbers is.
        values: (L,) the numbers themselves; -1 where there was nothing to find.
        low: (L,) lower end of the interval; NaN where there was nothing to find.
        high: (L,) upper end.
        level: share of resamples that lie inside, such as .95.
        samples: (S, L) the numbers of each resample; NaN where it had nothing to find.
    """

    lines: tuple[Line, ...]
    values: Floats
    low: Floats
    high: Floats
    level: float
    samples: Floats


@dataclass(frozen=True)
class Comparison:
    """The second model minus the first, on the same images.

    Args:
        lines: what each of the L numbers is.
        difference: (L,) second minus first; NaN where there was nothing to find.
        low: (L,) lower end of the interval of the difference.
        high: (L,) upper end.
        level: share of resamples that lie inside.
        better: (L,) share of resamples in which the second is better; ties count half.
    """

    lines: tuple[Line, ...]
    difference: Floats
    low: Floats
    high: Floats
    level: float
    better: Floats


def bootstrap_intervals(
    evaluation: Evaluation, *, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> Intervals:
    """Draw images with replacement and compute the summary of each draw.

    Args:
        evaluation: of keypoints or boxes.
        resamples: S.
        level: share of resamples inside the interval, below 1.
        seed: of the draws.

    Raises:
        EvalError: the arguments are out of range, or there are no images.
    """
    weights = _draws(len(evaluation.problem.image_ids), resamples, level, seed)
    samples = _Resampler(evaluation).summaries(weights)
    low, high = _ends(samples, level)
    return Intervals(summary_lines(evaluation.rules), evaluation.stats, low, high, level, samples)


def compare_models(
    first: Evaluation, second: Evaluation, *, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> Comparison:
    """Compare two models on the same images: both are evaluated on every draw.

    Args:
        first: the evaluation of one model.
        second: that of the other, by the same rules.
        resamples: S.
        level: share of resamples inside the interval, below 1.
        seed: of the draws.

    Raises:
        EvalError: the images or the rules differ, or the arguments are out of range.
    """
    if first.problem.image_ids.tolist() != second.problem.image_ids.tolist():
        raise EvalError(
            f"compared evaluations must be of the same images; got {len(first.problem.image_ids)} and "
            f"{len(second.problem.image_ids)}, or other ids; evaluate both against one ground truth"
        )
    lines = summary_lines(first.rules)
    if lines != summary_lines(second.rules):
        raise EvalError("compared evaluations must have the same rules; got keypoints and boxes; evaluate both alike")
    weights = _draws(len(first.problem.image_ids), resamples, level, seed)
    difference = _Resampler(second).summaries(weights) - _Resampler(first).summaries(weights)
    low, high = _ends(difference, level)
    absent = (first.stats < 0) | (second.stats < 0)
    better = ((difference > 0) + (difference == 0) / 2).mean(axis=0)
    return Comparison(lines, np.where(absent, np.nan, second.stats - first.stats), low, high, level, better)


def _draws(images: int, resamples: int, level: float, seed: int) -> Ints:
    """Draw how often each image occurs in each resample: (S, I)."""
    if resamples < 1 or not 0 < level < 1 or not images:
        raise EvalError(
            f"a bootstrap must have 1 or more resamples, a level between 0 and 1, and images; got {resamples}, {level} "
            f"and {images} images; 1000 and .95 are usual"
        )
    draws = np.random.default_rng(seed).integers(0, images, (resamples, images))
    return np.stack([np.bincount(draw, minlength=images) for draw in draws])


def _ends(samples: Floats, level: float) -> tuple[Floats, Floats]:
    low, high = np.full((2, samples.shape[1]), np.nan)
    for line in np.flatnonzero(np.isfinite(samples).any(axis=0)):
        present = samples[np.isfinite(samples[:, line]), line]
        low[line], high[line] = np.quantile(present, [(1 - level) / 2, (1 + level) / 2])
    return low, high


class _Resampler:
    """Summaries of an evaluation under image weights; what doesn't depend on weights is computed once."""

    def __init__(self, evaluation: Evaluation) -> None:
        self._lines = summary_lines(evaluation.rules)
        limits = sorted({line.most for line in self._lines} & set(evaluation.rules.max_detections))
        self._curves = {most: _WeightedCurves(evaluation, most) for most in limits}
        self._rules = evaluation.rules

    def summaries(self, weights: Ints) -> Floats:
        """Compute the summary of each row of image weights, (S, I): (S, L), NaN where there is nothing to find."""
        return np.stack([self._summary(row) for row in weights])

    def _summary(self, weights: Ints) -> Floats:
        tables = {most: curves.averages(weights) for most, curves in self._curves.items()}
        return np.array([self._number(tables, line) for line in self._lines])

    def _number(self, tables: dict[int, tuple[Floats, Floats]], line: Line) -> float:
        areas = [index for index, bounds in enumerate(self._rules.area_ranges) if bounds.name == line.area]
        if line.most not in tables or not areas:
            return float("nan")
        table = tables[line.most][0 if line.average == "precision" else 1][areas[0]]  # (T, C)
        if line.threshold is not None:
            table = table[np.flatnonzero(self._rules.thresholds == line.threshold)]
        present = table[np.isfinite(table)]
        return float(present.mean()) if present.size else float("nan")


class _WeightedCurves:
    def __init__(self, evaluation: Evaluation, most: int) -> None:
        problem, ranking, rules = evaluation.problem, evaluation.ranking, evaluation.rules
        outcomes = judge(problem, ranking, evaluation.matches, rules, most=most)
        self._shape = (len(rules.area_ranges), len(rules.thresholds), len(problem.category_ids))
        self._recalls = rules.recalls
        overall, starts = ranking.first(most)
        rows = ranking.rows[overall]
        self._images = problem.detections.images[rows]
        self._inside = ~outside_ranges(problem.detections.areas[rows], rules)
        self._starts = starts[:-1]
        self._truth_images = problem.truths.images
        counted = ~ignored_in_ranges(problem.truths.areas, problem.truths.ignored, rules)
        self._cells = np.where(counted, problem.truths.categories, self._shape[2])
        self._change = outcomes.change.reshape(self._shape[0] * self._shape[1], len(outcomes.found))
        self._found_images = self._images[outcomes.places]
        self._found_starts = np.searchsorted(outcomes.categories, np.arange(self._shape[2]))
        at = np.flatnonzero(outcomes.hits)
        self._line, self._row = np.divmod(at, max(len(outcomes.found), 1))  # area * T + threshold, row of the outcome
        self._place = outcomes.places[self._row]
        self._category = outcomes.categories[self._row]
        self._segment = self._line * self._shape[2] + self._category

    def averages(self, weights: Ints) -> tuple[Floats, Floats]:
        """Compute mean precision and recall of each cell, (A, T, C) each; NaN where there is nothing to find."""
        areas, thresholds, categories = self._shape
        truth_weights = weights[self._truth_images]
        positives = np.stack([np.bincount(row, truth_weights, categories + 1)[:-1] for row in self._cells])
        hit = weights[self._found_images[self._row]]
        sums = np.bincount(self._segment, hit, areas * thresholds * categories).astype(np.int64)
        hits = np.cumsum(hit) - (np.cumsum(sums) - sums)[self._segment]
        precision = np.where(hit > 0, hits / np.maximum(self._counted(weights), 1), 0)
        precision = np.append(ceiling(precision, self._segment), 0)

        # A large step per segment keeps the hits of one apart from those of the next.
        step = int(weights.sum() + 1) * (len(self._images) + 1)
        needed = np.repeat(needed_hits(positives, self._recalls)[:, None], thresholds, axis=1)
        needed = needed.reshape(len(sums), -1)
        index = np.searchsorted(step * self._segment + hits, step * np.arange(len(sums))[:, None] + needed)
        mean = np.where(needed <= sums[:, None], precision[index], 0).mean(axis=1).reshape(self._shape)
        total = np.repeat(positives[:, None], thresholds, axis=1)
        reached = sums.reshape(self._shape) / np.maximum(total, 1)
        return np.where(total > 0, mean, np.nan), np.where(total > 0, reached, np.nan)

    def _counted(self, weights: Ints) -> Ints:
        """Count true and false positives up to each hit, within its category: (H,)."""
        area = self._line // self._shape[1]
        inside = np.cumsum(self._inside * weights[self._images], axis=1)
        change = np.cumsum(self._change * weights[self._found_images], axis=1)
        by_size = inside[area, self._place] - _before(inside, self._starts)[area, self._category]
        by_match = change[self._line, self._row] - _before(change, self._found_starts)[self._line, self._category]
        return np.asarray(by_size + by_match)


def _before(sums: Ints, starts: Ints) -> Ints:
    """Look up running sums, (B, N), before each of the C starts: (B, C)."""
    padded = np.concatenate([np.zeros((len(sums), 1), np.int64), sums], axis=1)
    return np.asarray(padded[:, starts])
