"""Random changes of training images: where pixels go, labels go too."""

from dataclasses import fields, replace

import cv2
import numpy as np
import pytest
from pose_data import (
    AugmentSettings,
    DrawnPeople,
    PoseTargets,
    Sample,
    SettingsError,
    Skeleton,
    affine,
    augment,
    flip_left_right,
    flip_up_down,
    hsv,
    mixup,
    mosaic,
    shrink,
)

SKELETON = Skeleton(("nose", "left_hand", "right_hand"), mirror=((1, 2),))
STILL = {"degrees": 0.0, "translate": 0.0, "scale": 0.0, "shear": 0.0, "perspective": 0.0}
PLAIN = AugmentSettings(hsv_h=0, hsv_s=0, hsv_v=0, translate=0, scale=0, fliplr=0, mosaic=0)


def _targets(boxes, keypoints, visibility=None, areas=None, crowd=None):
    boxes = np.array(boxes, np.float32)
    count = len(boxes)
    return PoseTargets(
        boxes=boxes,
        labels=np.arange(count, dtype=np.int64),
        keypoints=np.array(keypoints, np.float32),
        visibility=np.array([[2, 1, 0]] * count if visibility is None else visibility, np.uint8),
        areas=np.array([50] * count if areas is None else areas, np.float32),
        crowd=np.array([False] * count if crowd is None else crowd),
    )


def _dot_image(height, width, points):
    """A black image with a bright square of each channel around one (x, y)."""
    image = np.zeros((height, width, 3), np.uint8)
    for channel, (x, y) in enumerate(points):
        image[y - 4 : y + 4, x - 4 : x + 4, channel] = 255
    return image


def _dot_centre(image, channel):
    rows, columns = np.nonzero(image[..., channel] > 127)
    return np.array([columns.mean() + 0.5, rows.mean() + 0.5])


def _one_person(height=80, width=100):
    points = [(30, 20), (70, 40), (50, 60)]
    targets = _targets([[20, 10, 80, 70]], [points], visibility=[[2, 2, 2]], areas=[1000])
    return _dot_image(height, width, points), targets


class _Memory:
    """A data set of samples that are in memory already."""

    names = ("person",)
    keypoint_dims = 3

    def __init__(self, samples, skeleton=SKELETON):
        self.samples, self.skeleton, self.read = samples, skeleton, []

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        self.read.append(index)
        return self.samples[index]

    def targets(self, index):
        return self.samples[index].targets


def _memory(count=4, **options):
    return _Memory([Sample(*_one_person(), name=str(i)) for i in range(count)], **options)


# affine


def test_an_affine_that_draws_nothing_centres_the_image():
    image, targets = _one_person()
    result, moved = affine(image, targets, size=120, generator=np.random.default_rng(0), **STILL)
    np.testing.assert_array_equal(result[20:100, 10:110], image)
    assert (result[:20] == 114).all()
    assert (result[:, :10] == 114).all()
    np.testing.assert_allclose(moved.boxes, np.add(targets.boxes, [10, 20, 10, 20]))
    np.testing.assert_allclose(moved.keypoints, np.add(targets.keypoints, [10, 20]))
    np.testing.assert_allclose(moved.areas, targets.areas)


