import json
import os
from pathlib import Path

import numpy as np
import pytest
from pose_data import open_dataset, read_data_settings
from pose_data.datasets import cache, dataset


@pytest.fixture
def builds(monkeypatch):
    """Count how often labels are really read."""
    count = []
    build = dataset.index_labels
    monkeypatch.setattr(dataset, "index_labels", lambda *args: count.append(1) or build(*args))
    return count


def open_twice(file: Path, cache_dir: Path, between=lambda: None):
    first = open_dataset(read_data_settings(file), "train", cache_dir=cache_dir, skip_bad=True)
    between()
    return first, open_dataset(read_data_settings(file), "train", cache_dir=cache_dir, skip_bad=True)


def test_the_second_time_comes_from_the_cache(write_dataset, tmp_path: Path, builds, row: str):
    file = write_dataset({"train/a": row, "train/b": f"{row}\nbad\n"})
    first, second = open_twice(file, tmp_path / "cache")
    assert len(builds) == 1
    assert second.faults == first.faults
    assert second.notes == first.notes
    assert second.image_path(1) == first.image_path(1)
    assert second.size(1) == first.size(1)
    for name in ("boxes", "labels", "keypoints", "visibility", "areas", "crowd"):
        assert np.array_equal(getattr(second.targets(0), name), getattr(first.targets(0), name)), name


def test_a_changed_label_is_read_again(write_dataset, tmp_path: Path, builds, row: str):
    def change() -> None:
        (tmp_path / "labels/train/a.txt").write_text("", encoding="utf-8")

    first, second = open_twice(write_dataset(), tmp_path / "cache", change)
    assert (len(first.targets(0)), len(second.targets(0))) == (1, 0)
    assert len(builds) == 2


def test_a_label_of_the_same_size_and_a_new_time_is_read_again(write_dataset, tmp_path: Path, builds, row: str):
    def touch() -> None:
        os.utime(tmp_path / "labels/train/a.txt", ns=(1, 1))

    open_twice(write_dataset(), tmp_path / "cache", touch)
    assert len(builds) == 2


def test_a_new_label_file_is_seen(write_dataset, tmp_path: Path, row: str):
    def add() -> None:
        (tmp_path / "labels/train/c.txt").write_text(row, encoding="utf-8")

    first, second = open_twice(write_dataset(), tmp_path / "cache", add)
    assert (len(first.targets(2)), len(second.targets(2))) == (0, 1)


def test_other_class_names_are_another_index(write_dataset, tmp_path: Path, row: str):
    file = write_dataset({"train/a": "1" + row[1:], "train/b": ""})

    def rename() -> None:
        file.write_text(file.read_text(encoding="utf-8").replace("[mouse]", "[mouse, rat]"), encoding="utf-8")

    first, second = open_twice(file, tmp_path / "cache", rename)
    assert (len(first.targets(0)), len(second.targets(0))) == (0, 1)


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_a_damaged_cache_is_made_again(write_dataset, tmp_path: Path, builds, damage: bytes | None):
    def spoil() -> None:
        (file,) = (tmp_path / "cache").iterdir()
        file.write_bytes(file.read_bytes()[:-100] if damage is None else damage)

    _, second = open_twice(write_dataset(), tmp_path / "cache", spoil)
    assert len(builds) == 2
    assert len(second.targets(0)) == 1


def test_a_cache_that_can_not_be_written_is_no_error(write_dataset, tmp_path: Path, caplog):
    blocked = tmp_path / "file"
    blocked.touch()
    dataset = open_dataset(read_data_settings(write_dataset()), "train", cache_dir=blocked)
    assert len(dataset) == 3
    assert "isn't kept" in caplog.text


def test_nothing_lies_beside_the_data(write_dataset, tmp_path: Path):
    file = write_dataset()
    before = set(tmp_path.rglob("*"))
    open_dataset(read_data_settings(file), "train", cache_dir=tmp_path / "cache")
    new = set(tmp_path.rglob("*")) - before
    assert {p.parent.name for p in new if p.is_file()} == {"cache"}


def test_a_coco_file_is_cached_too(tmp_path: Path, write_image, coco_content, monkeypatch):
    for name in ("a", "b"):
        write_image(tmp_path / f"images/{name}.png")
    (tmp_path / "a.json").write_text(json.dumps(coco_content), encoding="utf-8")
    (tmp_path / "data.yaml").write_text("train: {images: images, annotations: a.json}\n", encoding="utf-8")
    first, second = open_twice(
        tmp_path / "data.yaml", tmp_path / "cache", lambda: monkeypatch.delattr(dataset, "index_coco")
    )
    assert second.image_id(1) == first.image_id(1) == 9


def test_a_cache_of_another_version_is_made_again(write_dataset, tmp_path: Path, builds, monkeypatch):
    open_twice(write_dataset(), tmp_path / "cache", lambda: monkeypatch.setattr(cache, "_VERSION", "next"))
    assert len(builds) == 2
