import json
import logging
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pose_data import DataError, SettingsError, open_dataset, read_data_settings, read_image
from pose_data.datasets.index import describe_label_place, label_paths

SHARED = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"
COCO_YAML = "train: {images: images, annotations: a.json}\nkpt_oks_sigmas: [0.1, 0.1, 0.1]\n"


@pytest.fixture
def coco_dataset(tmp_path: Path, write_image, coco_content):
    def write(**sizes: dict[str, int]):
        for seed, name in enumerate(("a.png", "b.png")):
            write_image(tmp_path / "images" / name, seed=seed, **sizes.get(name[0], {}))
        (tmp_path / "a.json").write_text(json.dumps(coco_content), encoding="utf-8")
        (tmp_path / "data.yaml").write_text(COCO_YAML, encoding="utf-8")
        return read_data_settings(tmp_path / "data.yaml")

    return write


def test_images_and_labels_come_together(write_dataset, tmp_path: Path):
    dataset = open_dataset(read_data_settings(write_dataset()), "train")
    assert len(dataset) == 3
    sample = dataset[0]
    assert sample.name == "a.png"
    assert np.array_equal(sample.image, read_image(tmp_path / "images/train/a.png"))
    assert sample.targets.boxes == pytest.approx(np.array([[24, 12, 56, 28]]))
    assert sample.targets.visibility.tolist() == [[2, 1, 0]]


def test_empty_and_missing_labels_are_background(write_dataset):
    dataset = open_dataset(read_data_settings(write_dataset()), "train")
    assert [len(dataset.targets(i)) for i in range(3)] == [1, 0, 0]
    assert dataset[2].targets.keypoints.shape == (0, 3, 2)


def test_sizes_and_paths_are_known_without_pixels(write_dataset, tmp_path: Path):
    dataset = open_dataset(read_data_settings(write_dataset()), "val")
    assert dataset.size(0) == (40, 80)
    assert dataset.image_path(0) == tmp_path / "images/val/d.png"
    assert dataset.image_id(0) == 0


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_larger_images_are_made_smaller_and_their_labels_with_them(
    write_dataset, write_image, row: str, tmp_path: Path, suffix: str
):
    settings = read_data_settings(write_dataset({}))
    write_image(tmp_path / f"images/train/a.{suffix}", height=81, width=163)
    (tmp_path / "labels/train").mkdir(parents=True)
    (tmp_path / "labels/train/a.txt").write_text(row, encoding="utf-8")
    whole = open_dataset(settings, "train")
    small = whole.shrunk(40)
    assert small.size(0) == (20, 40)
    assert small[0].image.shape == (20, 40, 3)
    scale = np.array([40 / 163, 20 / 81])
    np.testing.assert_allclose(small[0].targets.keypoints, whole.targets(0).keypoints * scale, rtol=1e-5)
    np.testing.assert_allclose(small.targets(0).areas, whole.targets(0).areas * scale.prod(), rtol=1e-5)
    assert np.array_equal(small.targets(0).boxes, small[0].targets.boxes)
    assert whole.shrunk(200)[0].image.shape == (81, 163, 3)


def test_a_data_set_can_be_walked_through(write_dataset):
    dataset = open_dataset(read_data_settings(write_dataset()), "train")
    assert [sample.name for sample in dataset] == ["a.png", "b.png", "c.png"]
    assert dataset[-1].name == "c.png"


def test_a_copy_for_another_process_is_small(write_dataset, row: str):
    labels = {f"train/{i:03d}": row for i in range(100)}
    dataset = open_dataset(read_data_settings(write_dataset(labels)), "train")
    copied = pickle.loads(pickle.dumps(dataset))  # noqa: S301 - this is what worker processes do
    assert copied.image_path(99) == dataset.image_path(99)
    assert len(pickle.dumps(dataset)) < 100 * 400


def test_bad_rows_stop_with_a_list(write_dataset, row: str, tmp_path: Path):
    settings = read_data_settings(write_dataset({"train/a": f"{row}\n0 1 2\n", "train/b": "9" + row[1:]}))
    with pytest.raises(DataError) as caught:
        open_dataset(settings, "train")
    message = str(caught.value)
    assert "got 2; correct them" in message
    assert f"{tmp_path}/labels/train/a.txt:2: must have 14 columns" in message.replace("\\", "/")
    assert "b.txt:1: class must be" in message


def test_only_twenty_faults_are_listed(write_dataset):
    settings = read_data_settings(write_dataset({"train/a": "0 1 2\n" * 30}))
    with pytest.raises(DataError, match=r"\.\.\. and 10 more"):
        open_dataset(settings, "train")


def test_bad_rows_are_left_out_on_request_and_counted(write_dataset, row: str, caplog):
    settings = read_data_settings(write_dataset({"train/a": f"{row}\n0 1 2\n", "train/b": ""}))
    with caplog.at_level(logging.WARNING):
        dataset = open_dataset(settings, "train", skip_bad=True)
    assert [len(dataset.targets(i)) for i in range(2)] == [1, 0]
    assert "1 bad rows and images were left out" in dataset.notes[-1]
    assert "1 bad rows and images were left out" in caplog.text
    assert len(dataset.faults) == 1


