"""Drawing: what is shown, in which colour, and what isn't."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from pose_data import (
    COCO_PERSON,
    Poses,
    PoseTargets,
    SettingsError,
    Skeleton,
    contact_sheet,
    draw_poses,
    draw_targets,
)
from pose_data.predict.draw import keypoint_sides

SKELETON = Skeleton(("tail", "left_ear", "right_ear"), mirror=((1, 2),), edges=((0, 1), (0, 2)))
# tail at the top, left ear at the lower left, right ear at the lower right of a 100 x 100 image
POINTS = np.array([[[50, 20], [20, 80], [80, 80]]], np.float32)


def image(height: int = 100, width: int = 100) -> NDArray[np.uint8]:
    return np.zeros((height, width, 3), np.uint8)


def poses(scores: tuple[float, float, float], points: NDArray[np.float32] = POINTS) -> Poses:
    return Poses(
        boxes=np.array([[5, 5, 95, 95]], np.float32),
        scores=np.array([0.9], np.float32),
        labels=np.zeros(1, np.int64),
        keypoints=points,
        keypoint_scores=np.array([scores], np.float32),
    )


def targets(visibility: tuple[int, int, int], *, crowd: bool = False) -> PoseTargets:
    return PoseTargets(
        boxes=np.array([[5, 5, 95, 95]], np.float32),
        labels=np.zeros(1, np.int64),
        keypoints=POINTS,
        visibility=np.array([visibility], np.uint8),
        areas=np.array([4000], np.float32),
        crowd=np.array([crowd]),
    )


def test_the_image_that_is_given_stays_as_it_is() -> None:
    given = image()
    drawn = draw_poses(given, poses((1, 1, 1)), SKELETON)
    assert drawn is not given and not given.any() and drawn.any()
    assert drawn.shape == given.shape and drawn.dtype == np.uint8


def test_nobody_leaves_the_picture_unchanged() -> None:
    given = image() + np.uint8(7)
    assert (draw_poses(given, Poses.empty(3), SKELETON) == 7).all()
    assert (draw_targets(given, PoseTargets.empty(3), SKELETON) == 7).all()


def test_left_is_blue_and_right_is_orange() -> None:
    drawn = draw_poses(image(), poses((1, 1, 1)), SKELETON).astype(int)
    left, right = drawn[79, 19], drawn[79, 79]
    assert left[2] > left[0] + 100
    assert right[0] > right[2] + 100


def test_sides_come_from_the_mirror_pairs_where_names_tell_none() -> None:
    unnamed = Skeleton(("a", "b", "c"), mirror=((1, 2),))
    drawn = draw_poses(image(), poses((1, 1, 1)), unnamed).astype(int)
    assert drawn[79, 19, 2] > drawn[79, 19, 0] + 100
    assert drawn[79, 79, 0] > drawn[79, 79, 2] + 100


def test_a_limb_has_the_colour_of_its_side() -> None:
    drawn = draw_poses(image(), poses((1, 1, 1)), SKELETON).astype(int)
    assert drawn[49, 34, 2] > drawn[49, 34, 0] + 100  # half-way between tail and left ear
    assert drawn[49, 64, 0] > drawn[49, 64, 2] + 100


def test_a_point_under_the_threshold_is_not_drawn_and_neither_is_its_limb() -> None:
    drawn = draw_poses(image(), poses((1, 0.24, 1)), SKELETON)
    assert not drawn[79, 19].any() and not drawn[49, 34].any()
    assert drawn[79, 79].any() and drawn[49, 64].any()


def test_the_threshold_is_the_callers() -> None:
    drawn = draw_poses(image(), poses((1, 0.24, 1)), SKELETON, keypoint_threshold=0.2)
    assert drawn[79, 19].any()


def test_a_surer_point_is_brighter() -> None:
    unsure, sure = (draw_poses(image(), poses((1, s, 1)), SKELETON)[79, 19].max() for s in (0.3, 1.0))
    assert sure > unsure


def test_a_skeleton_without_edges_has_points_alone() -> None:
    drawn = draw_poses(image(), poses((1, 1, 1)), Skeleton(SKELETON.names, mirror=((1, 2),)))
    assert drawn[79, 19].any() and not drawn[49, 34].any()


def test_the_class_and_score_are_written_above_the_box() -> None:
    found = poses((0, 0, 0))
    lower = replace(found, boxes=np.array([[5, 45, 95, 95]], np.float32))
    named = draw_poses(image(), lower, SKELETON, names=("mouse",))
    plain = draw_poses(image(), lower, SKELETON)
    assert named[36:43, 6:60].any(axis=(1, 2)).all()
    assert np.count_nonzero(named.any(axis=2)) > np.count_nonzero(plain.any(axis=2))


def test_a_label_without_a_name_is_its_score() -> None:
    found = poses((0, 0, 0))
    other = replace(found, labels=found.labels + 7)
    assert draw_poses(image(), other, SKELETON, names=("mouse",)).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1e9])
def test_positions_outside_of_every_image_do_no_harm(bad: float) -> None:
    points = POINTS.copy()
    points[0, 1] = bad
    drawn = draw_poses(image(), poses((1, 1, 1), points), SKELETON)
    assert drawn[79, 79].any()


def test_strokes_grow_with_the_image() -> None:
    def width_of_limb(scale: int) -> int:
        found = Poses(
            boxes=np.array([[5, 5, 95, 95]], np.float32) * scale,
            scores=np.ones(1, np.float32),
            labels=np.zeros(1, np.int64),
            keypoints=POINTS * scale,
            keypoint_scores=np.ones((1, 3), np.float32),
        )
        drawn = draw_poses(image(100 * scale, 100 * scale), found, SKELETON)
        return int(np.count_nonzero(drawn[50 * scale, 20 * scale : 50 * scale].any(axis=1)))

    assert width_of_limb(20) >= 3 * width_of_limb(1)


def test_the_shipped_skeleton_has_eight_points_on_each_side() -> None:
    sides = keypoint_sides(COCO_PERSON)
    assert [int((sides == side).sum()) for side in (1, -1, 0)] == [8, 8, 1]


def test_visible_targets_are_filled_and_hidden_ones_are_rings() -> None:
    plain = Skeleton(SKELETON.names, mirror=((1, 2),))
    drawn = draw_targets(image(), targets((0, 2, 1)), plain).astype(int)
    assert drawn[79, 19].max() > 200
    assert drawn[79, 79].max() < 100 and drawn[76:83, 76:83].max() > 100
    assert not drawn[19, 49].any()


def test_a_crowd_is_a_grey_box() -> None:
    drawn = draw_targets(image(), targets((0, 0, 0), crowd=True), SKELETON)
    red, green, blue = drawn[94, 50].astype(int)
    assert red == green == blue > 0


def test_a_sheet_has_its_images_row_by_row() -> None:
    tiles = [np.full((2, 3, 3), value, np.uint8) for value in (100, 150, 200)]
    sheet = contact_sheet(tiles, columns=2, gap=1)
    assert sheet.shape == (2 * 3 + 1, 2 * 4 + 1, 3)
    assert (sheet[1:3, 1:4] == 100).all() and (sheet[1:3, 5:8] == 150).all() and (sheet[4:6, 1:4] == 200).all()


def test_a_sheet_puts_small_images_in_the_middle_and_shrinks_large_ones() -> None:
    small, large = np.full((2, 2, 3), 100, np.uint8), np.full((8, 16, 3), 200, np.uint8)
    sheet = contact_sheet([small, large], columns=2, tile=(4, 4), gap=0)
    assert sheet.shape == (4, 8, 3)
    assert (sheet[1:3, 1:3] == 100).all() and sheet[0, 0].max() < 50
    assert (sheet[1:3, 4:8] == 200).all() and sheet[0, 4].max() < 50


def test_a_sheet_of_nothing_is_one_pixel() -> None:
    assert contact_sheet([]).shape == (1, 1, 3)


def test_a_sheet_without_columns_is_refused() -> None:
    with pytest.raises(SettingsError, match="columns must be at least 1"):
        contact_sheet([image()], columns=0)


def test_everybody_who_is_followed_has_a_colour_of_their_own() -> None:
    box = np.array([[5, 30, 45, 95]], np.float32)
    colours = []
    for number in (1, 2, 7, -1):
        drawn = draw_poses(image(), replace(poses((0, 0, 0)), boxes=box), SKELETON, ids=np.array([number]))
        colours.append(tuple(drawn[94, 25].tolist()))  # on the lower edge of the box
    assert len(set(colours)) == 4
    assert np.ptp(colours[3]) == 0  # grey


def test_limbs_have_the_colour_of_who_is_followed_and_points_that_of_their_side() -> None:
    drawn = draw_poses(image(), poses((1, 1, 1)), SKELETON, ids=np.array([3])).astype(int)
    np.testing.assert_allclose(drawn[49, 34], drawn[49, 64], atol=2)
    assert drawn[79, 19, 2] > drawn[79, 19, 0] + 100
    assert drawn[79, 79, 0] > drawn[79, 79, 2] + 100


def test_the_id_is_in_the_label() -> None:
    one, two = (draw_poses(image(), poses((1, 1, 1)), SKELETON, ids=np.array([number])) for number in (1, 14))
    plates = [(drawn[12] == drawn[12, 6]).all(axis=1).sum() for drawn in (one, two)]
    assert plates[1] != plates[0]
