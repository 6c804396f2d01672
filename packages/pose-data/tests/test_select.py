"""From the raw output of a network to people: threshold, suppression, order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pose_data import CheckpointError, SettingsError, iou_matrix, select, suppress

K = 3


def _raw(boxes_cxcywh, scores, *, dims=3, keypoints=None):
    """(1, 4 + C + D K, A) with one column per box."""
    boxes_cxcywh, scores = np.array(boxes_cxcywh, np.float32), np.array(scores, np.float32)
    scores = scores[:, None] if scores.ndim == 1 else scores
    count = len(boxes_cxcywh)
    if keypoints is None:
        keypoints = np.zeros((count, K, dims), np.float32)
    columns = [boxes_cxcywh, scores, np.array(keypoints, np.float32).reshape(count, -1)]
    return np.concatenate(columns, axis=1).T[None].astype(np.float32)


def _select(raw, *, num_classes=1, dims=3, conf=0.25, iou=0.5, **options):
    return select(raw, num_classes=num_classes, keypoint_dims=dims, conf=conf, iou=iou, **options)


def _greedy(boxes, iou, groups=None, limit=None):
    """The textbook: take the best box left, drop what it covers, repeat."""
    kept, left = [], list(range(len(boxes)))
    while left:
        best, left = left[0], left[1:]
        kept.append(best)
        if left:
            covered = iou_matrix(boxes[[best]], boxes[left])[0] > np.float32(iou)
            if groups is not None:
                covered &= groups[left] == groups[best]
            left = [box for box, gone in zip(left, covered, strict=True) if not gone]
    return kept[:limit]


APART = [[10, 10, 10, 10], [50, 50, 10, 10], [90, 90, 10, 10]]


def test_people_come_best_first_in_pixels_of_the_input():
    points = [[[1, 2, 0.1], [3, 4, 0.2], [5, 6, 0.3]]] * 3
    (people,) = _select(_raw(APART, [0.5, 0.9, 0.7], keypoints=points))
    np.testing.assert_allclose(people.scores, [0.9, 0.7, 0.5])
    np.testing.assert_allclose(people.boxes, [[45, 45, 55, 55], [85, 85, 95, 95], [5, 5, 15, 15]])
    np.testing.assert_allclose(people.keypoints[0], [[1, 2], [3, 4], [5, 6]])
    np.testing.assert_allclose(people.keypoint_scores[0], [0.1, 0.2, 0.3])
    assert people.labels.tolist() == [0, 0, 0]


def test_a_score_at_the_threshold_is_not_enough():
    (people,) = _select(_raw(APART, [0.25, 0.250001, 0.2]), conf=0.25)
    assert people.scores.tolist() == [pytest.approx(0.250001)]


def test_one_person_is_kept_once():
    (people,) = _select(_raw([[10, 10, 10, 10], [11, 10, 10, 10]], [0.6, 0.8]))
    assert people.scores.tolist() == [pytest.approx(0.8)]


def test_an_overlap_at_the_limit_is_allowed():
    raw = _raw([[5, 5, 10, 10], [5, 10, 10, 20]], [0.9, 0.8])  # 10 x 10 of 10 x 20: exactly a half
    assert len(_select(raw, iou=0.5)[0]) == 2
    assert len(_select(raw, iou=0.49)[0]) == 1


def test_a_dropped_box_drops_nobody():
    boxes = [[10, 10, 10, 10], [13, 10, 10, 10], [16, 10, 10, 10]]  # neighbours overlap by 7 of 13
    (people,) = _select(_raw(boxes, [0.9, 0.8, 0.7]))
    np.testing.assert_allclose(people.scores, [0.9, 0.7])


def test_equal_scores_keep_the_order_of_the_anchors():
    raw = _raw([[90, 0, 9, 9], [10, 0, 9, 9], [50, 0, 9, 9]], [0.5, 0.5, 0.5])
    np.testing.assert_allclose(_select(raw)[0].boxes[:, 0], [85.5, 5.5, 45.5])


def test_an_anchor_has_its_best_class_alone():
    (people,) = _select(_raw([[10, 10, 10, 10]], [[0.4, 0.6]]), num_classes=2)
    assert people.labels.tolist() == [1]
    assert people.scores.tolist() == [pytest.approx(0.6)]


def test_classes_do_not_suppress_each_other():
    raw = _raw([[10, 10, 10, 10], [10, 10, 10, 10]], [[0.9, 0.1], [0.1, 0.8]])
    assert _select(raw, num_classes=2)[0].labels.tolist() == [0, 1]


def test_agnostic_suppression_crosses_classes():
    raw = _raw([[10, 10, 10, 10], [10, 10, 10, 10]], [[0.9, 0.1], [0.1, 0.8]])
    assert _select(raw, num_classes=2, agnostic=True)[0].labels.tolist() == [0]


def test_only_wanted_classes_are_kept():
    raw = _raw(APART, [[0.9, 0.1], [0.1, 0.8], [0.3, 0.7]])
    np.testing.assert_allclose(_select(raw, num_classes=2, classes=[1])[0].scores, [0.8, 0.7])
    assert len(_select(raw, num_classes=2, classes=[])[0]) == 0


def test_no_more_than_the_best_are_kept():
    np.testing.assert_allclose(_select(_raw(APART, [0.5, 0.9, 0.7]), max_det=2)[0].scores, [0.9, 0.7])


def test_no_more_than_the_best_candidates_are_looked_at():
    raw = _raw([[10, 10, 10, 10], [10, 10, 10, 10], [50, 50, 10, 10]], [0.9, 0.8, 0.7])
    np.testing.assert_allclose(_select(raw, max_candidates=2)[0].scores, [0.9])


def test_two_numbers_per_keypoint_score_one():
    (people,) = _select(_raw(APART[:1], [0.9], dims=2, keypoints=[[[1, 2], [3, 4], [5, 6]]]), dims=2)
    np.testing.assert_allclose(people.keypoints, [[[1, 2], [3, 4], [5, 6]]])
    assert people.keypoint_scores.tolist() == [[1, 1, 1]]


def test_a_low_keypoint_score_leaves_its_coordinates_alone():
    (people,) = _select(_raw(APART[:1], [0.9], keypoints=[[[1, 2, 0.0], [3, 4, 0.0], [700, -5, 0.0]]]))
    np.testing.assert_allclose(people.keypoints, [[[1, 2], [3, 4], [700, -5]]])


@pytest.mark.parametrize("row", [0, 3, 4, 5, 13])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_anchor_that_is_not_finite_is_never_kept(row, value):
    raw = _raw(APART, [0.9, 0.8, 0.7])
    raw[0, row, 1] = value
    np.testing.assert_allclose(_select(raw)[0].scores, [0.9, 0.7])


def test_nobody_keeps_k_for_every_image_of_a_batch():
    raw = np.concatenate([_raw(APART, [0.1, 0.1, 0.1]), _raw(APART, [0.9, 0.1, 0.1])])
    nobody, somebody = _select(raw)
    assert nobody.keypoints.shape == (0, 3, 2)
    assert nobody.keypoint_scores.shape == (0, 3)
    assert len(somebody) == 1


def test_no_images_make_no_results():
    assert _select(np.zeros((0, 14, 8), np.float32)) == []


def test_results_have_their_types():
    (people,) = _select(_raw(APART, [0.5, 0.9, 0.7]))
    for name in ("boxes", "scores", "keypoints", "keypoint_scores"):
        assert getattr(people, name).dtype == np.float32
    assert people.labels.dtype == np.int64


def _crowd(count, seed, *, spots=5, step=0.0):
    """Boxes that crowd around few spots; a step puts them on a grid, so that overlaps tie."""
    generator = np.random.default_rng(seed)
    centres = generator.uniform(0, 300, (spots, 2))[generator.integers(0, spots, count)]
    low = centres + generator.normal(0, 15, (count, 2))
    boxes = np.concatenate([low, low + generator.uniform(20, 80, (count, 2))], axis=1)
    return (np.round(boxes / step) * step if step else boxes).astype(np.float32)


@pytest.mark.parametrize("count", [0, 1, 2, 127, 128, 129, 700])
@pytest.mark.parametrize("step", [0.0, 10.0])
def test_suppression_equals_the_greedy_loop(count, step):
    boxes = _crowd(count, seed=count, step=step)
    groups = np.random.default_rng(0).integers(0, 3, count)
    for iou in (0.0, 0.3, 0.5, 0.7, 1.0):
        assert suppress(boxes, iou=iou).tolist() == _greedy(boxes, iou)
        assert suppress(boxes, iou=iou, groups=groups).tolist() == _greedy(boxes, iou, groups)
        assert suppress(boxes, iou=iou, limit=17).tolist() == _greedy(boxes, iou, limit=17)


def test_a_long_chain_of_neighbours_keeps_every_second():
    left = np.arange(300, dtype=np.float32) * 4
    boxes = np.stack([left, left * 0, left + 10, left * 0 + 10], axis=1)  # neighbours overlap by 6 of 14
    assert suppress(boxes, iou=0.4).tolist() == list(range(0, 300, 2))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(0, 12)] * 4), max_size=40),
    st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 0.75]),
)
def test_suppression_equals_the_greedy_loop_on_any_boxes(corners, iou):
    boxes = np.array(corners, np.float32).reshape(-1, 4)  # also empty and inside out
    assert suppress(boxes, iou=iou).tolist() == _greedy(boxes, iou)


def test_thirty_thousand_candidates_give_the_greedy_answer():
    generator = np.random.default_rng(0)
    centres = generator.uniform(0, 640, (40, 2))[generator.integers(0, 40, 30_000)]
    boxes = np.concatenate([centres + generator.normal(0, 4, (30_000, 2)), np.full((30_000, 2), 60)], axis=1)
    scores = generator.permutation(30_000) / 30_000
    (people,) = _select(_raw(boxes, scores), conf=0.0, iou=0.6, max_det=300)
    order = np.argsort(-scores)[:29_999]  # the score 0 is not above the threshold
    kept = order[_first_greedy(boxes[order], iou=0.6, limit=300)]
    np.testing.assert_array_equal(people.scores, scores[kept].astype(np.float32))


def _first_greedy(boxes_cxcywh, *, iou, limit):
    """The greedy loop once more, by masks: the textbook takes minutes here."""
    half = boxes_cxcywh[:, 2:].astype(np.float32) / 2
    centre = boxes_cxcywh[:, :2].astype(np.float32)
    boxes = np.concatenate([centre - half, centre + half], axis=1)
    kept, left = [], np.arange(len(boxes))
    while len(left) and len(kept) < limit:
        kept.append(left[0])
        covered = iou_matrix(boxes[left[:1]], boxes[left])[0] > np.float32(iou)
        covered[0] = True
        left = left[~covered]
    return np.array(kept)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"conf": 1.5}, "conf must be from 0 to 1; got 1.5"),
        ({"iou": -0.1}, "iou must be from 0 to 1; got -0.1"),
        ({"conf": float("nan")}, "conf must be from 0 to 1; got nan"),
        ({"max_det": 0}, "max_det must be at least 1; got 0"),
        ({"max_candidates": 0}, "max_candidates must be at least 1; got 0"),
        ({"dims": 4}, "keypoint_dims must be 2 or 3; got 4"),
    ],
)
def test_a_wrong_threshold_is_named(options, message):
    with pytest.raises(SettingsError, match=message):
        _select(_raw(APART, [0.5, 0.5, 0.5]), **options)


@pytest.mark.parametrize("shape", [(1, 15, 4), (14, 4), (1, 3, 4)])
def test_an_output_of_another_shape_is_refused(shape):
    with pytest.raises(CheckpointError, match=r"must be .B, 4 . 1 . 3 K, A.; got"):
        _select(np.zeros(shape, np.float32))
