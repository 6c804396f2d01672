"""Drawn people: the same for everybody, and what is said of them is what was painted."""

import time
from pathlib import Path

import numpy as np
import pytest
from pose_data import (
    COCO_PERSON,
    DrawnPeople,
    LabelForm,
    PoseError,
    SettingsError,
    open_dataset,
    read_data_settings,
    read_image,
    read_labels,
    write_image,
    write_people,
)
from pose_data.datasets import people_pose
from pose_data.datasets.people_looks import NUM_DRAWS as LOOKS_DRAWS
from pose_data.datasets.people_looks import make_looks
from pose_data.datasets.people_parts import make_figures
from pose_data.datasets.people_pose import make_bodies, place
from pose_data.datasets.people_scene import Scene, paint_ids, read_targets

NAMES = COCO_PERSON.names
FRONT, BACK, FROM_ITS_RIGHT, FROM_ITS_LEFT = 0.05, 0.35, 0.55, 0.65  # draws that choose the view


def standing(view: float, *, places: tuple[float, ...] = (100.0,), objects: tuple[np.ndarray, ...] = ()) -> Scene:
    """People of 160 pixels that stand upright in the middle of 200 x 200, the last in front."""
    draws = np.full((len(places), people_pose.NUM_DRAWS), 0.5)
    draws[:, 0] = 0.0  # posture: stand
    draws[:, 20], draws[:, 21] = view, 0.9
    bodies = make_bodies(draws)
    shifts = np.array([[x, 100.0] for x in places])
    bodies = place(bodies, heights=np.full(len(places), 160.0), shifts=shifts)
    figures = make_figures(bodies, make_looks(np.full((len(places), LOOKS_DRAWS), 0.6)))
    events = [*range(len(places)), *(-1 - number for number in range(len(objects)))]
    return Scene(figures, list(objects), events, 200, 200)


def visibility_of(scene: Scene, person: int = 0) -> dict[str, int]:
    targets = read_targets(scene, paint_ids(scene))
    return dict(zip(NAMES, targets.visibility[person].tolist(), strict=True))


def box_outline(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.int32) * 16


def test_an_image_depends_on_seed_and_index_alone() -> None:
    short, long = DrawnPeople(5, size=96, seed=3), DrawnPeople(50, size=96, seed=3)
    backwards = [long[i] for i in reversed(range(5))][::-1]
    for i, other in enumerate(backwards):
        sample = short[i]
        assert (sample.image == other.image).all()
        assert (sample.targets.keypoints == other.targets.keypoints).all()


def test_drawings_stay_as_they_were_when_weights_were_trained_on_them() -> None:
    people = DrawnPeople(3, seed=0)
    areas = [people.targets(i).areas.tolist() for i in range(3)]
    assert areas == [[483, 6920, 2128], [1025, 851, 3250, 3705, 1958], [12772]]


def test_other_seeds_give_other_people() -> None:
    assert (DrawnPeople(1, seed=0)[0].image != DrawnPeople(1, seed=1)[0].image).any()


def test_labels_alone_are_those_of_the_image() -> None:
    people = DrawnPeople(12, size=128, seed=5)
    for i in range(len(people)):
        full, alone = people[i].targets, people.targets(i)
        for field in ("boxes", "keypoints", "visibility", "areas", "labels", "crowd"):
            assert np.array_equal(getattr(full, field), getattr(alone, field))


def test_shapes_and_types_are_those_of_samples() -> None:
    people = DrawnPeople(2, size=(96, 160))
    sample = people[1]
    count = len(sample.targets)
    assert sample.image.shape == (96, 160, 3) and sample.image.dtype == np.uint8
    assert sample.targets.keypoints.shape == (count, 17, 2) and sample.targets.keypoints.dtype == np.float32
    assert sample.targets.visibility.dtype == np.uint8 and sample.targets.areas.dtype == np.float32
    assert (people.names, people.skeleton, people.keypoint_dims) == (("person",), COCO_PERSON, 3)


def test_some_images_are_empty_and_some_hold_many() -> None:
    people = DrawnPeople(150, size=96)
    counts = [len(people.targets(i)) for i in range(len(people))]
    assert min(counts) == 0 and max(counts) >= 5


