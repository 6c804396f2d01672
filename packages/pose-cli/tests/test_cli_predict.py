"""`pose predict` from image files to drawn images, label text, COCO results and crops."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pose_cli import models
from pose_cli.results import Result
from pose_cli.run_folder import make_run_folder
from pose_cli.saving import Saver
from pose_data import Poses, StageTimes, make_skeleton, read_image


def one_person(name: str = "a.png") -> Result:
    """A person of score 0.5 in a 100 x 50 image: box from (10, 10) to (30, 40), points on its corners and centre."""
    poses = Poses(
        boxes=np.array([[10, 10, 30, 40]], np.float32),
        scores=np.array([0.5], np.float32),
        labels=np.array([0]),
        keypoints=np.array([[[10, 10], [20, 25], [30, 40]]], np.float32),
        keypoint_scores=np.array([[1, 0.25, 0]], np.float32),
    )
    image = np.zeros((50, 100, 3), np.uint8)
    skeleton = make_skeleton(("top", "middle", "bottom"))
    return Result(poses, image, name, None, StageTimes(1, 2, 3), ("person",), skeleton, 3)


def test_label_text_is_relative_to_width_and_height(tmp_path: Path) -> None:
    Saver(tmp_path, drawn=False, text=True, scores=True).write(one_person())
    text = (tmp_path / "labels" / "a.txt").read_text(encoding="utf-8")
    assert text == "0 0.2 0.5 0.2 0.6 0.1 0.2 1 0.2 0.5 0.25 0.3 0.8 0 0.5\n"


@pytest.mark.parametrize(("name", "image_id"), [("000000000139.jpg", 139), ("photo.jpg", "photo")])
def test_coco_results_hold_pixels_and_the_id_that_names_the_file(name: str, image_id: object, tmp_path: Path) -> None:
    saver = Saver(tmp_path, drawn=False, coco=True)
    saver.write(one_person(name))
    saver.finish()
    (row,) = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert row == {
        "image_id": image_id,
        "file_name": name,
        "category_id": 1,
        "bbox": [10, 10, 20, 30],
        "keypoints": [10, 10, 1, 20, 25, 0.25, 30, 40, 0],
        "score": 0.5,
    }


def test_images_of_the_same_name_get_files_of_their_own(tmp_path: Path) -> None:
    saver = Saver(tmp_path, drawn=False, text=True)
    saver.write(one_person("x/a.png"))
    saver.write(one_person("y/a.png"))
    assert sorted(path.name for path in (tmp_path / "labels").iterdir()) == ["a-2.txt", "a.txt"]


def test_a_crop_is_the_box(tmp_path: Path) -> None:
    Saver(tmp_path, drawn=False, crops=True).write(one_person())
    assert read_image(tmp_path / "crops" / "person" / "a.jpg").shape == (30, 20, 3)


def test_run_folders_are_numbered(tmp_path: Path) -> None:
    names = [make_run_folder(str(tmp_path / "runs" / "predict")).name for _ in range(3)]
    assert names == ["predict", "predict2", "predict3"]


def test_an_existing_run_folder_is_taken_when_asked(tmp_path: Path) -> None:
    first = make_run_folder(str(tmp_path), name="a")
    assert make_run_folder(str(tmp_path), name="a", exist_ok=True) == first


@pytest.mark.parametrize("words", [("project=.",), ("project=..",), ("project=/",), ("name=..",)])
def test_a_place_that_cannot_be_numbered_is_one_line(words, run, weights, photos, in_empty_folder) -> None:
    outcome = run("predict", str(weights), str(photos), *words)
    assert outcome.status == 2
    line = outcome.err.splitlines()[-1]
    assert line.startswith(f"pose: {words[0].partition('=')[0]} must end with the name of a new folder")
    assert "add exist_ok=True" in line
    assert list(in_empty_folder.iterdir()) == []


def test_predict_draws_every_image_and_prints_a_line_for_it(run, weights, photos, in_empty_folder) -> None:
    outcome = run("predict", weights, photos, "conf=0")
    about, *lines = outcome.out.splitlines()
    assert outcome.status == 0
    assert about == "tiny.safetensors: torch, cpu"
    assert sorted(path.name for path in (in_empty_folder / "runs" / "predict").iterdir()) == ["a.jpg", "b.jpg"]
    assert len(lines) == 3
    assert "a.png 64x64: " in lines[0]
    assert all(word in lines[0] for word in ("person", "preprocess", "network", "select", " ms"))
    assert lines[2].endswith("saved in runs/predict")


def test_predict_keeps_what_was_asked_for(run, weights, photos, in_empty_folder) -> None:
    outcome = run("predict", weights, photos, "conf=0", "max_det=2", "save=False", "save_txt", "save_conf", "save_json")
    folder = in_empty_folder / "runs" / "predict"
    rows = (folder / "labels" / "a.txt").read_text(encoding="utf-8").splitlines()
    assert outcome.status == 0
    assert [len(row.split()) for row in rows] == [5 + 9 + 1] * 2
    assert len(json.loads((folder / "results.json").read_text(encoding="utf-8"))) == 4
    assert not (folder / "a.jpg").exists()


def test_an_image_with_nobody_in_it_is_normal(run, weights, photos, in_empty_folder) -> None:
    outcome = run("predict", weights, photos / "a.png", "conf=1", "save_txt")
    assert "nobody" in outcome.out
    assert (in_empty_folder / "runs" / "predict" / "labels" / "a.txt").read_text(encoding="utf-8") == ""


def test_nothing_is_written_when_nothing_is_saved(run, weights, photos, in_empty_folder) -> None:
    assert run("predict", weights, photos, "save=False").status == 0
    assert list(in_empty_folder.iterdir()) == []


def test_an_onnx_file_finds_the_same_people_as_its_weights(run, weights, onnx_file, photos, in_empty_folder) -> None:
    for model in (weights, onnx_file):
        assert run("predict", model, photos, "conf=0", "max_det=5", "save=False", "save_txt").status == 0
    folders = (in_empty_folder / "runs" / "predict", in_empty_folder / "runs" / "predict2")
    torch, onnx = (np.loadtxt(folder / "labels" / "a.txt") for folder in folders)
    np.testing.assert_allclose(onnx, torch, atol=1e-3)


def test_an_onnx_file_is_run_without_torch(onnx_file, photos, tmp_path) -> None:
    words = ["predict", str(onnx_file), str(photos), f"project={tmp_path / 'out'}"]
    code = f"import sys\nfrom pose_cli.main import main\nstatus = main({words})\nprint(status, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.splitlines()[-1] == "0 False", done.stderr


@pytest.mark.parametrize("source", ["nowhere.jpg", "nowhere/", "no*.jpg"])
def test_a_source_that_is_not_there_is_one_line(source: str, run, weights, in_empty_folder) -> None:
    outcome = run("predict", weights, source)
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert outcome.err.startswith(f"pose: {source.rstrip('/')}")
    assert list(in_empty_folder.iterdir()) == []


def test_predict_needs_to_be_told_what_to_look_at(run, weights) -> None:
    assert "add source=IMAGE" in run("predict", weights).err


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("missing.safetensors", "missing.safetensors: no such file of weights"),
        ("yolov8n-pose", "has learnt nothing yet"),
    ],
)
def test_a_model_that_can_not_be_run_is_one_line(model: str, message: str, run, photos, in_empty_folder) -> None:
    outcome = run("predict", model, photos)
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert message in outcome.err
    assert list(in_empty_folder.iterdir()) == []


def test_a_folder_without_images_is_one_line(run, weights, in_empty_folder) -> None:
    (in_empty_folder / "empty").mkdir()
    outcome = run("predict", weights, "empty")
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert "empty" in outcome.err


def test_a_checkpoint_that_is_none_is_one_line(run, photos, in_empty_folder) -> None:
    (in_empty_folder / "fake.safetensors").write_bytes(b"this is text")
    outcome = run("predict", "fake.safetensors", photos)
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert "fake.safetensors" in outcome.err


def test_an_image_that_is_cut_off_is_named(run, weights, photos, in_empty_folder) -> None:
    Path("cut.png").write_bytes((photos / "a.png").read_bytes()[:200])
    outcome = run("predict", weights, "cut.png")
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert "cut.png" in outcome.err
    assert not Path("runs").exists()


def test_weights_that_are_missing_from_the_installation_are_one_line(run, photos, monkeypatch) -> None:
    monkeypatch.setattr(models, "SHIPPED_WEIGHTS", "nothing.safetensors")
    outcome = run("predict", photos)
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert "name a file with model=FILE" in outcome.err


def test_the_licence_of_a_foreign_file_is_shown(run, photos, in_empty_folder) -> None:
    foreign = Path(__file__).resolve().parents[3].parent / "shared" / "oracles" / "foreign-yolov8n-pose.pt"
    if not foreign.is_file():
        pytest.skip("needs ../shared/oracles beside the repository")
    assert "licence of these weights" in run("predict", foreign, photos / "a.png", "imgsz=64").err
