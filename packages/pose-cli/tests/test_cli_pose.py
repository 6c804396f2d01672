"""The Pose object: the same work as the commands, in Python."""

from __future__ import annotations

import numpy as np
import pytest
from pose_cli import Pose
from pose_data import CheckpointError, DataError, PoseError, SettingsError, load_settings, read_image
from pose_train import EpochEvent, TrainSettings


def test_calling_it_gives_one_result_per_image(weights, photos) -> None:
    results = Pose(weights)(photos, conf=0, max_det=2)
    assert [(result.name.split("/")[-1], len(result)) for result in results] == [("a.png", 2), ("b.png", 2)]
    assert results[0].poses.keypoints.shape == (2, 3, 2)


def test_it_takes_arrays(weights, photos) -> None:
    image = read_image(photos / "a.png")
    (from_array,) = Pose(weights)(image, conf=0, max_det=2)
    (from_file,) = Pose(weights)(photos / "a.png", conf=0, max_det=2)
    np.testing.assert_array_equal(from_array.poses.boxes, from_file.poses.boxes)


def test_drawing_leaves_the_image_as_it_is(weights, photos) -> None:
    (result,) = Pose(weights)(photos / "a.png", conf=0, max_det=2)
    before = result.image.copy()
    assert result.draw().shape == before.shape
    np.testing.assert_array_equal(result.image, before)


def test_val_knows_its_data_and_has_the_figures_people_know(weights) -> None:
    metrics = Pose(weights).val()
    assert metrics.images == 2
    for block, whole in ((metrics.box, metrics.metrics.boxes), (metrics.pose, metrics.metrics.keypoints)):
        assert (block.map, block.map50, block.map75) == (whole.ap, whole.ap50, whole.ap75)
        assert block.maps.shape == (1,)


def test_val_of_a_model_without_data_says_what_to_add(weights, tmp_path) -> None:
    from dataclasses import replace

    from pose_nn import load_checkpoint, save_checkpoint

    checkpoint = load_checkpoint(weights)
    save_checkpoint(tmp_path / "a.safetensors", checkpoint.net, replace(checkpoint.card, data=""))
    with pytest.raises(SettingsError, match=r"add data=FILE\.yaml"):
        Pose(tmp_path / "a.safetensors").val()


def test_training_makes_it_the_best_weights_of_the_run(dataset, weights, tmp_path) -> None:
    model, events = Pose(weights), []
    result = model.train(
        recipe="few",
        on_event=events.append,
        data=str(dataset),
        epochs=1,
        images_per_epoch=2,
        imgsz=64,
        batch=2,
        workers=0,
        device="cpu",
        project=str(tmp_path / "run"),
        progress=False,
    )
    assert [event.epoch for event in events if isinstance(event, EpochEvent)] == [1]
    assert load_settings(TrainSettings, tmp_path / "run" / "settings.yaml").heatmap == 1
    assert model.model == str(result.best)
    assert model.card.data == str(dataset)


def test_words_of_training_win_over_those_of_the_object(weights, monkeypatch) -> None:
    import pose_train

    taken = []

    def note(settings, *, on_event):
        taken.append(settings)
        raise SettingsError("enough")

    monkeypatch.setattr(pose_train, "train", note)
    with pytest.raises(SettingsError, match="enough"):
        Pose(weights, device="cpu").train(recipe="published", pretrained=False, device="cuda:1")
    assert (taken[0].model, taken[0].pretrained, taken[0].device) == (str(weights), False, "cuda:1")
    assert (taken[0].nbs, taken[0].alignment) == (64, "iou")


def test_a_mistyped_word_of_training_gets_the_nearest_right_one(weights) -> None:
    with pytest.raises(PoseError, match=r"Pose\.train: no setting 'epoch'; did you mean 'epochs'"):
        Pose(weights).train(epoch=1)


def test_a_network_that_has_learnt_nothing_cannot_predict(photos) -> None:
    with pytest.raises(CheckpointError, match="has learnt nothing yet"):
        Pose("yolov8n-pose.yaml")(photos)


def test_a_network_takes_the_weights_that_fit(weights, photos) -> None:
    loaded = Pose("yolov8n-pose.yaml").load(weights)
    (expected, _), (found, _) = Pose(weights)(photos, conf=0), loaded(photos, conf=0)
    np.testing.assert_allclose(found.poses.boxes, expected.poses.boxes, rtol=1e-5)


def test_export_returns_the_file_and_its_differences(weights, tmp_path) -> None:
    done = Pose(weights).export(format="torchscript", output=tmp_path / "a.torchscript")
    assert done.path.is_file()
    assert done.parity.score_max < 1e-3


def test_export_compares_on_images_of_ones_own(weights, photos, tmp_path) -> None:
    image = read_image(photos / "a.png")
    for images, count in ((photos, 2), (photos / "*.png", 2), ([image, image, image], 3)):
        done = Pose(weights).export(format="torchscript", output=tmp_path / "a.torchscript", images=images)
        assert done.parity.images == count
    with pytest.raises(DataError, match="no such file or folder"):
        Pose(weights).export(format="torchscript", output=tmp_path / "a.torchscript", images="gone")


def test_info_is_plain_text(weights) -> None:
    shown = Pose(weights).info()
    assert "yolov8n-pose" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("name", ["yolov8n", "missing.pt"])
def test_a_model_that_does_not_exist_is_refused_at_once(name: str) -> None:
    with pytest.raises(PoseError):
        Pose(name)