@pytest.mark.parametrize(
    "change",
    [
        {"scale": 0.5, "translate": 0.1},
        {"degrees": 30.0},
        {"shear": 15.0, "scale": 0.3},
        {"perspective": 0.001, "degrees": 10.0},
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_keypoints_stay_on_their_pixels(change, seed):
    image, targets = _one_person()
    result, moved = affine(image, targets, size=160, generator=np.random.default_rng(seed), **{**STILL, **change})
    assert moved.visibility.tolist() == [[2, 2, 2]]
    for channel, point in enumerate(moved.keypoints[0]):
        np.testing.assert_allclose(_dot_centre(result, channel), point, atol=0.4)


def test_a_quarter_turn_turns_the_box_and_keeps_the_area():
    class Quarter:
        """Draws the upper end of every range."""

        def uniform(self, low, high, size=None):
            return high if size is None else np.full(size, high)

    image, targets = _one_person(height=100)
    _, moved = affine(image, targets, size=100, generator=Quarter(), **{**STILL, "degrees": 90.0})
    np.testing.assert_allclose(moved.boxes, [[10, 20, 70, 80]], atol=1e-4)  # (x, y) -> (y, 100 - x)
    np.testing.assert_allclose(moved.keypoints[0, 0], [20, 70], atol=1e-4)
    np.testing.assert_allclose(moved.areas, [1000], rtol=1e-5)


def test_areas_grow_with_the_square_of_the_scale():
    class Double:
        def uniform(self, low, high, size=None):
            return high if size is None else np.full(size, (low + high) / 2)

    image, targets = _one_person()
    _, moved = affine(image, targets, size=200, generator=Double(), **{**STILL, "scale": 0.5})
    np.testing.assert_allclose(moved.areas, [1000 * 1.5**2], rtol=1e-3)
    np.testing.assert_allclose(moved.boxes[0, 2:] - moved.boxes[0, :2], [90, 90], atol=0.01)


def _cropped(targets, size=50):
    """Cut the middle `size` pixels out of an image of 100 x 100."""
    image = np.zeros((100, 100, 3), np.uint8)
    return affine(image, targets, size=size, generator=np.random.default_rng(0), **STILL)[1]


def test_a_point_that_leaves_the_image_is_no_longer_labelled():
    targets = _targets([[0, 30, 60, 70]], [[[10, 50], [40, 50], [60, 50]]], visibility=[[2, 1, 0]])
    moved = _cropped(targets)
    assert moved.visibility.tolist() == [[0, 1, 0]]
    np.testing.assert_allclose(moved.keypoints, [[[0, 25], [15, 25], [35, 25]]])


def test_a_box_is_cut_at_the_border_and_its_area_by_the_same_share():
    moved = _cropped(_targets([[0, 30, 50, 70]], [np.zeros((3, 2))], areas=[1000]))
    np.testing.assert_allclose(moved.boxes, [[0, 5, 25, 45]])
    np.testing.assert_allclose(moved.areas, [500])


@pytest.mark.parametrize(
    ("box", "kept"),
    [
        ([15, 30, 35, 70], True),  # half of it is left
        ([0, 30, 27, 70], False),  # 2 of 27 pixels are left: a share of 0.07
        ([23, 30, 27, 70], False),  # half is left, but only 2 pixels wide
        ([22, 30, 28, 70], True),  # 3 pixels wide
        ([0, 0, 20, 20], False),  # all of it outside
        ([40, 40, 40, 60], False),  # never had a width
    ],
)
def test_what_is_left_of_a_box_must_be_worth_it(box, kept):
    assert len(_cropped(_targets([box], [np.zeros((3, 2))]))) == kept


def test_a_splinter_is_dropped():
    image = np.zeros((400, 400, 3), np.uint8)
    targets = _targets([[10, 10, 13, 320], [10, 10, 13, 300]], np.zeros((2, 3, 2)))
    moved = affine(image, targets, size=400, generator=np.random.default_rng(0), **STILL)[1]
    assert moved.labels.tolist() == [1]  # 310 : 3 is longer than 100 : 1


def test_a_person_without_visible_points_may_keep_its_box():
    moved = _cropped(_targets([[15, 30, 60, 70]], [[[0, 0], [0, 0], [99, 99]]], visibility=[[2, 2, 2]]))
    assert moved.visibility.tolist() == [[0, 0, 0]]


def test_a_crowd_stays_a_crowd():
    moved = _cropped(_targets([[30, 30, 70, 70]] * 2, np.full((2, 3, 2), 50), crowd=[True, False]))
    assert moved.crowd.tolist() == [True, False]


def test_an_image_with_nobody_stays_one():
    assert _cropped(PoseTargets.empty(3)).keypoints.shape == (0, 3, 2)


def test_the_arguments_are_left_as_they_were():
    image, targets = _one_person()
    before = image.copy(), targets.boxes.copy(), targets.keypoints.copy(), targets.visibility.copy()
    affine(image, targets, size=30, generator=np.random.default_rng(0), **{**STILL, "scale": 0.5})
    flip_left_right(image, targets, skeleton=SKELETON)
    hsv(image, hue=0.1, saturation=0.5, value=0.5, generator=np.random.default_rng(0))
    for old, new in zip(before, (image, targets.boxes, targets.keypoints, targets.visibility), strict=True):
        np.testing.assert_array_equal(old, new)


# mosaic


def test_a_mosaic_holds_four_images_around_its_centre():
    images = [np.full((40, 40, 3), value, np.uint8) for value in (10, 20, 30, 40)]
    nobody = PoseTargets.empty(3)
    canvas, _ = mosaic([(image, nobody) for image in images], 40, generator=np.random.default_rng(1))
    x, y = np.random.default_rng(1).uniform(20, 60, 2).round().astype(int)
    assert canvas.shape == (80, 80, 3)
    assert canvas[y - 1, x - 1, 0] == 10
    assert canvas[y - 1, x, 0] == 20
    assert canvas[y, x - 1, 0] == 30
    assert canvas[y, x, 0] == 40
    assert set(np.unique(canvas)) <= {10, 20, 30, 40, 114}


@pytest.mark.parametrize("seed", range(8))
def test_the_people_of_a_mosaic_are_where_they_are_seen(seed):
    points = [(10, 10), (30, 12), (20, 30)]
    targets = _targets([[5, 5, 35, 35]], [points], visibility=[[2, 2, 2]])
    samples = [(_dot_image(40, 40, points), targets)] * 4
    canvas, moved = mosaic(samples, 40, generator=np.random.default_rng(seed))
    for box, keypoints, visibility in zip(moved.boxes, moved.keypoints, moved.visibility, strict=True):
        assert (box >= 0).all() and (box <= 80).all()
        for channel, ((x, y), seen) in enumerate(zip(keypoints, visibility, strict=True)):
            if seen:
                assert canvas[min(int(y), 79), min(int(x), 79), channel] == 255


def test_images_of_any_shape_fit_a_mosaic():
    shapes = [(10, 80), (80, 10), (300, 200), (33, 47)]
    samples = [(np.zeros((*shape, 3), np.uint8), PoseTargets.empty(3)) for shape in shapes]
    canvas, moved = mosaic(samples, 64, generator=np.random.default_rng(0))
    assert canvas.shape == (128, 128, 3)
    assert len(moved) == 0


def test_a_mosaic_needs_four_images():
    with pytest.raises(ValueError, match="must have 4 images; got 1"):
        mosaic([_one_person()], 40, generator=np.random.default_rng(0))


@pytest.mark.parametrize("settings", [replace(PLAIN, mosaic=1, scale=0.5), replace(PLAIN, mosaic=1, degrees=20)])
def test_a_mosaic_drawn_at_once_is_the_canvas_drawn_through_the_matrix(settings):
    rng = np.random.default_rng(0)
    smooth = [cv2.resize(rng.integers(0, 255, (4, 4, 3), np.uint8), (96, 96)) for _ in range(4)]
    box = _targets([[10, 10, 90, 90]], [[[20, 20], [50, 50], [80, 80]]], visibility=[[2, 2, 2]])
    data = _Memory([Sample(image, box, name="") for image in smooth])
    result, targets = augment(
        0, data, size=96, settings=settings, generator=np.random.default_rng(5), partners=[1, 2, 3]
    )
    twin = np.random.default_rng(5)
    twin.random()  # whether to make a mosaic
    samples = [(smooth[i], box) for i in (0, *(1 + int(place) for place in twin.choice(3, 3, replace=False)))]
    canvas, canvas_targets = mosaic(samples, 96, generator=twin)
    options = {name: getattr(settings, name) for name in STILL}
    expected, expected_targets = affine(canvas, canvas_targets, size=96, generator=twin, **options)
    different = np.abs(result.astype(int) - expected).max(axis=2) > 12
    assert different.mean() < 0.06  # only along the seams
    assert abs(len(targets) - len(expected_targets)) <= 1


# shrink


def test_a_large_image_is_shrunk_to_its_longest_side():
    image, targets = shrink(np.zeros((300, 400, 3), np.uint8), _targets([[0, 0, 400, 300]], np.zeros((1, 3, 2))), 200)
    assert image.shape == (150, 200, 3)
    np.testing.assert_allclose(targets.boxes, [[0, 0, 200, 150]])


def test_a_small_image_is_not_enlarged():
    image, targets = _one_person()
    assert shrink(image, targets, 640)[0] is image


# colours


def test_grey_stays_grey_whatever_the_hue():
    image = np.full((2, 2, 3), 90, np.uint8)
    result = hsv(image, hue=0.5, saturation=0.9, value=0, generator=np.random.default_rng(0))
    np.testing.assert_array_equal(result, image)


def test_a_third_of_the_circle_turns_red_into_green():
    class High:
        def uniform(self, low, high, size):
            return np.full(size, high)

    red = np.full((1, 1, 3), (255, 0, 0), np.uint8)
    turned = hsv(red, hue=1 / 3, saturation=0, value=0, generator=High())
    np.testing.assert_allclose(turned[0, 0], (0, 255, 0), atol=6)


def test_brightness_is_multiplied_and_saturates():
    class High:
        def uniform(self, low, high, size):
            return np.full(size, high)

    grey = np.array([[[100] * 3, [200] * 3]], np.uint8)
    result = hsv(grey, hue=0, saturation=0, value=0.5, generator=High())
    np.testing.assert_array_equal(result[0, :, 0], [150, 255])


def test_a_negative_turn_of_the_hue_wraps_around():
    class Low:
        def uniform(self, low, high, size):
            return np.full(size, low)

    red = np.full((1, 1, 3), (255, 0, 0), np.uint8)
    turned = hsv(red, hue=1 / 3, saturation=0, value=0, generator=Low())
    np.testing.assert_allclose(turned[0, 0], (0, 0, 255), atol=6)


# mirrors


def test_a_left_right_flip_trades_the_hands():
    image, targets = _one_person()
    result, moved = flip_left_right(image, targets, skeleton=SKELETON)
    np.testing.assert_array_equal(result, image[:, ::-1])
    np.testing.assert_allclose(moved.keypoints, [[[70, 20], [50, 60], [30, 40]]])
    np.testing.assert_allclose(moved.boxes, [[20, 10, 80, 70]])


def test_an_up_down_flip_trades_the_hands_too():
    image, targets = _one_person()
    result, moved = flip_up_down(image, targets, skeleton=SKELETON)
    np.testing.assert_array_equal(result, image[::-1])
    np.testing.assert_allclose(moved.keypoints, [[[30, 60], [50, 20], [70, 40]]])


def test_visibility_goes_with_its_point():
    targets = _targets([[0, 0, 10, 10]], np.zeros((1, 3, 2)), visibility=[[0, 1, 2]])
    moved = flip_left_right(np.zeros((20, 20, 3), np.uint8), targets, skeleton=SKELETON)[1]
    assert moved.visibility.tolist() == [[0, 2, 1]]


def test_flipping_twice_changes_nothing():
    image, targets = _one_person()
    back, same = flip_left_right(*flip_left_right(image, targets, skeleton=SKELETON), skeleton=SKELETON)
    np.testing.assert_array_equal(back, image)
    np.testing.assert_array_equal(same.keypoints, targets.keypoints)
    np.testing.assert_array_equal(same.boxes, targets.boxes)


def test_a_skeleton_that_says_nothing_of_mirrors_cannot_be_flipped():
    image, targets = _one_person()
    with pytest.raises(SettingsError, match=r"flip_idx.*fliplr=0 flipud=0"):
        flip_left_right(image, targets, skeleton=Skeleton(("a", "b", "c")))


# mixup


def test_mixup_blends_the_pixels_and_keeps_everybody():
    image, targets = _one_person()
    other = np.full_like(image, 100), _targets([[0, 0, 9, 9]], np.zeros((1, 3, 2)))
    blended, people = mixup((np.zeros_like(image), targets), other, generator=np.random.default_rng(0))
    assert len(people) == 2
    assert blended.min() == blended.max()
    assert 25 <= blended[0, 0, 0] <= 75


# all of it


def test_equal_generators_make_equal_images():
    settings = AugmentSettings(degrees=10, mixup=1.0)
    first, people = augment(1, _memory(), size=64, settings=settings, generator=np.random.default_rng(3))
    second, same = augment(1, _memory(), size=64, settings=settings, generator=np.random.default_rng(3))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(people.keypoints, same.keypoints)
    assert first.shape == (64, 64, 3)
    assert first.dtype == np.uint8
    assert first.flags.c_contiguous


def test_without_mosaic_one_image_is_read():
    data = _memory()
    settings = AugmentSettings(mixup=1.0)
    augment(2, data, size=64, settings=settings, generator=np.random.default_rng(0), use_mosaic=False)
    assert data.read == [2]


def test_a_mosaic_begins_with_the_image_asked_for():
    data = _memory(9)
    augment(7, data, size=64, settings=AugmentSettings(), generator=np.random.default_rng(0), partners=[3])
    assert data.read == [7, 3, 3, 3]


def test_the_others_of_a_mosaic_are_each_another_where_there_are_enough():
    for seed in range(20):
        data = _memory(9)
        settings, generator = AugmentSettings(), np.random.default_rng(seed)
        augment(7, data, size=64, settings=settings, generator=generator, partners=[1, 3, 4])
        assert sorted(data.read) == [1, 3, 4, 7]


def test_a_plain_image_fills_the_square_with_its_longest_side():
    image, people = augment(0, _memory(), size=200, settings=PLAIN, generator=np.random.default_rng(0))
    assert (image[:20] == 114).all()
    assert (image[21:179, :, 0] != 114).all()
    np.testing.assert_allclose(people.boxes, [[40, 40, 160, 160]], atol=0.01)


def test_colours_alone_leave_the_people_where_they_are():
    settings = replace(PLAIN, hsv_v=0.4)
    _, people = augment(0, _memory(), size=100, settings=settings, generator=np.random.default_rng(0))
    np.testing.assert_allclose(people.boxes, [[20, 20, 80, 80]], atol=1e-3)


def test_a_flip_without_mirror_pairs_is_refused_before_anything_is_read():
    data = _memory(skeleton=Skeleton(("a", "b", "c")))
    with pytest.raises(SettingsError, match="fliplr=0 flipud=0"):
        augment(0, data, size=64, settings=AugmentSettings(), generator=np.random.default_rng(0))
    assert data.read == []


def test_without_flips_no_mirror_pairs_are_needed():
    data = _memory(skeleton=Skeleton(("a", "b", "c")))
    image, _ = augment(0, data, size=64, settings=AugmentSettings(fliplr=0), generator=np.random.default_rng(0))
    assert image.shape == (64, 64, 3)


@pytest.mark.parametrize(
    "settings",
    [
        AugmentSettings(scale=0.9, translate=0.5),
        AugmentSettings(degrees=180, shear=20, perspective=0.001, scale=0.9, flipud=0.5),
        AugmentSettings(mixup=1, mosaic=0.5),
    ],
)
def test_whatever_is_drawn_labels_stay_inside_the_image(settings):
    generator, data = np.random.default_rng(0), _memory()
    for index in range(60):
        _, people = augment(index % 4, data, size=48, settings=settings, generator=generator)
        assert np.isfinite(people.keypoints).all()
        assert (people.boxes >= 0).all() and (people.boxes <= 48).all()
        assert (people.keypoints >= 0).all() and (people.keypoints <= 48).all()
        assert (people.boxes[:, 2:] - people.boxes[:, :2] > 2).all()
        assert (people.areas > 0).all()


def test_the_defaults_are_the_published_ones():
    assert AugmentSettings() == AugmentSettings(0.015, 0.7, 0.4, 0.0, 0.1, 0.5, 0.0, 0.0, 0.0, 0.5, 1.0, 0.0)


def test_a_setting_out_of_range_is_named():
    with pytest.raises(SettingsError, match=r"mosaic must be from 0 to 1; got 1.5"):
        AugmentSettings(mosaic=1.5)


@pytest.mark.parametrize("setting", fields(AugmentSettings), ids=lambda setting: setting.name)
def test_every_setting_changes_what_is_seen(setting):
    plain, people = replace(PLAIN, **{setting.name: 0.0}), DrawnPeople(4, size=64)
    changed = replace(plain, **{setting.name: setting.metadata["max"]})
    one, other = (
        [augment(i, people, size=64, settings=settings, generator=np.random.default_rng(i))[0] for i in range(4)]
        for settings in (plain, changed)
    )
    assert not np.array_equal(one, other)
