"""From images to people through a runtime that is worked out on paper."""

import numpy as np
import pytest
from pose_data import (
    CheckpointError,
    DataError,
    ModelCard,
    Predictor,
    SettingsError,
    Skeleton,
    as_rgb,
    describe_runtime,
)

SKELETON = Skeleton(("a", "b", "c"))


class Finder:
    """A runtime that finds the pure red square in each input: its box, and its corners and centre as points."""

    def __init__(self, *, names=("person",), **card):
        options = {"stride": 32, "imgsz": (64, 64), **card}
        self.card = ModelCard("finder", names, SKELETON, **options)
        self.seen = []

    def __call__(self, images):
        self.seen.append(images.shape)
        raw = np.zeros((len(images), self.card.channels, 2), np.float32)
        for image, out in zip(images, raw, strict=True):
            rows, columns = np.nonzero((image[..., 0] > 240) & (image[..., 1] < 10))
            if len(rows) == 0:
                continue
            x, y, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
            out[:4, 0] = (x + right) / 2, (y + bottom) / 2, right - x, bottom - y
            out[4, 0] = 0.9
            points = out[4 + len(self.card.names) :, 0].reshape(3, self.card.keypoint_dims)
            points[:, :2] = [[x, y], [(x + right) / 2, (y + bottom) / 2], [right + 100, bottom]]
            points[:, 2:] = 0.01
        return raw


def _image(height, width, square):
    image = np.zeros((height, width, 3), np.uint8)
    left, top, right, bottom = square
    image[top:bottom, left:right, 0] = 255
    return image


def test_a_person_is_found_in_pixels_of_the_image():
    people = Predictor(Finder())(_image(128, 64, (16, 32, 32, 96)))  # halved into 64 x 32
    np.testing.assert_allclose(people.boxes, [[16, 32, 32, 96]], atol=1e-3)
    np.testing.assert_allclose(people.keypoints[0, :2], [[16, 32], [24, 64]], atol=1e-3)
    np.testing.assert_allclose(people.scores, [0.9])


def test_keypoints_are_left_where_the_network_puts_them():
    people = Predictor(Finder())(_image(64, 64, (0, 0, 32, 32)))
    np.testing.assert_allclose(people.keypoints[0, 2], [132, 32])  # beyond the border, scored 0.01
    np.testing.assert_allclose(people.keypoint_scores, [[0.01] * 3])


def test_boxes_end_at_the_border():
    class Large(Finder):
        def __call__(self, images):
            raw = super().__call__(images)
            raw[:, 2:4] = 1000
            return raw

    people = Predictor(Large())(_image(48, 64, (16, 16, 32, 32)))
    np.testing.assert_allclose(people.boxes, [[0, 0, 64, 48]])


def test_a_dynamic_network_gets_the_smallest_input():
    runtime = Finder()
    Predictor(runtime)(_image(100, 200, (0, 0, 9, 9)))
    assert runtime.seen == [(1, 32, 64, 3)]


def test_without_rect_the_input_is_whole():
    runtime = Finder()
    Predictor(runtime, rect=False)(_image(100, 200, (0, 0, 9, 9)))
    assert runtime.seen == [(1, 64, 64, 3)]


def test_slack_widens_the_border_but_not_the_image():
    runtime = Finder()
    predictor = Predictor(runtime, slack=0.5)
    people = predictor(_image(64, 64, (16, 16, 32, 32)))
    assert runtime.seen == [(1, 96, 96, 3)]
    np.testing.assert_array_equal(people.boxes, [[16, 16, 32, 32]])  # nothing was resized


def test_images_of_one_shape_go_through_together_and_keep_their_order():
    runtime = Finder()
    wide, tall = _image(32, 64, (8, 8, 16, 16)), _image(64, 32, (4, 4, 20, 20))
    other = _image(32, 64, (24, 8, 40, 24))
    found = Predictor(runtime).predict_batch([wide, tall, other])
    assert sorted(runtime.seen) == [(1, 64, 32, 3), (2, 32, 64, 3)]
    expected = [[8, 8, 16, 16], [4, 4, 20, 20], [24, 8, 40, 24]]
    np.testing.assert_allclose(np.concatenate([people.boxes for people in found]), expected, atol=1e-3)


def test_one_image_alone_gives_what_it_gives_in_a_batch():
    predictor = Predictor(Finder())
    images = [_image(50, 70, (10, 10, 30, 40)), _image(70, 50, (5, 5, 45, 45)), _image(50, 70, (20, 5, 60, 45))]
    for alone, together in zip(map(predictor, images), predictor.predict_batch(images), strict=True):
        np.testing.assert_array_equal(alone.boxes, together.boxes)
        np.testing.assert_array_equal(alone.keypoints, together.keypoints)


