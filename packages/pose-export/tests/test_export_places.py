"""Where folders go: replaced whole or not at all, and never over something else."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from pose_data import ExportError, PoseError
from pose_export import get_format
from pose_export.places import choose_target, measure_size, new_output

FOLDER = replace(get_format("openvino"), parts=("model.xml",))


def write(target: Path, text: str) -> None:
    with new_output(target, FOLDER) as temporary:
        (temporary / "model.xml").write_text(text, encoding="utf-8")
        assert not target.exists() or (target / "model.xml").read_text(encoding="utf-8") != text


def test_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    write(tmp_path / "best_openvino_model", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["best_openvino_model"]
    assert measure_size(tmp_path / "best_openvino_model") == 3e-6


def test_older_export_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "best_openvino_model"
    write(target, "old")
    (target / "left.txt").touch()
    write(target, "new")
    assert [path.name for path in target.iterdir()] == ["model.xml"]
    assert [path.name for path in tmp_path.iterdir()] == ["best_openvino_model"]


def test_older_export_stays_when_the_work_fails(tmp_path: Path) -> None:
    target = tmp_path / "best_openvino_model"
    write(target, "old")
    with pytest.raises(ExportError, match="on purpose"), new_output(target, FOLDER):
        raise ExportError("on purpose")
    assert (target / "model.xml").read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["best_openvino_model"]


def test_folder_with_something_else_is_not_touched(tmp_path: Path) -> None:
    target = tmp_path / "best_openvino_model"
    target.mkdir()
    (target / "photo.jpg").touch()
    with pytest.raises(ExportError, match=r"which holds something else; name another"):
        choose_target(None, target, FOLDER)


def test_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "best_openvino_model"
    target.touch()
    with pytest.raises(ExportError, match=r"must be a folder for format 'openvino'; got the file"):
        choose_target(None, target, FOLDER)


def test_read_only_folder_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "best_openvino_model"
    write(target, "old")
    target.chmod(0o555)
    try:
        with pytest.raises(ExportError, match=r"must be a folder that can be replaced; got .*, which is read-only"):
            choose_target(None, target, FOLDER)
    finally:
        target.chmod(0o755)
    assert (target / "model.xml").read_text(encoding="utf-8") == "old"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_full_disk_leaves_the_older_folder(tmp_path: Path) -> None:
    target = tmp_path / "best_openvino_model"
    write(target, "old")
    with (
        pytest.raises(PoseError, match=r"can't be written \(No space left on device\)"),
        new_output(target, FOLDER),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"new")
    assert (target / "model.xml").read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["best_openvino_model"]


def test_folder_is_named_after_the_checkpoint(tmp_path: Path) -> None:
    assert choose_target(tmp_path / "best.safetensors", None, FOLDER) == tmp_path / "best_openvino_model"


def test_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(PoseError, match=r"can't be written"),
        new_output(tmp_path / "file" / "a_openvino_model", FOLDER),
    ):
        pass


def test_two_exports_into_one_place_leave_one_whole_folder(tmp_path: Path) -> None:
    target, errors = tmp_path / "best_openvino_model", []

    def work(text: str) -> None:
        try:
            for _ in range(20):
                with new_output(target, FOLDER) as temporary:
                    (temporary / "model.xml").write_text(text, encoding="utf-8")
        except Exception as error:  # noqa: BLE001 (a thread has no other way to tell)
            errors.append(error)

    threads = [threading.Thread(target=work, args=(text,)) for text in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert (target / "model.xml").read_text(encoding="utf-8") in ("one", "two")
    assert [path.name for path in tmp_path.iterdir()] == ["best_openvino_model"]


@pytest.mark.parametrize("name", ["openvino", "onnx"])
def test_messages_name_the_place_that_was_asked_for(name: str, tmp_path: Path) -> None:
    row = get_format(name)
    target = tmp_path / f"best{row.suffix}"
    with pytest.raises(ExportError) as caught, new_output(target, row) as temporary:
        raise ExportError(f"{temporary}: must be something else")
    assert str(caught.value) == f"{target}: must be something else"
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_made_is_named_as_it_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    target = tmp_path / "file" / "a_openvino_model"
    with pytest.raises(PoseError) as caught, new_output(target, FOLDER):
        pass
    assert str(caught.value).startswith(f"{target}: can't be written (")
