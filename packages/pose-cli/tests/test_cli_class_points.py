"""Two classes with keypoints of their own, from a COCO file through every command to an exported file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pose_cli import Pose
from pose_data import Skeleton, read_data_settings, write_image

HAS = np.array([[True, True, True, False], [True, False, False, True]])
CATEGORIES = [
    {"id": 3, "name": "person", "keypoints": ["nose", "left_wrist", "right_wrist"], "skeleton": [[1, 2], [1, 3]]},
    {"id": 8, "name": "dog", "keypoints": ["tail", "nose"], "skeleton": [[1, 2]]},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A COCO data set of four images, with a person on the left and a dog on the right of each."""
    folder = tmp_path_factory.mktemp("pets")
    images, annotations = [], []
    for i in range(4):
        image = np.random.default_rng(i).integers(0, 60, (64, 64, 3), np.uint8)
        image[12:52, 4:28] += 150
        image[30:54, 34:62, 0] += 150
        write_image(folder / "pictures" / f"{i}.png", image)
        images.append({"id": i + 1, "file_name": f"{i}.png", "width": 64, "height": 64})
        person = {"category_id": 3, "bbox": [4, 12, 24, 40], "keypoints": [16, 14, 2, 6, 30, 2, 26, 30, 1]}
        dog = {"category_id": 8, "bbox": [34, 30, 28, 24], "keypoints": [60, 36, 2, 36, 34, 2]}
        annotations += [{"id": 2 * i + n, "image_id": i + 1, **one} for n, one in enumerate((person, dog), start=1)]
    content = {"images": images, "annotations": annotations, "categories": CATEGORIES}
    (folder / "pets.json").write_text(json.dumps(content), encoding="utf-8")
    place = "{images: pictures, annotations: pets.json}"
    text = f"train: {place}\nval: {place}\nkpt_oks_sigmas: [0.1, 0.1, 0.1, 0.1]\n"
    (folder / "data.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def learnt(folder: Path) -> Path:
    """Weights of a run of two epochs."""
    result = Pose("yolov8n-pose.yaml").train(
        data=str(folder / "data.yaml"),
        epochs=2,
        imgsz=64,
        batch=2,
        nbs=2,
        workers=0,
        device="cpu",
        fliplr=0.5,
        plots=False,
        project=str(folder / "run"),
        progress=False,
    )
    assert result.best is not None
    return result.best


@pytest.fixture(scope="module")
def seeing_both(learnt: Path, folder: Path) -> Path:
    """The same weights, in which anchors of the finest level are surest of dogs and those of the others of people."""
    import torch
    from pose_nn import load_checkpoint, save_checkpoint

    checkpoint = load_checkpoint(learnt)
    state = checkpoint.net.state_dict()
    for level in range(3):
        state[f"model.22.cv3.{level}.2.bias"] += torch.tensor([0.0, 4.0] if level == 0 else [4.0, 0.0])
    checkpoint.net.load_state_dict(state)
    path = folder / "both.safetensors"
    save_checkpoint(path, checkpoint.net, checkpoint.card)
    return path


def test_the_card_of_the_weights_says_which_class_has_which_points(run, learnt) -> None:
    card = Pose(learnt).card
    assert card.skeleton == Skeleton(
        ("nose", "left_wrist", "right_wrist", "tail"),
        mirror=((1, 2),),
        edges=((0, 1), (0, 2), (0, 3)),
        sigmas=(0.1,) * 4,
        classes=((0, 1, 2), (0, 3)),
    )
    shown = run("info", learnt).out
    assert [
        line for line in ("of person", "3: nose, left_wrist, right_wrist", "2: nose, tail") if line not in shown
    ] == []


def test_val_has_the_same_figures_on_the_data_set_as_label_files(run, folder, learnt) -> None:
    outcome = run("data", "convert", folder / "data.yaml", folder / "labelled", "to=yolo")
    assert outcome.status == 0, outcome.err
    labelled = read_data_settings(folder / "labelled/data.yaml")
    assert labelled.skeleton == read_data_settings(folder / "data.yaml").skeleton
    assert run("data", "check", folder / "labelled/data.yaml").status == 0
    tables = [run("val", learnt, *data).out.split("per image")[0] for data in ((), (f"data={labelled.file}",))]
    assert "4 images" in tables[0]
    assert tables[0] == tables[1]


def test_data_check_names_the_line_of_a_point_that_the_class_lacks(run, folder, tmp_path) -> None:
    assert run("data", "convert", folder / "data.yaml", tmp_path / "out", "to=yolo").status == 0
    label = tmp_path / "out/labels/train/0.txt"
    person, dog = label.read_text(encoding="utf-8").splitlines()
    words = dog.split()
    label.write_text("\n".join([person, " ".join([*words[:8], "0.5", "0.5", "2", *words[11:]])]), encoding="utf-8")
    outcome = run("data", "check", tmp_path / "out/data.yaml")
    assert outcome.status == 1
    shown = " ".join(outcome.out.split())
    assert f"{label}:2: keypoint 1 (from 0) must not be labelled, for class 1 has only 0, 3" in shown


def test_weights_and_the_onnx_file_give_such_points_the_score_zero(folder, seeing_both) -> None:
    model = Pose(seeing_both)
    exported = Pose(model.export(format="onnx", output=folder / "pets.onnx").path)
    assert exported.card.skeleton == model.card.skeleton
    for one in (model, exported):
        found = [result.poses for result in one(folder / "pictures", conf=0)]
        labels = np.concatenate([poses.labels for poses in found])
        scores = np.concatenate([poses.keypoint_scores for poses in found])
        assert set(labels.tolist()) == {0, 1}
        assert np.array_equal(scores > 0, HAS[labels])


def test_label_text_of_predictions_has_them_as_not_visible(run, folder, seeing_both, in_empty_folder) -> None:
    outcome = run("predict", seeing_both, folder / "pictures", "conf=0", "save_txt=True", "save=False")
    assert outcome.status == 0, outcome.err
    (text,) = in_empty_folder.rglob("labels/0.txt")
    rows = [line.split() for line in text.read_text(encoding="utf-8").splitlines()]
    assert {row[0] for row in rows} == {"0", "1"}
    for row in rows:
        assert [float(score) > 0 for score in row[7::3]] == HAS[int(row[0])].tolist()


def test_one_class_for_all_has_the_points_of_all(run, folder, in_empty_folder) -> None:
    words = ("epochs=1", "imgsz=64", "batch=4", "workers=0", "device=cpu", "plots=False", "single_cls=True")
    outcome = run("train", "yolov8n-pose.yaml", folder / "data.yaml", *words)
    assert outcome.status == 0, outcome.err
    card = Pose(in_empty_folder / "runs/train/weights/last.safetensors").card
    assert card.names == ("object",)
    assert len(card.skeleton) == 4
    assert card.skeleton.classes is None
