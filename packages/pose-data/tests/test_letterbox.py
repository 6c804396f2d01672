"""An image in a network's input: sizes, border, and the way back."""

import numpy as np
import pytest
from pose_data import (
    Poses,
    PoseTargets,
    SettingsError,
    check_imgsz,
    letterbox,
    letterbox_shape,
    make_letterbox,
)


def _image(height, width):
    return np.full((height, width, 3), 200, np.uint8)


def test_a_wide_image_gets_equal_borders_above_and_below():
    result, place = letterbox(_image(10, 20), (40, 40))
    assert place.resized == (20, 40)
    assert place.pad == (0, 10)
    assert (result[:10] == 114).all()
    assert (result[10:30] == 200).all()
    assert (result[30:] == 114).all()


def test_an_odd_pixel_of_border_goes_to_the_bottom_and_the_right():
    result, place = letterbox(_image(5, 8), (8, 8))
    assert place.pad == (0, 1)  # 3 pixels of border: 1 above, 2 below
    assert (result[:1] == 114).all()
    assert (result[6:] == 114).all()
    _, tall = letterbox(_image(8, 5), (8, 8))
    assert tall.pad == (1, 0)


def test_the_scale_of_each_axis_is_the_true_resize_factor():
    place = make_letterbox((3, 7), (10, 10))
    assert place.resized == (4, 10)  # 3 * 10 / 7 = 4.29
    assert place.scale == (10 / 7, 4 / 3)


def test_coordinates_follow_the_pixels():
    image = np.zeros((4, 4, 3), np.uint8)
    image[2, 1] = 255  # covers x 1..2, y 2..3
    result, place = letterbox(image, (16, 20))
    x, y = place.points_to_input(np.array([1.5, 2.5]))
    weights = (result[..., 0] == result[..., 0].max()) & (result[..., 0] != 114)
    rows, columns = np.nonzero(weights)
    assert (columns.mean() + 0.5, rows.mean() + 0.5) == (x, y) == (8.0, 10.0)


def test_an_image_of_the_right_size_is_handed_on_without_a_copy():
    image = _image(32, 64)
    result, place = letterbox(image, (32, 64))
    assert result is image
    assert place.scale == (1, 1)
    assert place.pad == (0, 0)


def test_the_result_can_be_written_into_a_batch():
    batch = np.zeros((2, 8, 8, 3), np.uint8)
    result, _ = letterbox(_image(4, 8), (8, 8), out=batch[1])
    assert result.base is batch
    assert (batch[0] == 0).all()
    np.testing.assert_array_equal(batch[1], letterbox(_image(4, 8), (8, 8))[0])


def test_an_image_is_not_enlarged_beyond_the_limit():
    _, place = letterbox(_image(10, 20), (40, 40), max_scale=1.0)
    assert place.resized == (10, 20)
    assert place.pad == (10, 15)


def test_a_very_long_image_keeps_a_pixel_of_its_short_side():
    result, place = letterbox(_image(1, 1000), (32, 32))
    assert place.resized == (1, 32)
    assert result.shape == (32, 32, 3)


def test_the_image_is_left_as_it_was():
    image = _image(4, 8)
    letterbox(image, (8, 8))
    assert (image == 200).all()


def test_boxes_go_there_and_back():
    place = make_letterbox((100, 200), (64, 64))  # scale 0.32, 16 pixels above
    boxes = np.array([[0, 0, 200, 100], [50, 25, 100, 50]], np.float32)
    inside = place.boxes_to_input(boxes)
    np.testing.assert_allclose(inside, [[0, 16, 64, 48], [16, 24, 32, 32]], rtol=1e-6)
    np.testing.assert_allclose(place.boxes_to_image(inside), boxes, atol=1e-4)
    assert inside.dtype == np.float32


@pytest.mark.parametrize("image_size", [(427, 640), (1080, 810), (31, 17), (640, 640)])
def test_the_inverse_is_exact_for_every_shape(image_size):
    place = make_letterbox(image_size, (320, 416))
    points = np.random.default_rng(0).uniform(-50, 700, (9, 3, 2))
    np.testing.assert_allclose(place.points_to_image(place.points_to_input(points)), points, atol=1e-9)


def test_targets_move_as_a_whole_with_their_areas():
    targets = PoseTargets(
        boxes=np.array([[0, 0, 10, 20]], np.float32),
        labels=np.array([1]),
        keypoints=np.array([[[0, 0], [5, 5], [10, 20]]], np.float32),
        visibility=np.array([[0, 1, 2]], np.uint8),
        areas=np.array([100], np.float32),
        crowd=np.array([True]),
    )
    place = make_letterbox((20, 40), (80, 80))  # scale 2, 20 pixels above
    moved = place.to_input(targets)
    np.testing.assert_allclose(moved.boxes, [[0, 20, 20, 60]])
    np.testing.assert_allclose(moved.keypoints, [[[0, 20], [10, 30], [20, 60]]])
    assert moved.areas.tolist() == [400]
    assert moved.visibility.tolist() == [[0, 1, 2]]
    assert moved.crowd.tolist() == [True]
    assert place.to_image(moved).areas.tolist() == [100]


def test_poses_come_back_with_their_scores():
    poses = Poses(
        boxes=np.array([[0, 20, 20, 60]], np.float32),
        scores=np.array([0.5], np.float32),
        labels=np.array([2]),
        keypoints=np.array([[[0, 20], [10, 30], [20, 60]]], np.float32),
        keypoint_scores=np.array([[0.1, 0.2, 0.3]], np.float32),
    )
    back = make_letterbox((20, 40), (80, 80)).to_image(poses)
    np.testing.assert_allclose(back.boxes, [[0, 0, 10, 20]])
    np.testing.assert_allclose(back.keypoints, [[[0, 0], [5, 5], [10, 20]]])
    assert back.scores is poses.scores
    assert back.keypoint_scores is poses.keypoint_scores


def test_nobody_keeps_k():
    place = make_letterbox((20, 40), (80, 80))
    assert place.to_image(Poses.empty(3)).keypoints.shape == (0, 3, 2)
    assert place.to_input(PoseTargets.empty(3)).visibility.shape == (0, 3)


@pytest.mark.parametrize(
    ("image_size", "shape"),
    [((1080, 810), (640, 480)), ((480, 640), (480, 640)), ((427, 640), (448, 640)), ((1, 640), (32, 640))],
)
def test_the_smallest_input_pads_to_whole_strides(image_size, shape):
    assert letterbox_shape(image_size, (640, 640), stride=32) == shape


def test_half_a_stride_of_slack_is_the_published_validation():
    shape = letterbox_shape((480, 640), (640, 640), stride=32, slack=0.5)
    assert shape == (512, 672)
    assert make_letterbox((480, 640), shape, max_scale=1.0).pad == (16, 16)


def test_an_input_size_is_height_and_width():
    assert check_imgsz(640, stride=32) == (640, 640)
    assert check_imgsz((320, 640), stride=64) == (320, 640)


@pytest.mark.parametrize("imgsz", [650, 0, -32, (640, 100)])
def test_an_input_that_is_no_multiple_of_the_stride_is_refused(imgsz):
    with pytest.raises(SettingsError, match=r"imgsz must be a multiple of the stride 32; got .*; use"):
        check_imgsz(imgsz, stride=32)
