import json
from pathlib import Path

import numpy as np
import pytest
from pose_data import (
    DataError,
    PoseError,
    SettingsError,
    convert_to_coco,
    convert_to_yolo,
    open_dataset,
    read_data_settings,
)


@pytest.fixture
def coco_settings(tmp_path: Path, write_image, coco_content):
    source = tmp_path / "source"
    for seed, name in enumerate(("a.png", "b.png")):
        write_image(source / "pictures" / name, seed=seed)
    (source / "a.json").write_text(json.dumps(coco_content), encoding="utf-8")
    (source / "data.yaml").write_text(
        "train: {images: pictures, annotations: a.json}\nkpt_oks_sigmas: [0.1, 0.2, 0.2]\n", encoding="utf-8"
    )
    return read_data_settings(source / "data.yaml")


def test_a_coco_file_becomes_label_files(coco_settings, tmp_path: Path):
    done = convert_to_yolo(coco_settings, tmp_path / "out")
    assert (done.images, done.objects) == (2, 1)
    label = (tmp_path / "out/labels/train/a.txt").read_text(encoding="utf-8")
    assert label == "0 0.3125 0.375 0.375 0.5 0.15 0.2 2 0.25625 0.25 1 0 0 0\n"
    assert (tmp_path / "out/labels/train/b.txt").read_text(encoding="utf-8") == ""


def test_what_label_files_can_not_hold_is_counted(coco_settings, tmp_path: Path):
    done = convert_to_yolo(coco_settings, tmp_path / "out")
    assert done.notes == ("1 crowds were left out", "1 areas of objects were dropped")


def test_the_new_data_set_is_the_old_one(coco_settings, tmp_path: Path):
    done = convert_to_yolo(coco_settings, tmp_path / "out")
    settings = read_data_settings(done.file)
    assert settings.names == coco_settings.names
    assert settings.skeleton == coco_settings.skeleton
    old, new = open_dataset(coco_settings, "train"), open_dataset(settings, "train")
    assert np.array_equal(new.targets(0).keypoints, old.targets(0).keypoints[:1])
    assert np.array_equal(new.targets(0).visibility, old.targets(0).visibility[:1])
    assert new.targets(0).boxes == pytest.approx(old.targets(0).boxes[:1], rel=1e-6)
    assert np.array_equal(new[0].image, old[0].image)


def test_points_outside_the_image_become_unlabelled(coco_settings, coco_content, tmp_path: Path):
    coco_content["annotations"][0]["keypoints"][0] = -5
    (tmp_path / "source/a.json").write_text(json.dumps(coco_content), encoding="utf-8")
    done = convert_to_yolo(coco_settings, tmp_path / "out")
    assert "1 keypoints outside their image became unlabelled" in done.notes
    assert open_dataset(read_data_settings(done.file), "train").targets(0).visibility.tolist() == [[0, 1, 0]]


@pytest.mark.parametrize(
    ("bbox", "note"),
    [
        ([60, 5, 30, 20], "1 boxes were cut at the border of their image"),
        ([100, 5, 30, 20], "1 objects outside their image were left out"),
    ],
)
def test_boxes_end_at_the_border(coco_settings, coco_content, tmp_path: Path, bbox: list[int], note: str):
    coco_content["annotations"][0]["bbox"] = bbox
    (tmp_path / "source/a.json").write_text(json.dumps(coco_content), encoding="utf-8")
    assert note in convert_to_yolo(coco_settings, tmp_path / "out").notes


def test_images_can_be_links(coco_settings, tmp_path: Path):
    done = convert_to_yolo(coco_settings, tmp_path / "out", images="link")
    assert (tmp_path / "out/images/train/a.png").is_symlink()
    assert len(open_dataset(read_data_settings(done.file), "train")) == 2


def test_label_files_become_a_coco_file_and_back(write_dataset, row: str, tmp_path: Path):
    settings = read_data_settings(
        write_dataset({"train/a": row, "train/b": "", "val/c": f"{row}\n{row[:-5]}0.1 0.2 2"})
    )
    coco = convert_to_coco(settings, tmp_path / "coco")
    back = convert_to_yolo(read_data_settings(coco.file), tmp_path / "back")
    assert (coco.images, coco.objects) == (back.images, back.objects) == (3, 3)
    for name in ("train/a", "train/b", "val/c"):
        old = (tmp_path / f"labels/{name}.txt").read_text(encoding="utf-8").split()
        new = (tmp_path / f"back/labels/{name}.txt").read_text(encoding="utf-8").split()
        assert [float(v) for v in new] == pytest.approx([float(v) for v in old], rel=1e-6)


def test_made_up_areas_are_counted(write_dataset, row: str, tmp_path: Path):
    settings = read_data_settings(write_dataset({"train/a": row, "val/b": row}))
    done = convert_to_coco(settings, tmp_path / "coco")
    assert done.notes == ("2 areas were taken from the boxes, as label files hold none",)


def test_the_skeleton_survives_the_way_to_coco(write_dataset, row: str, tmp_path: Path):
    settings = read_data_settings(write_dataset({"train/a": row, "val/b": row}))
    done = convert_to_coco(settings, tmp_path / "coco")
    assert read_data_settings(done.file).skeleton == settings.skeleton


def test_a_folder_with_files_is_left_alone(coco_settings, tmp_path: Path):
    with pytest.raises(PoseError, match="must be a new or empty folder"):
        convert_to_yolo(coco_settings, tmp_path / "source")


def test_two_images_with_one_label_file_are_refused(coco_settings, coco_content, tmp_path: Path, write_image):
    write_image(tmp_path / "source/pictures/a.bmp", seed=5)
    coco_content["images"][1]["file_name"] = "a.bmp"
    (tmp_path / "source/a.json").write_text(json.dumps(coco_content), encoding="utf-8")
    with pytest.raises(DataError, match=r"images must differ in more than their suffix.*a\.png and a\.bmp"):
        convert_to_yolo(coco_settings, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_drawn_people_have_no_files_to_convert(tmp_path: Path):
    with pytest.raises(SettingsError, match="must be a data set of files"):
        convert_to_yolo(read_data_settings("people"), tmp_path / "out")