def test_an_unreadable_image_stops_or_is_left_out(write_dataset, tmp_path: Path):
    settings = read_data_settings(write_dataset())
    (tmp_path / "images/train/b.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"b\.png: must be an image"):
        open_dataset(settings, "train")
    dataset = open_dataset(settings, "train", skip_bad=True)
    assert [s.name for s in dataset] == ["a.png", "c.png"]
    assert [len(dataset.targets(i)) for i in range(2)] == [1, 0]


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp"])
def test_an_image_that_is_cut_off_stops_or_is_left_out(write_dataset, write_image, tmp_path: Path, suffix: str):
    settings = read_data_settings(write_dataset())
    image = tmp_path / f"images/train/d.{suffix}"
    write_image(image, height=40, width=40)
    image.write_bytes(image.read_bytes()[:-30])
    with pytest.raises(DataError, match=rf"d\.{suffix}: must be a whole image; got one that is cut off"):
        open_dataset(settings, "train")
    assert "d" not in [s.name.partition(".")[0] for s in open_dataset(settings, "train", skip_bad=True)]


def test_nothing_but_unreadable_images_is_refused_even_when_skipping(write_dataset, tmp_path: Path, row: str):
    settings = read_data_settings(write_dataset({"train/a": row}))
    (tmp_path / "images/train/a.png").write_bytes(b"")
    with pytest.raises(
        SettingsError, match=r"at least one image that can be used; got none\n.*a\.png: must be an image"
    ):
        open_dataset(settings, "train", skip_bad=True)


def test_rows_that_are_there_twice_are_noted(write_dataset, row: str):
    dataset = open_dataset(read_data_settings(write_dataset({"train/a": f"{row}\n{row}"})), "train")
    assert len(dataset.targets(0)) == 1
    assert dataset.notes == ("1 rows that were there before in their file count once",)


@pytest.mark.parametrize(
    ("folder", "made", "said"),
    [
        ("images/train", "labels/train", "labels/train/a.txt (the last folder 'images' becomes 'labels')"),
        ("images/train", "", "images/train/a.txt, beside the image, for there is no folder "),
        ("photos", "", "photos/a.txt (beside the image, as no folder above it is named 'images')"),
    ],
)
def test_where_labels_are_looked_for_is_said_with_the_rule(folder: str, made: str, said: str, tmp_path: Path):
    if made:
        (tmp_path / made).mkdir(parents=True)
    assert said in describe_label_place(str(tmp_path / folder / "a.jpg")).replace("\\", "/")


def test_a_data_set_without_any_label_is_refused(write_dataset, tmp_path: Path):
    settings = read_data_settings(write_dataset({"train/a": None, "train/b": None}))
    with pytest.raises(DataError, match="must have labels; got none for 2 images; the first was looked for at"):
        open_dataset(settings, "train")


def test_a_missing_split_is_named(write_dataset):
    with pytest.raises(SettingsError, match="must name the images of 'test'; got only train, val"):
        open_dataset(read_data_settings(write_dataset()), "test")


def test_a_folder_without_images_is_named(write_dataset, tmp_path: Path):
    file = write_dataset()
    for image in (tmp_path / "images/val").iterdir():
        image.unlink()
    with pytest.raises(SettingsError, match=r"val: .*must hold images .*; got none"):
        open_dataset(read_data_settings(file), "val")


def test_where_data_are_missing_the_download_is_shown_and_not_run(write_dataset, tmp_path: Path):
    file = write_dataset({"train/a": ""})
    text = file.read_text(encoding="utf-8") + "download: bash get.sh\n"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"no such file or folder.*which is not run for you: 'bash get.sh'"):
        open_dataset(read_data_settings(file), "val")


def test_labels_may_lie_beside_images(tmp_path: Path, write_image, row: str):
    write_image(tmp_path / "pictures/a.png")
    (tmp_path / "pictures/a.txt").write_text(row, encoding="utf-8")
    (tmp_path / "data.yaml").write_text("train: pictures\nnames: [m]\nkpt_shape: [3, 3]\n", encoding="utf-8")
    assert len(open_dataset(read_data_settings(tmp_path / "data.yaml"), "train").targets(0)) == 1


def test_the_last_images_folder_becomes_labels(tmp_path: Path):
    (tmp_path / "images/set/labels/train").mkdir(parents=True)
    image = tmp_path / "images/set/images/train/a.b.jpg"
    assert label_paths([str(image)]) == [str(tmp_path / "images/set/labels/train/a.b.txt")]


