"""The built-in data set 'coco-pose': found, missing, and fetched from a server on this machine."""

import dataclasses
import hashlib
import http.server
import io
import json
import shutil
import threading
import zipfile
from collections import namedtuple
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from pose_data import (
    COCO_PERSON,
    DataError,
    PoseError,
    SettingsError,
    download_coco_pose,
    open_dataset,
    plan_coco_pose,
    read_data_settings,
)
from pose_data.datasets import coco_pose


def annotations(split: str) -> dict[str, object]:
    """Two images; in the first is one person with a nose."""
    person = {
        "id": 1,
        "image_id": 1,
        "category_id": 1,
        "bbox": [2, 2, 20, 10],
        "area": 150.0,
        "iscrowd": 0,
        "num_keypoints": 1,
        "keypoints": [5, 5, 2, *([0] * 48)],
    }
    images = [{"id": i, "file_name": f"{split}{i}.png", "width": 40, "height": 20} for i in (1, 2)]
    category = {"id": 1, "name": "person", "keypoints": list(COCO_PERSON.names), "skeleton": [[1, 2]]}
    return {"images": images, "annotations": [person], "categories": [category]}


def png() -> bytes:
    return cv2.imencode(".png", np.zeros((20, 40, 3), np.uint8))[1].tobytes()


