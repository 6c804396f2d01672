"""Anchors go to the people that the rules of task-aligned assignment give them."""

import torch
from pose_train import BatchTargets, assign

# A row of four cells of 8 px: centres at x = 4, 12, 20, 28 and y = 4.
ANCHORS = torch.tensor([[4.0, 12.0, 20.0, 28.0], [4.0, 4.0, 4.0, 4.0]])


def people(*boxes, images=None):
    count = len(boxes)
    return BatchTargets(
        image_index=torch.tensor(images if images is not None else [0] * count, dtype=torch.int64),
        labels=torch.zeros(count, dtype=torch.int64),
        boxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        keypoints=torch.zeros(count, 3, 2),
        visibility=torch.zeros(count, 3, dtype=torch.uint8),
    )


def predictions(*boxes):
    return torch.tensor([boxes], dtype=torch.float32), torch.full((1, 1, len(boxes)), 0.25)


def test_only_anchors_inside_a_person_learn_it():
    box = (0.0, 0.0, 16.0, 8.0)
    boxes, scores = predictions(box, box, box, box)
    found = assign(scores, boxes, ANCHORS, people(box), smallest_side=0)
    assert found.anchor.tolist() == [0, 1]


def test_a_perfect_anchor_is_asked_for_the_score_one():
    box = (0.0, 0.0, 16.0, 8.0)
    boxes, scores = predictions(box, (0, 0, 8, 8), box, box)
    found = assign(scores, boxes, ANCHORS, people(box), smallest_side=0)
    torch.testing.assert_close(found.score[0], torch.tensor(1.0), atol=1e-5, rtol=0)
    assert found.score[1] < 0.1


def test_only_the_best_anchors_of_a_person_learn_it():
    box = (0.0, 0.0, 32.0, 8.0)
    boxes, scores = predictions((0, 0, 16, 8), box, (0, 0, 30, 8), (0, 0, 8, 8))
    found = assign(scores, boxes, ANCHORS, people(box), topk=2, smallest_side=0)
    assert found.anchor.tolist() == [1, 2]


def test_a_contested_anchor_goes_to_the_person_it_overlaps_most():
    wide, narrow = (0.0, 0.0, 32.0, 8.0), (8.0, 0.0, 16.0, 8.0)
    boxes, scores = predictions(wide, narrow, wide, wide)
    found = assign(scores, boxes, ANCHORS, people(wide, narrow), smallest_side=0)
    assert found.anchor.tolist() == [0, 1, 2, 3]
    assert found.target.tolist() == [0, 1, 0, 0]


def test_people_of_another_image_do_not_contest():
    box = (0.0, 0.0, 32.0, 8.0)
    boxes, scores = predictions(box, box, box, box)
    found = assign(scores.repeat(2, 1, 1), boxes.repeat(2, 1, 1), ANCHORS, people(box, box, images=[0, 1]))
    assert found.image.tolist() == [0] * 4 + [1] * 4
    assert found.target.tolist() == [0] * 4 + [1] * 4


def test_a_person_between_cell_centres_is_enlarged_until_it_holds_one():
    box = (6.0, 2.0, 10.0, 6.0)  # centre (8, 4), between the anchors at 4 and 12
    boxes, scores = predictions(box, box, box, box)
    assert len(assign(scores, boxes, ANCHORS, people(box), smallest_side=0).anchor) == 0
    assert assign(scores, boxes, ANCHORS, people(box), smallest_side=16).anchor.tolist() == [0, 1]


def test_nobody_is_a_normal_count():
    boxes, scores = predictions((0, 0, 8, 8), (0, 0, 8, 8), (0, 0, 8, 8), (0, 0, 8, 8))
    assert len(assign(scores, boxes, ANCHORS, people()).anchor) == 0