@pytest.mark.parametrize(
    ("train", "names"),
    [
        ("images", ["a.png", "b.png", "c.png", "d.png"]),
        ("images/*/[ad].png", ["a.png", "d.png"]),
        ("list.txt", ["a.png", "c.png"]),
        ("[images/val, images/train/b.png]", ["d.png", "b.png"]),
    ],
)
def test_images_come_from_folders_patterns_and_lists(write_dataset, tmp_path: Path, train: str, names: list[str]):
    yaml = f"train: {train}\nnames: [m]\nkpt_shape: [3, 3]\n"
    file = write_dataset(yaml=yaml)
    (tmp_path / "list.txt").write_text("./images/train/c.png\n\nimages/train/a.png\n", encoding="utf-8")
    assert [s.name for s in open_dataset(read_data_settings(file), "train")] == names


def test_an_image_of_a_list_that_is_missing_is_named(write_dataset, tmp_path: Path):
    file = write_dataset(yaml="train: list.txt\nnames: [m]\nkpt_shape: [3, 3]\n")
    (tmp_path / "list.txt").write_text("./images/train/zz.png\n./images/train/a.png\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"zz\.png: no such image"):
        open_dataset(read_data_settings(file), "train")


def test_a_link_that_leads_back_up_is_walked_once(write_dataset, tmp_path: Path):
    file = write_dataset()
    (tmp_path / "images/train/again").symlink_to(tmp_path / "images/train", target_is_directory=True)
    assert len(open_dataset(read_data_settings(file), "train")) == 3


def test_the_data_set_does_not_depend_on_the_current_folder(write_dataset, tmp_path: Path, monkeypatch):
    file = write_dataset()
    monkeypatch.chdir(tmp_path)
    settings = read_data_settings(file.name)
    monkeypatch.chdir("/")
    assert len(open_dataset(settings, "train")) == 3


def test_a_coco_file_is_read_as_it_is(coco_dataset):
    dataset = open_dataset(coco_dataset(), "train")
    assert dataset.names == ("mouse",)
    assert dataset.targets(0).crowd.tolist() == [False, True]
    assert dataset.targets(0).areas.tolist() == [350.5, 3000]
    assert (dataset.image_id(0), dataset.image_id(1)) == (7, 9)
    assert dataset.category_ids == (3,)


def test_an_image_of_another_size_than_the_coco_file_says_is_refused(coco_dataset):
    settings = coco_dataset(b={"height": 80, "width": 40})
    with pytest.raises(DataError, match=r"b\.png: must be 80 x 40 pixels as its COCO file says; got 40 x 80, turned"):
        open_dataset(settings, "train")
    dataset = open_dataset(settings, "train", skip_bad=True)
    assert len(dataset) == 1
    assert len(dataset.targets(0)) == 2


def test_a_missing_image_of_a_coco_file_is_named(coco_dataset, tmp_path: Path):
    settings = coco_dataset()
    (tmp_path / "images/a.png").unlink()
    with pytest.raises(DataError, match=r"a\.png: no such image"):
        open_dataset(settings, "train")
    dataset = open_dataset(settings, "train", skip_bad=True)
    assert [len(dataset.targets(i)) for i in range(len(dataset))] == [0]


def test_an_image_that_changed_its_size_is_refused(write_dataset, write_image, tmp_path: Path):
    dataset = open_dataset(read_data_settings(write_dataset()), "train")
    write_image(tmp_path / "images/train/a.png", height=20, width=20)
    with pytest.raises(DataError, match="must be 80 x 40 pixels, as it was when the data set was opened; got 20 x 20"):
        dataset[0]


def test_people_are_drawn_in_memory():
    dataset = open_dataset(read_data_settings("people"), "val")
    assert len(dataset) == 200
    assert dataset[0].image.shape == (320, 320, 3)


@pytest.mark.skipif(not (SHARED / "coco-mini").exists(), reason="shared/data/coco-mini is not here")
def test_coco_images_open_with_their_people(tmp_path: Path):
    folder = (SHARED / "coco-mini").resolve()
    file = tmp_path / "coco.yaml"
    file.write_text(
        f"path: {folder}\ntrain: {{images: train2017, annotations: annotations/person_keypoints_train2017.json}}\n",
        encoding="utf-8",
    )
    dataset = open_dataset(read_data_settings(file), "train")
    assert len(dataset) == 80
    assert sum(len(dataset.targets(i)) for i in range(80)) == 172
    assert all(dataset[i].image.shape[:2] == dataset.size(i) for i in range(80))


@pytest.mark.skipif(not (SHARED / "lspet-2000").exists(), reason="shared/data/lspet-2000 is not here")
def test_two_thousand_sports_photos_open(tmp_path: Path):
    folder = (SHARED / "lspet-2000").resolve()
    file = tmp_path / "lspet.yaml"
    file.write_text(
        f"path: {folder}\ntrain: {{images: images, annotations: lspet2000_keypoints.json}}\n", encoding="utf-8"
    )
    dataset = open_dataset(read_data_settings(file), "train")
    assert len(dataset) == 2000
    assert len(dataset.index.targets) == 2000


def test_nothing_is_written_beside_the_data(write_dataset, tmp_path: Path):
    settings = read_data_settings(write_dataset())
    before = sorted(tmp_path.rglob("*"))
    open_dataset(settings, "train", cache_dir=None)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_door_can_be_imported_in_a_bare_process():
    code = "import sys, pose_data; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