def zip_bytes(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    return buffer.getvalue()


def write_coco(folder: Path, splits: tuple[str, ...] = ("train", "val")) -> Path:
    (folder / "annotations").mkdir(parents=True)
    for split in splits:
        file = folder / "annotations" / f"person_keypoints_{split}2017.json"
        file.write_text(json.dumps(annotations(split)), encoding="utf-8")
        (folder / f"{split}2017").mkdir()
        for i in (1, 2):
            (folder / f"{split}2017" / f"{split}{i}.png").write_bytes(png())
    return folder


@pytest.fixture
def in_empty_folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def site(tmp_path_factory, monkeypatch) -> Iterator[str]:
    """The address of a server with archives of COCO's names and shapes, two images each."""
    folder = tmp_path_factory.mktemp("site")
    keypoints = {
        f"annotations/person_keypoints_{s}2017.json": json.dumps(annotations(s)).encode() for s in coco_pose.SPLITS
    }
    content = {"annotations/annotations_trainval2017.zip": {**keypoints, "annotations/captions_val2017.json": b"{}"}}
    for split in coco_pose.SPLITS:
        images = {f"{split}2017/{split}{i}.png": png() for i in (1, 2)}
        content[f"zips/{split}2017.zip"] = {f"{split}2017/": b"", **images}
    for name, files in content.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(zip_bytes(files))
    make_small = partial(shrink, folder)
    monkeypatch.setattr(coco_pose, "ANNOTATIONS", make_small(coco_pose.ANNOTATIONS, files=2))
    small = {split: make_small(archive, files=2) for split, archive in coco_pose.IMAGES.items()}
    monkeypatch.setattr(coco_pose, "IMAGES", small)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_words: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def shrink(folder: Path, archive, *, files: int):
    content = (folder / archive.path).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return dataclasses.replace(archive, size=len(content), sha256=digest, files=files)


def test_cocos_own_folders_are_a_data_set_as_they_are(tmp_path):
    settings = read_data_settings(write_coco(tmp_path / "coco"))
    assert (settings.names, settings.skeleton, settings.keypoint_dims) == (("person",), COCO_PERSON, 3)
    assert len(open_dataset(settings, "val")) == 2


def test_images_without_people_are_left_out_of_training_alone(tmp_path):
    settings = read_data_settings(write_coco(tmp_path / "coco"))
    train = open_dataset(settings, "train")
    assert [train.image_path(i).name for i in range(len(train))] == ["train1.png"]
    assert train.targets(0).keypoints[0, 0].tolist() == [5, 5]


def test_the_name_means_the_folder_that_downloads_go_to(in_empty_folder):
    write_coco(Path("datasets/coco-pose"))
    assert len(open_dataset(read_data_settings("coco-pose"), "train")) == 1


def test_without_the_data_the_name_says_the_command_that_fetches_them(in_empty_folder):
    with pytest.raises(SettingsError, match=r"must be in the folder.*with: pose download coco-pose"):
        read_data_settings("coco-pose")


def test_a_split_that_is_not_there_says_the_command_that_fetches_it(tmp_path):
    settings = read_data_settings(write_coco(tmp_path / "coco", ("val",)))
    with pytest.raises(SettingsError, match=r"images of 'train'; got only val; fetch it with: pose download coco-pose"):
        open_dataset(settings, "train")


def test_a_yaml_beside_cocos_folders_comes_first(tmp_path):
    folder = write_coco(tmp_path / "coco")
    split = "{images: val2017, annotations: annotations/person_keypoints_val2017.json}"
    (folder / "data.yaml").write_text(f"train: {split}\nval: {split}\n", encoding="utf-8")
    assert len(open_dataset(read_data_settings(folder), "train")) == 2


def test_coco_is_fetched_and_unpacked_and_its_archives_are_gone(site, tmp_path):
    steps: list[str] = []
    download_coco_pose(tmp_path / "coco", site=site, progress=lambda what, _done, _total: steps.append(what))
    names = sorted(str(path.relative_to(tmp_path / "coco").as_posix()) for path in (tmp_path / "coco").rglob("*.*"))
    assert names == [
        "annotations/person_keypoints_train2017.json",
        "annotations/person_keypoints_val2017.json",
        *("train2017/train1.png", "train2017/train2.png", "val2017/val1.png", "val2017/val2.png"),
    ]
    assert list(dict.fromkeys(steps))[:2] == [
        "fetching annotations_trainval2017.zip",
        "unpacking annotations_trainval2017.zip",
    ]
    assert len(open_dataset(read_data_settings(tmp_path / "coco"), "val")) == 2


def test_one_split_is_fetched_alone_and_the_archive_kept_on_request(site, tmp_path):
    download_coco_pose(tmp_path, splits=["val"], site=site, keep=True)
    assert (tmp_path / "val2017.zip").is_file()
    assert not (tmp_path / "train2017").exists()


def test_archives_that_were_there_are_taken_and_left_alone(site, tmp_path):
    download_coco_pose(tmp_path, splits=["val"], site=site, keep=True)
    archives = {path: path.read_bytes() for path in tmp_path.glob("*.zip")}
    shutil.rmtree(tmp_path / "val2017")
    shutil.rmtree(tmp_path / "annotations")
    download_coco_pose(tmp_path, splits=["val"], site="http://127.0.0.1:9")
    assert {path: path.read_bytes() for path in tmp_path.glob("*.zip")} == archives
    assert (tmp_path / "val2017" / "val2.png").read_bytes() == png()


def test_an_archive_of_an_interrupted_call_is_taken_up_and_gone_in_the_end(site, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(coco_pose, "unpack_zip", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            download_coco_pose(tmp_path, splits=["val"], site=site)
    assert (tmp_path / ".annotations_trainval2017.zip").is_file()
    download_coco_pose(tmp_path, splits=["val"], site=site)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["annotations", "val2017"]


def test_what_is_there_is_not_fetched_again(site, tmp_path):
    download_coco_pose(tmp_path, site=site)
    assert plan_coco_pose(tmp_path) == coco_pose.CocoPosePlan(tmp_path, (), 0.0)
    download_coco_pose(tmp_path, site="http://127.0.0.1:9")


def test_an_unpacking_that_was_stopped_goes_on(site, tmp_path):
    download_coco_pose(tmp_path, splits=["val"], site=site)
    (tmp_path / "val2017" / "val2.png").unlink()
    download_coco_pose(tmp_path, splits=["val"], site=site)
    assert (tmp_path / "val2017" / "val2.png").read_bytes() == png()


def test_the_plan_names_what_is_missing(tmp_path):
    plan = plan_coco_pose(tmp_path, splits=["val"])
    assert plan.files == (
        "http://images.cocodataset.org/annotations/annotations_trainval2017.zip",
        "http://images.cocodataset.org/zips/val2017.zip",
    )
    assert plan.megabytes == pytest.approx(1068.5, abs=0.1)


def test_an_unknown_split_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="split must be one of train, val; got 'test'"):
        download_coco_pose(tmp_path, splits=["test"])


def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage(10**12, 10**12 - 10**9, 10**9))
    with pytest.raises(PoseError, match=r"must have 39\.7 GB free .* got 1\.0 GB"):
        download_coco_pose(tmp_path / "coco")
    assert not (tmp_path / "coco").exists()


def test_no_network_is_one_line(site, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    with pytest.raises(DataError, match="check the connection"):
        download_coco_pose(tmp_path, site="http://127.0.0.1:9")