def test_a_file_of_fixed_batch_gets_full_batches_of_its_size():
    runtime = Finder(dynamic=False, batch=2)
    found = Predictor(runtime).predict_batch([_image(32, 64, (8 * i, 8, 8 * i + 16, 24)) for i in range(3)])
    assert runtime.seen == [(2, 64, 64, 3), (2, 64, 64, 3)]
    assert [people.boxes[0, 0] for people in found] == [0, 8, 16]


def test_no_images_give_no_results():
    found, times = Predictor(Finder()).timed([])
    assert found == []
    assert times.network == 0


def test_an_image_with_nobody_keeps_k():
    assert Predictor(Finder())(np.zeros((32, 32, 3), np.uint8)).keypoints.shape == (0, 3, 2)


def test_stages_are_timed():
    _, times = Predictor(Finder()).timed([_image(64, 64, (0, 0, 9, 9))] * 2)
    assert min(times.preprocess, times.network, times.select) > 0
    assert times.total == pytest.approx(times.preprocess + times.network + times.select)


def test_classes_are_selected():
    image = _image(64, 64, (0, 0, 16, 16))
    assert len(Predictor(Finder(names=("cat", "dog")), classes=[0])(image)) == 1
    assert len(Predictor(Finder(names=("cat", "dog")), classes=[1])(image)) == 0


@pytest.mark.parametrize(
    "convert",
    [
        lambda rgb: np.dstack([rgb, np.full(rgb.shape[:2], 7, np.uint8)]),
        lambda rgb: np.asfortranarray(rgb),
        lambda rgb: np.ascontiguousarray(rgb[:, ::-1])[:, ::-1],
    ],
)
def test_pixels_may_come_in_other_layouts(convert):
    image = _image(48, 64, (16, 16, 32, 32))
    np.testing.assert_allclose(Predictor(Finder())(convert(image)).boxes, [[16, 16, 32, 32]])


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 2)])
def test_grey_images_get_three_equal_channels(shape):
    image = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    grey = image if image.ndim == 2 else image[..., 0]
    np.testing.assert_array_equal(as_rgb(image), np.stack([grey] * 3, axis=2))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4, 3), np.float32), "image 0 must be .* got float32; scale it to 0..255"),
        (np.zeros((4, 4, 3), np.uint16), "got uint16; divide it by 257"),
        (np.zeros((3, 40, 40), np.uint8), r"got shape \(3, 40, 40\); channels come last"),
        (np.zeros((1, 4, 4, 3), np.uint8), "give a batch as a list"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
        (np.zeros(7, np.uint8), r"got shape \(7,\)"),
        ("people.jpg", "got str; convert it"),
    ],
)
def test_what_is_no_image_is_refused_with_the_way_out(image, message):
    with pytest.raises(DataError, match=message):
        Predictor(Finder())(image)


def test_an_input_size_must_fit_the_stride():
    with pytest.raises(SettingsError, match="multiple of the stride 32; got 100; use 96"):
        Predictor(Finder(), imgsz=100)


def test_another_input_size_is_used():
    runtime = Finder()
    Predictor(runtime, imgsz=(32, 96))(_image(96, 96, (0, 0, 40, 40)))
    assert runtime.seen == [(1, 32, 32, 3)]


def test_a_file_of_fixed_size_refuses_another():
    with pytest.raises(SettingsError, match=r"imgsz must be \(64, 64\).*got \(96, 96\).*dynamic=True"):
        Predictor(Finder(dynamic=False), imgsz=96)


@pytest.mark.parametrize("options", [{"conf": 2.0}, {"iou": -1.0}, {"max_det": 0}, {"classes": [1]}])
def test_a_wrong_setting_is_refused_at_once(options):
    with pytest.raises(SettingsError, match=next(iter(options))):
        Predictor(Finder(), **options)


def test_a_card_that_disagrees_with_the_output_is_named():
    class Wrong(Finder):
        def __call__(self, images):
            return super().__call__(images)[:, :-1]

    with pytest.raises(CheckpointError, match=r"must be \(1, 14, A\).*got \(1, 13, 2\)"):
        Predictor(Wrong())(_image(64, 64, (0, 0, 9, 9)))


def test_another_contract_is_refused():
    with pytest.raises(CheckpointError, match="'raw'; got 'selected'"):
        Predictor(Finder(contract="selected"))


def test_a_runtime_is_described_by_itself_or_else_by_its_class():
    class Placed(Finder):
        runs_on = "stub, paper"

    assert (describe_runtime(Placed()), describe_runtime(Finder())) == ("stub, paper", "Finder")
