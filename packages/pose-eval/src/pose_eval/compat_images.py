"""The two per-image results that frameworks read from a COCOeval: `evalImgs` and `ious`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from pose_eval.candidates import pair_blocks
from pose_eval.evaluation import Evaluation
from pose_eval.iou import pair_iou
from pose_eval.matching import ignored_in_ranges, outside_ranges
from pose_eval.oks import pair_oks, prepare_truths
from pose_eval.problem import Floats, Ints
from pose_eval.ranking import stable_order

ImageResult: TypeAlias = dict[str, object]


class _Cells:
    """Which rows belong to an image and a category: a cell."""

    def __init__(self, evaluation: Evaluation) -> None:
        truths, images = evaluation.problem.truths, len(evaluation.problem.image_ids)
        cells = truths.categories * images + truths.images
        self._people = stable_order(cells)
        every = np.arange(len(evaluation.problem.category_ids) * images + 1)
        self._people_edges = np.searchsorted(cells[self._people], every)
        self._found_edges = np.searchsorted(evaluation.ranking.cells, every)

    def people(self, cell: int) -> Ints:
        """Rows of the annotations, in the order of the file."""
        return self._people[self._people_edges[cell] : self._people_edges[cell + 1]]

    def found(self, cell: int) -> tuple[int, int]:
        """First and last place in `Ranking.rows`, best first."""
        return int(self._found_edges[cell]), int(self._found_edges[cell + 1])


def image_results(
    evaluation: Evaluation, found_ids: Sequence[object], *, category_ids: Sequence[object], areas: Sequence[object]
) -> list[ImageResult | None]:
    """List what pycocotools keeps of each category, area range and image, in this order; None where nothing is.

    Args:
        evaluation: by strict rules.
        found_ids: (N,) ids of the detections.
        category_ids: as they are to be shown.
        areas: the area ranges as they are to be shown.
    """
    results = _ImageResults(evaluation, found_ids)
    return [
        results.get(category, area, image, {"image_id": image_id, "category_id": category_id, "aRng": shown})
        for category, category_id in enumerate(category_ids)
        for area, shown in enumerate(areas)
        for image, image_id in enumerate(evaluation.problem.image_ids.tolist())
    ]


class _ImageResults:
    """The matches, sorted by the place of the detection, and what is ignored in which area range."""

    def __init__(self, evaluation: Evaluation, found_ids: Sequence[object]) -> None:
        problem, ranking, rules, matches = evaluation.problem, evaluation.ranking, evaluation.rules, evaluation.matches
        self._evaluation, self._cells = evaluation, _Cells(evaluation)
        self._ignored = ignored_in_ranges(problem.truths.areas, problem.truths.ignored, rules)  # (A, M)
        self._outside = outside_ranges(problem.detections.areas[ranking.rows], rules)  # (A, P)
        order = stable_order(matches.found)
        self._found, self._people = matches.found[order], matches.people[order]
        self._table = matches.table(order).reshape(len(rules.area_ranges), len(rules.thresholds), len(order))
        self._ids = np.array([found_ids[row] for row in ranking.rows.tolist()])
        self._scores = problem.detections.scores[ranking.rows]

    def get(self, category: int, area: int, image: int, head: ImageResult) -> ImageResult | None:
        """Put the result of one image and category in one area range together, after the entries of `head`."""
        ids, rules = self._evaluation.problem.truths.ids, self._evaluation.rules
        cell = category * len(self._evaluation.problem.image_ids) + image
        people, (start, end) = self._cells.people(cell), self._cells.found(cell)
        if not len(people) and start == end:
            return None
        people = people[np.argsort(self._ignored[area, people], kind="stable")]
        first, last = np.searchsorted(self._found, [start, end])
        threshold, row = np.nonzero(self._table[area, :, first:last])
        place, person = self._found[first:last][row] - start, self._people[first:last][row]
        sorting = np.argsort(people)
        column = sorting[np.searchsorted(people[sorting], person)]
        of_found, of_people = (np.zeros((len(rules.thresholds), count)) for count in (end - start, len(people)))
        skipped = np.zeros(of_found.shape, np.bool_)
        of_found[threshold, place] = ids[person]
        of_people[threshold, column] = self._ids[start:end][place]  # of several on a crowd the last one stays
        skipped[threshold, place] = self._ignored[area, person]
        return {
            **head,
            "maxDet": rules.max_detections[-1],
            "dtIds": self._ids[start:end].tolist(),
            "gtIds": ids[people].tolist(),
            "dtMatches": of_found,
            "gtMatches": of_people,
            "dtScores": self._scores[start:end].tolist(),
            "gtIgnore": self._ignored[area, people].astype(np.int64),
            "dtIgnore": skipped | ((of_found == 0) & self._outside[area, start:end]),
        }


def pair_similarities(
    evaluation: Evaluation, *, category_ids: Sequence[object]
) -> dict[tuple[object, object], Floats | list[float]]:
    """Compute the similarities of each image and category: (D, G), best detection first; a list where nothing is."""
    problem, ranking, rules = evaluation.problem, evaluation.ranking, evaluation.rules
    truths, found = problem.truths, problem.detections
    broken = rules.sigmas is not None and not rules.by_category  # pycocotools finds nobody under "all categories"
    prepared = None
    if rules.sigmas is not None:
        prepared = prepare_truths(
            truths.keypoints, labelled=truths.labelled, areas=truths.areas, boxes=truths.boxes, sigmas=rules.sigmas
        )
    parts = [np.zeros(0)]
    counts = np.zeros(len(truths) + 1, np.int64)
    for places, people in pair_blocks(problem, ranking):
        rows = ranking.rows[places]
        parts.append(
            pair_iou(found.boxes, truths.boxes, crowd=truths.crowd, found=rows, people=people)
            if prepared is None
            else pair_oks(found.keypoints, prepared, found=rows, people=people)
        )
        counts[1:] += np.bincount(people, minlength=len(truths))
    values, starts = np.concatenate(parts), np.cumsum(counts)
    cells, images = _Cells(evaluation), problem.image_ids.tolist()
    result: dict[tuple[object, object], Floats | list[float]] = {}
    for category, category_id in enumerate(category_ids):
        for image, image_id in enumerate(images):
            cell = category * len(images) + image
            columns = [values[starts[person] : starts[person + 1]] for person in cells.people(cell)]
            nothing = broken or not columns or not len(columns[0])
            result[image_id, category_id] = [] if nothing else np.stack(columns, axis=1)
    return result
