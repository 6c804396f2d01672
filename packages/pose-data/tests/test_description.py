import json
from pathlib import Path

import pytest
from pose_data import (
    COCO_PERSON,
    CocoSource,
    DrawnSource,
    ImageSource,
    SettingsError,
    read_data_settings,
)

BASE = "train: images\nnames: [mouse]\nkpt_shape: [3, 3]\n"
NAMED = BASE + "kpt_names: [nose, left_ear, right_ear]\n"
COCO_FLIP = "[0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]"


@pytest.fixture
def read(tmp_path: Path):
    def read(text: str):
        file = tmp_path / "data.yaml"
        file.write_text(text, encoding="utf-8")
        return read_data_settings(file)

    return read


def test_the_public_keys_make_a_skeleton(read):
    settings = read(NAMED + "flip_idx: [0, 2, 1]\nkpt_oks_sigmas: [0.1, 0.2, 0.2]\n")
    assert settings.names == ("mouse",)
    assert settings.keypoint_dims == 3
    assert settings.skeleton.names == ("nose", "left_ear", "right_ear")
    assert settings.skeleton.mirror == ((1, 2),)
    assert settings.skeleton.sigmas == (0.1, 0.2, 0.2)


def test_our_block_says_the_same_by_name(read):
    settings = read(
        "train: images\nnames: [mouse]\nskeleton:\n  names: [nose, left_ear, right_ear]\n"
        "  mirror: [[left_ear, right_ear]]\n  edges: [[nose, left_ear]]\n"
        "  sigmas: {nose: 0.1, left_ear: 0.2, right_ear: 0.2}\n"
    )
    assert settings.skeleton.mirror == ((1, 2),)
    assert settings.skeleton.edges == ((0, 1),)
    assert settings.skeleton.sigmas == (0.1, 0.2, 0.2)
    assert settings.keypoint_dims == 3


def test_pairs_follow_from_names_with_sides(read):
    assert read(NAMED).skeleton.mirror == ((1, 2),)


def test_points_without_names_are_numbered_and_have_no_mirror(read):
    skeleton = read(BASE).skeleton
    assert skeleton.names == ("point_0", "point_1", "point_2")
    assert skeleton.mirror is None
    assert skeleton.sigmas is None


def test_names_may_be_numbered(read):
    assert read(BASE.replace("[mouse]", "{1: rat, 0: mouse}")).names == ("mouse", "rat")


def test_keypoint_names_may_be_listed_by_class(read):
    settings = read(BASE + "kpt_names: {0: [nose, left_ear, right_ear]}\n")
    assert settings.skeleton.names == ("nose", "left_ear", "right_ear")


def test_seventeen_points_that_flip_as_in_coco_are_coco(read):
    settings = read(f"train: images\nnames: [person]\nkpt_shape: [17, 3]\nflip_idx: {COCO_FLIP}\n")
    assert settings.skeleton == COCO_PERSON


def test_other_sets_of_seventeen_points_have_no_sigmas(read):
    assert read("train: images\nnames: [person]\nkpt_shape: [17, 3]\n").skeleton.sigmas is None


def test_an_empty_flip_idx_says_nothing(read):
    assert read(BASE + "flip_idx: []\n").skeleton.mirror is None


def test_two_columns_a_point(read):
    assert read(BASE.replace("[3, 3]", "[3, 2]")).keypoint_dims == 2


def test_places_are_relative_to_the_yaml(read, tmp_path: Path):
    assert read(BASE).splits == {"train": ImageSource((tmp_path / "images",), tmp_path)}


def test_places_are_relative_to_path(read, tmp_path: Path):
    (tmp_path / "set").mkdir()
    settings = read("path: set\n" + BASE + "val: [a, b.txt]\n")
    assert settings.path == tmp_path / "set"
    assert settings.splits["val"] == ImageSource((tmp_path / "set/a", tmp_path / "set/b.txt"), tmp_path / "set")


def test_one_step_up_too_many_is_forgiven(read, tmp_path: Path):
    (tmp_path / "train" / "images").mkdir(parents=True)
    assert read(BASE.replace("images", "../train/images")).splits["train"].places == (tmp_path / "train" / "images",)


def test_a_coco_file_is_a_source(read, tmp_path: Path):
    settings = read(NAMED.replace("train: images", "train: {images: pictures, annotations: a.json}"))
    assert settings.splits["train"] == CocoSource(tmp_path / "pictures", tmp_path / "a.json")


def test_names_and_keypoints_come_from_the_coco_file(read, tmp_path: Path, coco_content):
    (tmp_path / "a.json").write_text(json.dumps(coco_content), encoding="utf-8")
    settings = read("train: {images: pictures, annotations: a.json}\n")
    assert settings.names == ("mouse",)
    assert settings.skeleton.names == ("nose", "left_ear", "right_ear")
    assert settings.skeleton.edges == ((0, 1), (0, 2))
    assert settings.skeleton.mirror == ((1, 2),)


def test_other_sites_keys_are_passed_over(read):
    assert read(BASE + "roboflow: {version: 3}\nlicense: MIT\n").names == ("mouse",)


