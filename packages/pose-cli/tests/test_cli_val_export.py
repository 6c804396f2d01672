"""`pose val`, `pose export` and `pose info` on files of every kind."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from pose_cli.images import read_split
from pose_cli.tables import figure
from pose_cli.words import MODEL_SUFFIXES
from pose_data import ExportError, SettingsError, write_image
from pose_export import FORMATS, get_format

ON_THE_CPU = "ONNX Runtime, CPUExecutionProvider"


def test_val_takes_the_data_that_the_card_names(run, weights) -> None:
    outcome = run("val", weights)
    assert outcome.status == 0
    assert "2 images" in outcome.out
    assert [word for word in ("boxes", "keypoints", "AP75", "per image:") if word not in outcome.out] == []


def test_val_of_the_onnx_file_prints_the_figures_of_the_weights(run, weights, onnx_file) -> None:
    shown = [run("val", model, "batch=2").out.partition("\n") for model in (weights, onnx_file)]
    assert [about for about, _, _ in shown] == ["tiny.safetensors: torch, cpu", f"{onnx_file.name}: {ON_THE_CPU}"]
    tables = [rest.split("per image")[0] for _, _, rest in shown]
    assert tables[0] == tables[1]


def test_val_pads_to_a_square_where_it_is_asked_to(run, weights, dataset, tmp_path, monkeypatch) -> None:
    from pose_nn import TorchRuntime

    wide = shutil.copytree(dataset.parent, tmp_path / "wide")
    for photo in (wide / "images" / "val").iterdir():
        write_image(photo, np.zeros((32, 64, 3), np.uint8))
    call, square = TorchRuntime.__call__, []

    def record(runtime, images):
        square.append(images.shape[1] == images.shape[2])
        return call(runtime, images)

    monkeypatch.setattr(TorchRuntime, "__call__", record)
    for words in ((), ("rect=False",)):
        assert run("val", weights, wide / dataset.name, *words).status == 0
    assert square == [False, True]


def test_providers_of_onnx_runtime_can_be_chosen_and_are_shown(run, onnx_file, photos) -> None:
    about = f"{onnx_file.name}: {ON_THE_CPU}"
    for words in (("val", onnx_file), ("predict", onnx_file, photos, "save=False"), ("track", onnx_file, photos)):
        outcome = run(*words, "providers=CPUExecutionProvider", *(("save=False",) if words[0] == "track" else ()))
        assert (outcome.status, outcome.out.splitlines()[0]) == (0, about), outcome.err
    refused = run("val", onnx_file, "providers=CUDAExecutionProvider,CPUExecutionProvider")
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert "providers must be among those that are installed, " in refused.err
    assert "got 'CUDAExecutionProvider'" in refused.err
    both = run("val", onnx_file, "providers=CPUExecutionProvider", "device=cpu")
    assert (both.status, both.err.count("\n")) == (2, 1)
    assert "device must be left out beside providers" in both.err


@pytest.mark.parametrize("verb", ["val", "predict", "track"])
def test_providers_are_refused_for_files_that_onnx_runtime_does_not_run(verb: str, run, weights, photos) -> None:
    outcome = run(verb, weights, *(() if verb == "val" else (photos, "save=False")), "providers=CPUExecutionProvider")
    assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    message = "providers must be left out for files of format 'safetensors', which can't be told it; it is for onnx"
    assert message in outcome.err


def test_the_object_takes_providers(weights, onnx_file, photos) -> None:
    from pose_cli import Pose

    assert Pose(onnx_file, providers=["CPUExecutionProvider"]).runtime.runs_on == ON_THE_CPU
    with pytest.raises(ExportError, match="providers must be left out for files of format 'safetensors'"):
        Pose(weights, providers=["CPUExecutionProvider"])(photos)
    with pytest.raises(SettingsError, match="providers must be left out for weights"):
        Pose("yolov8n-pose", providers=["CPUExecutionProvider"]).load(weights)(photos)


def test_val_on_data_with_other_keypoints_is_refused(run, weights) -> None:
    outcome = run("val", weights, "data=people")
    assert outcome.status == 2
    assert "must have the 3 keypoints of the model" in outcome.err


def test_val_on_data_that_is_gone_says_so(run, weights, tmp_path) -> None:
    outcome = run("val", weights, f"data={tmp_path / 'gone.yaml'}")
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert "gone.yaml" in outcome.err


def test_a_yaml_that_is_none_is_named_with_its_line(run, weights, tmp_path) -> None:
    (tmp_path / "bad.yaml").write_text("train: [a\nval: b\n", encoding="utf-8")
    outcome = run("val", weights, tmp_path / "bad.yaml")
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert "bad.yaml:2" in outcome.err


def test_a_figure_that_does_not_exist_is_a_dash() -> None:
    assert (figure(-1.0), figure(float("nan")), figure(0.5)) == ("-", "-", "0.500")


def test_export_writes_the_file_and_prints_how_far_it_is_from_the_network(run, weights, tmp_path) -> None:
    target = tmp_path / "out.torchscript"
    outcome = run("export", weights, "format=torchscript", f"output={target}")
    assert outcome.status == 0
    assert target.is_file()
    assert "compared with the network on 4 images" in outcome.out
    assert str(target) in outcome.out


def test_files_are_compared_on_images_of_ones_own(run, weights, tmp_path) -> None:
    import cv2

    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((48, 64, 3), 80 * i, np.uint8))
    target = tmp_path / "out.torchscript"
    outcome = run("export", weights, "format=torchscript", f"output={target}", f"images={tmp_path}")
    assert outcome.status == 0
    assert "compared with the network on 3 images" in outcome.out


def test_files_are_compared_on_validation_images_of_the_data(run, weights, dataset, tmp_path) -> None:
    words = ("format=torchscript", f"output={tmp_path / 'out.torchscript'}", f"data={dataset}")
    outcome = run("export", weights, *words)
    assert outcome.status == 0, outcome.err
    assert f"compared with the network on validation images of {dataset}, 2 images: " in outcome.out
    named = run("export", weights, *words, f"images={dataset.parent / 'images' / 'train' / 'a.png'}")
    assert "compared with the network on 1 images: " in named.out
    several = run("export", weights, "format=torchscript,safetensors", f"output={tmp_path}", f"data={dataset}")
    assert several.out.splitlines()[-1] == f"compared with the network on validation images of {dataset}"


def test_images_of_a_data_set_are_spread_over_it() -> None:
    from pose_data import open_dataset, read_data_settings

    samples = open_dataset(read_data_settings("people"), "val")
    first, middle, last = read_split("people", "val", most=3)
    for image, place in ((first, 0), (middle, len(samples) // 2), (last, len(samples) - 1)):
        np.testing.assert_array_equal(image, samples[place].image)


def test_weights_that_come_along_pass_in_16_and_8_bit_but_not_with_ranges_of_nothing(run, tmp_path) -> None:
    import cv2

    half = run("export", "format=torchscript", "half=True", f"output={tmp_path / 'half.torchscript'}")
    assert (half.status, half.err) == (0, "")
    eight = ("export", "format=onnx", "int8=True")
    assert run(*eight, f"output={tmp_path / 'good.onnx'}").status == 0
    black = tmp_path / "black"
    black.mkdir()
    assert cv2.imwrite(str(black / "black.png"), np.zeros((64, 64, 3), np.uint8))
    bad = run(*eight, f"calibration={black}", f"output={tmp_path / 'bad.onnx'}")
    assert (bad.status, bad.err.count("\n")) == (2, 1)
    assert "scores differ by" in bad.err
    assert not (tmp_path / "bad.onnx").exists()


def test_layers_are_listed_before_the_file_worst_first(run, weights, tmp_path) -> None:
    target = tmp_path / "a.onnx"
    outcome = run("export", weights, "int8=True", "layers=True", "force=True", f"output={target}")
    assert outcome.status == 0, outcome.err
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in outcome.out.splitlines() if line[:1] == "│"]
    figures = [float(row[1]) for row in rows]
    assert len(rows) == 72
    assert figures == sorted(figures)
    assert {row[2] for row in rows if row[0] == "model.0.conv"} == {"with contract=heads, in TFLite also normalised"}
    assert {row[2] for row in rows if row[0] == "model.4.cv1.conv"} == {"yes"}
    assert str(target) in outcome.out.splitlines()[-1]


def test_layers_that_are_named_stay_in_float(run, weights, tmp_path) -> None:
    from pose_cli import Pose

    kept = "model.4.cv1.conv, model.4.cv2.conv"
    words = ("format=onnx", "int8=True", "force=True", f"output={tmp_path / 'a.onnx'}")
    assert f"left in float: {kept}" in run("export", weights, *words, f"keep_float={kept.replace(' ', '')}").err
    refused = run("export", weights, *words, "keep_float=model.2.cv1.cnv")
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert "keep_float must name convolutions of the network; got 'model.2.cv1.cnv'; did you mean" in refused.err
    with pytest.raises(ExportError, match="must name convolutions"):
        Pose(weights).export(output=tmp_path / "b.onnx", int8=True, keep_float=["model.2.cv1.cnv"])


def test_layers_without_8_bit_are_refused(run, weights) -> None:
    outcome = run("export", weights, "layers=True")
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert "layers must come with int8=True; got it alone" in outcome.err


def test_files_of_the_weights_that_come_along_go_into_the_current_folder(run, tmp_path, monkeypatch) -> None:
    from pose_cli import Pose
    from pose_cli.models import shipped_weights

    monkeypatch.chdir(tmp_path)
    assert str(Pose().export(format="torchscript", imgsz=64).path) == "people-n.torchscript"
    assert run("export", "format=torchscript", "imgsz=64").status == 0
    assert run("export", "format=torchscript,onnx", "imgsz=64").status == 0
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".onnx", ".torchscript"]
    assert [path.name for path in shipped_weights().parent.iterdir()] == [shipped_weights().name]


def test_several_formats_end_in_a_table(run, weights, tmp_path) -> None:
    outcome = run("export", weights, "format=onnx,torchscript,safetensors", f"output={tmp_path}", "imgsz=64")
    assert outcome.status == 0, outcome.err
    rows = {line.split("│")[1].strip(): line for line in outcome.out.splitlines() if line.startswith("│")}
    assert "passed" in rows["onnx"] and "passed" in rows["torchscript"]
    assert "left out" in rows["safetensors"]
    assert "safetensors: left out: it has no imgsz" in outcome.err
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".onnx", ".torchscript"]


def test_several_formats_that_select_people_are_timed_without_a_warning(run, weights, tmp_path) -> None:
    words = ("format=onnx,torchscript", "nms=True", "max_det=100", "force=True")
    outcome = run("export", weights, *words, f"output={tmp_path}")
    assert outcome.status == 0, outcome.err
    assert "warning" not in outcome.err


def test_notes_of_each_of_several_formats_are_printed(run, weights, tmp_path) -> None:
    for name in ("a.onnx", "tiny.onnx", "tiny.torchscript"):
        (tmp_path / name).write_text("older", encoding="utf-8")
    outcome = run("export", weights, "format=onnx,torchscript", f"output={tmp_path}", "imgsz=64")
    assert outcome.err.splitlines() == [
        f"{name}: {tmp_path / 'tiny'}.{name} was there before and is replaced" for name in ("onnx", "torchscript")
    ]
    drawn = run("export", weights, "format=onnx,safetensors", "int8=True", "force=True", f"output={tmp_path}")
    assert "onnx: 8-bit ranges were measured on drawn people" in drawn.err


def test_a_file_that_selects_people_says_what_it_cannot_grant(run, weights, photos, tmp_path) -> None:
    target = tmp_path / "nms.onnx"
    made = run("export", weights, "nms=True", "conf=0.3", "max_det=100", "force=True", f"output={target}")
    assert made.status == 0, made.err
    inside = "warning: people are selected inside the file, with conf=0.3, iou=0.7, max_det=100; "
    for words, lost in (
        (("val", target, f"data={photos.parents[1] / 'data.yaml'}"), "conf=0.001, max_det=300"),
        (("predict", target, photos, "save=False", "conf=0.1", "iou=0.9", "max_det=100"), "conf=0.1, iou=0.9"),
    ):
        assert run(*words).err == f"{inside}{lost} finds no more than that\n"
    assert run("predict", target, photos, "save=False", "conf=0.5", "max_det=9").err == ""


def test_files_that_run_on_the_cpu_grant_it(run, weights, onnx_file) -> None:
    assert run("val", onnx_file, "device=cpu").status == 0
    refused = run("val", onnx_file, "device=cuda")
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert "device must be cpu for files of format 'onnx'; got 'cuda'" in refused.err
    assert "providers" not in refused.err


@pytest.mark.parametrize(("name", "title"), [("openvino", "OpenVINO"), ("ncnn", "ncnn")])
def test_folders_of_other_runtimes_are_measured_and_followed(
    name: str, title: str, run, weights, photos, dataset, tmp_path, monkeypatch
) -> None:
    for module in (*get_format(name).convert_needs, *get_format(name).run_needs):
        pytest.importorskip(module)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / f"tiny{get_format(name).suffix}"
    assert run("export", weights, f"format={name}", f"output={folder}").status == 0
    shown = [run("val", model, f"data={dataset}", "batch=2").out.partition("\n") for model in (weights, folder)]
    figures = [rest.split("per image")[0] for _, _, rest in shown]
    assert figures[0] == figures[1]
    assert shown[1][0] == f"{folder.name}: {title}, CPU"
    followed = run("track", folder, photos, "device=cpu", "save=False")
    assert (followed.status, followed.err) == (0, "")
    assert followed.out.splitlines()[-1].startswith("2 frames, ")


def test_words_that_change_nothing_are_refused(run, weights, tmp_path) -> None:
    for word, companion in (
        ("calibration=gone", "int8"),
        ("keep_float=model.2.cv1.conv", "int8"),
        ("conf=0.5", "nms"),
        ("max_det=5", "nms"),
    ):
        for formats in ("onnx", "onnx,torchscript"):
            outcome = run("export", weights, f"format={formats}", word)
            assert (outcome.status, outcome.err.count("\n")) == (2, 1)
            assert f"must come with {companion}=True" in outcome.err


def test_every_format_but_the_broken_one_is_written(run, weights, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxslim", None)
    outcome = run("export", weights, "format=onnx,safetensors", "half=True", f"output={tmp_path}")
    assert outcome.status == 1
    assert "onnx: not installed: exporting to onnx needs packages that are not installed: onnxslim" in outcome.err
    assert [path.suffix for path in tmp_path.iterdir()] == [".safetensors"]


def test_ends_of_models_are_those_of_the_formats() -> None:
    assert set(MODEL_SUFFIXES) == {
        suffix.replace("_edgetpu", "") for row in FORMATS for suffix in (row.suffix, *row.also)
    }


def test_an_unknown_format_gets_the_nearest_right_one(run, weights) -> None:
    outcome = run("export", weights, "format=onx")
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert "did you mean 'onnx'" in outcome.err


@pytest.mark.parametrize(("size", "refused"), [("[64,96]", False), ("[1,2,3]", True), ("70", True)])
def test_sizes_are_a_side_or_height_and_width(size: str, refused: bool, run, weights, tmp_path) -> None:
    outcome = run("export", weights, f"imgsz={size}", f"output={tmp_path / 'a.onnx'}")
    assert outcome.status == (2 if refused else 0), outcome.err
    assert Path(tmp_path / "a.onnx").exists() is not refused


def test_info_of_a_network_shows_the_published_figures(run) -> None:
    shown = run("info", "yolov8n-pose.yaml").out
    assert [number for number in ("3,295,470", "9.2935", "3,289,964", "9.1777") if number not in shown] == []


def test_info_lists_the_stages_when_asked(run) -> None:
    assert "SPPF" in run("info", "yolov8n-pose", "stages=True").out


def test_info_of_weights_shows_their_card(run, weights) -> None:
    shown = run("info", weights).out
    assert [word for word in ("top, middle, bottom", "Apache-2.0", "64x64", "data.yaml") if word not in shown] == []


def test_info_of_an_onnx_file_shows_its_card(run, onnx_file) -> None:
    assert "top, middle, bottom" in run("info", onnx_file).out


@pytest.mark.parametrize("name", ["yolov8n", "yolov9n-pose.yaml", "resnet50"])
def test_an_unknown_network_name_is_one_line(name: str, run) -> None:
    outcome = run("info", name)
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert f"got '{name}'" in outcome.err
