"""Pictures of labels and of what weights reach, down to their pixels."""

import numpy as np
import pytest
from pose_data import DrawnPeople, Poses, PoseTargets, open_dataset, read_data_settings, read_image, write_people
from pose_eval import PoseEvaluator, evaluate, keypoint_numbers, keypoint_rules
from pose_train.evaluation_pictures import draw_errors, draw_precision, write_evaluation_pictures
from pose_train.label_pictures import label_statistics, write_label_picture
from pose_train.panels import COLOURS, SIZE, draw_bars, draw_density

SIGMAS = np.full(3, 0.1)
NAMES = ("top", "middle", "bottom")


def count_of(panel, colour):
    """How many pixels of each row have a colour."""
    return (panel == np.array(colour)).all(axis=2).sum(axis=1)


def test_a_bar_of_twice_the_number_is_twice_as_long():
    panel = draw_bars("numbers", ["a", "b"], np.array([[100.0], [200.0]]), notes=["100", "200"])
    lengths = sorted(set(count_of(panel, COLOURS[0]).tolist()))
    assert lengths[0] == 0
    assert lengths[2] == pytest.approx(2 * lengths[1], abs=1)


def test_parts_of_a_bar_are_one_behind_the_other_and_nothing_has_no_length():
    parts = np.array([[1.0, 3.0], [np.nan, 0.0]])
    panel = draw_bars("parts", ["a", "b"], parts, notes=["", ""], colours=COLOURS[:2])
    first, second = (count_of(panel, colour).max() for colour in COLOURS[:2])
    assert second == pytest.approx(3 * first, abs=2)
    assert (count_of(panel, COLOURS[0]) > 0).sum() == 11  # of one bar alone, as high as it is


def test_bars_that_do_not_fit_make_a_panel_higher():
    many = [str(number) for number in range(60)]
    assert draw_bars("many", many, np.ones((60, 1)), notes=many).shape[0] > SIZE[0]
    assert draw_bars("none", [], np.zeros((0, 1)), notes=[]).shape == (*SIZE, 3)


@pytest.mark.parametrize(("upward", "half"), [(False, slice(None, 120)), (True, slice(120, None))])
def test_a_place_is_drawn_where_it_is_and_in_sizes_upward(upward, half):
    panel = draw_density("one", np.array([0.1]), np.array([0.1]), along="share", upward=upward)
    rows, columns = (panel == np.array(COLOURS[0])).all(axis=2).nonzero()
    assert len(rows) > 0
    assert rows.min() >= (half.start or 0)
    assert rows.max() < (half.stop or SIZE[0])
    assert columns.max() < SIZE[1] // 2


def test_labels_of_files_are_shares_of_their_images(tmp_path):
    dataset = open_dataset(read_data_settings(write_people(tmp_path / "people", train=3, val=1, size=64)), "train")
    statistics = label_statistics(dataset)
    people = [dataset.targets(i) for i in range(3)]
    boxes = np.concatenate([one.boxes for one in people]) / 64
    assert (statistics.images, len(statistics.labels)) == (3, len(boxes))
    assert statistics.boxes[:, 2:] == pytest.approx(boxes[:, 2:] - boxes[:, :2])
    assert statistics.boxes[:, :2] == pytest.approx((boxes[:, 2:] + boxes[:, :2]) / 2)
    assert (statistics.visibility == np.concatenate([one.visibility for one in people])).all()


def test_of_images_without_files_some_are_looked_at(tmp_path):
    samples = DrawnPeople(80, size=64)
    assert label_statistics(samples).images == 64
    write_label_picture(tmp_path / "labels.png", samples)
    assert read_image(tmp_path / "labels.png").shape[2] == 3


def test_no_labels_are_drawn_too(tmp_path):
    write_label_picture(tmp_path / "labels.png", DrawnPeople(0, size=64))
    assert (tmp_path / "labels.png").exists()


def people(*shifts):
    """People of 100 by 100 px with all points in the middle, one below the other, each point shifted so far."""
    count = len(shifts)
    boxes = np.array([[0, 200 * i, 100, 200 * i + 100] for i in range(count)], np.float32).reshape(-1, 4)
    points = np.repeat((boxes[:, None, :2] + 50), 3, axis=1)
    return boxes, points + np.array(shifts, np.float32).reshape(count, 3, 1) * np.array([1, 0], np.float32)


def evaluator_of(shifts):
    boxes, points = people(*([(0, 0, 0)] * len(shifts)))
    _, found = people(*shifts)
    count = len(shifts)
    evaluator = PoseEvaluator(SIGMAS)
    targets = PoseTargets(
        boxes=boxes,
        labels=np.zeros(count, np.int64),
        keypoints=points,
        visibility=np.full((count, 3), 2, np.uint8),
        areas=np.full(count, 10_000, np.float32),
        crowd=np.zeros(count, np.bool_),
    )
    scores = np.linspace(0.9, 0.8, count).astype(np.float32)
    poses = Poses(
        boxes=boxes,
        scores=scores,
        labels=np.zeros(count, np.int64),
        keypoints=found,
        keypoint_scores=np.full((count, 3), 0.9, np.float32),
    )
    evaluator.update(poses, targets)
    return evaluator


def evaluation_of(shifts):
    rules = keypoint_rules(SIGMAS)
    return evaluate(evaluator_of(shifts).problem(rules), rules)


def test_a_keypoint_that_is_twice_as_far_off_has_twice_the_bar():
    # 2 and 4 px of people of 100 px: OKS stays above .50
    panel = draw_errors(keypoint_numbers(evaluation_of([(0, 2, 4)])), NAMES)
    lengths = sorted(set(count_of(panel, COLOURS[0]).tolist()))
    assert lengths[0] == 0
    assert lengths[2] == pytest.approx(2 * lengths[1], abs=1)


def test_precision_of_people_who_are_all_found_is_one_at_every_recall():
    panel = draw_precision("keypoints", evaluation_of([(0, 0, 0), (0, 0, 0)]))
    last = count_of(panel, COLOURS[2])  # the mean, drawn over the others
    assert last.argmax() == pytest.approx(30, abs=1)
    assert last.max() == pytest.approx(286, abs=3)  # from 58 to 344


def test_pictures_of_nothing_found_and_nothing_labelled_are_written(tmp_path):
    write_evaluation_pictures(tmp_path, evaluator_of([]), sigmas=SIGMAS, names=NAMES)
    assert {path.name for path in tmp_path.iterdir()} == {"pr_curves.png", "keypoint_errors.png"}