def test_download_is_kept_as_text_and_nothing_else(read, tmp_path: Path):
    settings = read(BASE + "download: |\n  open('owned.txt', 'w').close()\n")
    assert settings.download == "open('owned.txt', 'w').close()\n"
    assert not (tmp_path / "owned.txt").exists()
    assert not Path("owned.txt").exists()


def test_people_need_no_file():
    settings = read_data_settings("people")
    assert settings.skeleton == COCO_PERSON
    assert isinstance(settings.splits["train"], DrawnSource)
    assert settings.splits["train"].seed != settings.splits["val"].seed


def test_a_folder_named_people_with_a_yaml_comes_before_the_drawn_ones(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("people").mkdir()
    assert isinstance(read_data_settings("people").splits["train"], DrawnSource)
    Path("people/data.yaml").write_text(BASE, encoding="utf-8")
    assert isinstance(read_data_settings("people").splits["train"], ImageSource)


def test_of_several_yaml_files_data_yaml_is_the_one(read, tmp_path: Path):
    read(BASE)
    (tmp_path / "coco.yaml").touch()
    assert read_data_settings(tmp_path).file == tmp_path / "data.yaml"


def test_a_folder_without_a_yaml_is_named(tmp_path: Path):
    with pytest.raises(SettingsError, match="must hold one YAML file; got none"):
        read_data_settings(tmp_path)


def test_a_folder_with_one_yaml_is_that_yaml(read, tmp_path: Path):
    read(BASE)
    assert read_data_settings(tmp_path).file == tmp_path / "data.yaml"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BASE + "epoch: 3\n", "no setting 'epoch'"),
        (BASE.replace("train", "trian"), "no setting 'trian'; did you mean 'train'?"),
        ("names: [mouse]\nkpt_shape: [3, 3]\n", "must name its images; add 'train: folder'"),
        ("train: images\nkpt_shape: [3, 3]\n", "must name its classes"),
        ("train: images\nnames: [mouse]\n", "must say how many keypoints there are; add 'kpt_shape: [K, 3]'"),
        (BASE.replace("[3, 3]", "[3, 4]"), "kpt_shape must be [K, 2] or [K, 3] with K at least 1; got [3, 4]"),
        (BASE.replace("[3, 3]", "3"), "kpt_shape must be a list of 2"),
        (BASE + "kpt_names: [a, b]\n", "kpt_shape must have one point per keypoint name, 2; got [3, 3]"),
        (BASE + "nc: 2\n", "nc must be the number of names, 1; got 2"),
        (BASE.replace("[mouse]", "{0: a, 2: b}"), "names must be numbered from 0 to 1; got [0, 2]"),
        (BASE + "flip_idx: [0, 1]\n", "flip_idx must have one index per keypoint, 3; got 2"),
        (BASE + "flip_idx: [0, 1, 3]\n", "flip_idx must hold indices from 0 to 2; got 3"),
        (BASE + "flip_idx: [1, 2, 0]\n", "flip_idx must be its own inverse"),
        (NAMED + "flip_idx: [0, 1, 2]\n", "'left_ear' has a side in its name but no mirror partner"),
        (BASE + "kpt_oks_sigmas: [0.1]\n", "sigmas must be 3 positive numbers; got 1"),
        (BASE + "channels: 1\n", "channels must be 3; got 1"),
        (BASE + "validation: a\nval: b\n", "must name its validation images once"),
        (BASE + "skeleton: [[1, 2]]\n", "skeleton must be a mapping"),
        (BASE + "skeleton: {mirors: []}\n", "skeleton: no setting 'mirors'; did you mean 'mirror'?"),
        (NAMED + "skeleton: {mirror: [[left_ear, right_eer]]}\n", "got 'right_eer'; did you mean 'right_ear'?"),
        (NAMED + "skeleton: {mirror: []}\nflip_idx: [0, 2, 1]\n", "mirror and flip_idx must agree"),
        (NAMED + "skeleton: {names: [a, b, c]}\n", "names and kpt_names must agree"),
        (NAMED + "skeleton: {sigmas: {nose: 1.0}}\n", "sigmas must have one number for each keypoint name; got none"),
        (NAMED + "skeleton: {sigmas: [1, 1, 1]}\nkpt_oks_sigmas: [2, 2, 2]\n", "sigmas and kpt_oks_sigmas must agree"),
        (BASE.replace("images", "{image: a}", 1), "train must have the keys 'images' (a folder) and 'annotations'"),
        (BASE + "kpt_names: {0: [a, b, c], 1: [d, e, f]}\n", "kpt_names must be the same list for every class"),
    ],
)
def test_what_is_wrong_is_said_with_the_file_and_the_key(read, tmp_path: Path, text: str, message: str):
    with pytest.raises(SettingsError) as caught:
        read(text)
    assert message in str(caught.value)
    assert str(tmp_path / "data.yaml") in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"none\.yaml: no such file"):
        read_data_settings(tmp_path / "none.yaml")