def test_boxes_and_areas_are_those_of_the_persons_own_pixels() -> None:
    scene = standing(FRONT, places=(80.0, 110.0))
    ids = paint_ids(scene)
    targets = read_targets(scene, ids)
    for person in range(2):
        rows, columns = np.nonzero(ids // 32 == person + 1)
        assert targets.areas[person] == len(rows)
        assert targets.boxes[person].tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def test_points_outside_the_image_are_not_labelled_and_all_others_lie_inside() -> None:
    people = DrawnPeople(60, size=96, seed=2)
    for i in range(len(people)):
        targets = people.targets(i)
        outside = targets.visibility == 0
        assert (targets.keypoints[outside] == 0).all()
        assert ((targets.keypoints >= 0) & (targets.keypoints < 96)).all()


def test_visible_points_lie_in_the_persons_box() -> None:
    people = DrawnPeople(60, size=96, seed=4)
    for i in range(len(people)):
        targets = people.targets(i)
        low, high = targets.boxes[:, None, :2], targets.boxes[:, None, 2:]
        inside = ((targets.keypoints >= low) & (targets.keypoints <= high)).all(axis=-1)
        assert inside[targets.visibility == 2].all()


def test_from_the_front_the_left_hand_is_on_the_right_of_the_image() -> None:
    scene = standing(FRONT)
    points = read_targets(scene, paint_ids(scene)).keypoints[0]
    for part in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
        assert points[NAMES.index(f"left_{part}"), 0] > points[NAMES.index(f"right_{part}"), 0]


def test_from_the_back_the_left_hand_is_on_the_left_of_the_image() -> None:
    scene = standing(BACK)
    points = read_targets(scene, paint_ids(scene)).keypoints[0]
    for part in ("ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
        assert points[NAMES.index(f"left_{part}"), 0] < points[NAMES.index(f"right_{part}"), 0]


def test_the_face_is_seen_from_the_front_and_not_from_the_back() -> None:
    face = ("nose", "left_eye", "right_eye")
    assert [visibility_of(standing(FRONT))[name] for name in face] == [2, 2, 2]
    assert [visibility_of(standing(BACK))[name] for name in face] == [1, 1, 1]


def test_shoulders_are_seen_from_the_back_as_well() -> None:
    seen = visibility_of(standing(BACK))
    assert seen["left_shoulder"] == seen["right_shoulder"] == 2


@pytest.mark.parametrize(("view", "near", "far"), [(FROM_ITS_RIGHT, "right", "left"), (FROM_ITS_LEFT, "left", "right")])
def test_from_a_side_the_far_shoulder_and_ear_are_hidden(view: float, near: str, far: str) -> None:
    seen = visibility_of(standing(view))
    for part in ("shoulder", "ear", "hip"):
        assert seen[f"{near}_{part}"] == 2
        assert seen[f"{far}_{part}"] == 1


def test_a_thing_in_front_hides_what_is_behind_it_and_nothing_else() -> None:
    scene = standing(FRONT)
    points = read_targets(scene, paint_ids(scene)).keypoints[0]
    x, y = points[NAMES.index("left_knee")].astype(int).tolist()
    seen = visibility_of(standing(FRONT, objects=(box_outline(x - 6, y - 6, x + 6, y + 6),)))
    assert seen["left_knee"] == 1
    assert seen["right_knee"] == seen["left_ankle"] == seen["left_hip"] == 2


def test_a_person_in_front_hides_the_one_behind() -> None:
    scene = standing(FRONT, places=(100.0, 103.0))
    behind, before = visibility_of(scene, 0), visibility_of(scene, 1)
    assert behind["nose"] == behind["left_hip"] == 1
    assert before["nose"] == before["left_hip"] == 2


def test_somebody_who_cannot_be_seen_is_left_out() -> None:
    scene = standing(FRONT, objects=(box_outline(0, 0, 199, 199),))
    assert len(read_targets(scene, paint_ids(scene))) == 0


def test_joints_of_a_limb_keep_its_length() -> None:
    draws = np.random.default_rng(0).random((50, people_pose.NUM_DRAWS))
    points = make_bodies(draws).keypoints
    for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle")):
        for side in ("left", "right"):
            limb = points[:, NAMES.index(f"{side}_{a}")] - points[:, NAMES.index(f"{side}_{b}")]
            lengths = np.linalg.norm(limb, axis=1)
            np.testing.assert_allclose(lengths, lengths[0], rtol=1e-9)


@pytest.mark.parametrize(("count", "size", "seed"), [(-1, 320, 0), (1, 16, 0), (1, 320, -1)])
def test_impossible_wishes_are_refused(count: int, size: int, seed: int) -> None:
    with pytest.raises(SettingsError, match="drawn people"):
        DrawnPeople(count, size=size, seed=seed)


def test_an_index_past_the_end_is_an_index_error() -> None:
    with pytest.raises(IndexError, match="from 0 to 1; got 2"):
        DrawnPeople(2)[2]


def test_drawing_is_fast() -> None:
    people = DrawnPeople(40)
    people[0]
    start = time.process_time()
    for i in range(40):
        people[i]
    assert 40 / (time.process_time() - start) > 15  # a tenth of what a free core does


def test_a_written_data_set_reads_back(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    file = write_people(
        tmp_path / "people", train=3, val=2, size=96, seed=1, progress=lambda done, total: seen.append((done, total))
    )
    settings = read_data_settings(file)
    assert settings.skeleton == COCO_PERSON and settings.names == ("person",) and settings.keypoint_dims == 3
    assert seen == [(i, 5) for i in range(1, 6)]
    written, drawn = open_dataset(settings, "val", cache_dir=tmp_path / "cache"), DrawnPeople(2, size=96, seed=3)
    for i in range(2):
        read, truth = written.targets(i), drawn.targets(i)
        np.testing.assert_array_equal(read.visibility, truth.visibility)
        np.testing.assert_allclose(read.keypoints, truth.keypoints, atol=0.01)
        np.testing.assert_allclose(read.boxes, truth.boxes, atol=0.01)
        assert np.abs(written[i].image.astype(int) - drawn[i].image).mean() < 8  # JPEG


def test_the_written_coco_files_hold_the_true_areas(tmp_path: Path) -> None:
    write_people(tmp_path / "people", train=3, val=1, size=96)
    settings = read_data_settings(tmp_path / "people" / "coco.yaml")
    written, drawn = open_dataset(settings, "train", cache_dir=tmp_path / "cache"), DrawnPeople(3, size=96, seed=0)
    for i in range(3):
        np.testing.assert_allclose(written.targets(i).areas, drawn.targets(i).areas)


def test_label_text_has_a_row_for_each_person(tmp_path: Path) -> None:
    write_people(tmp_path / "people", train=1, val=1, size=96)
    image = read_image(tmp_path / "people" / "images" / "train" / "000000.jpg")
    form = LabelForm(num_classes=1, num_keypoints=17, keypoint_dims=3)
    read = read_labels(tmp_path / "people" / "labels" / "train" / "000000.txt", form, size=image.shape[:2])
    assert len(read) == len(DrawnPeople(1, size=96).targets(0)) > 0


def test_a_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(PoseError, match="must be a new or empty folder"):
        write_people(tmp_path, train=1, val=1, size=96)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_nothing_is_left_behind_when_writing_is_interrupted(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_people(tmp_path / "people", train=2, val=1, size=96, progress=stop)
    assert not list(tmp_path.iterdir())


def test_a_split_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="at least 1 image each; got 0 and 1"):
        write_people(tmp_path / "people", train=0, val=1)


def test_an_image_reads_back_as_it_was_written(tmp_path: Path) -> None:
    image = DrawnPeople(1, size=64)[0].image
    write_image(tmp_path / "one.png", image)
    assert (read_image(tmp_path / "one.png") == image).all()


def test_an_unknown_image_format_is_named(tmp_path: Path) -> None:
    with pytest.raises(PoseError, match=r"must end in .jpg, .png or .webp; got '.xyz'"):
        write_image(tmp_path / "one.xyz", np.zeros((4, 4, 3), np.uint8))
    assert not list(tmp_path.iterdir())
