"""`pose benchmark`: the table, the record, the picture, and words that can't be meant."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from pose_cli.benchmark_picture import draw_picture
from pose_data import StageTimes
from pose_export import FileTimes, Measurement


def test_formats_are_measured_and_the_results_kept(run, weights, dataset, in_empty_folder) -> None:
    outcome = run("benchmark", weights, "format=onnx", "precision=fp32,fp16", f"data={dataset}", "calls=1", "keep=True")
    assert outcome.status == 0, outcome.err
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in outcome.out.splitlines() if line[:1] == "│"]
    assert [row[:2] for row in rows] == [["onnx", "fp32"], ["onnx", "fp16"]]
    assert all(row[2] in ("passed", "refused, handed over by force") and all(row[3:]) for row in rows)
    folder = in_empty_folder / "runs" / "benchmark"
    record = json.loads((folder / "benchmark.json").read_text(encoding="utf-8"))
    assert [one["precision"] for one in record] == ["fp32", "fp16"]
    assert record[0]["times"]["stages"]["network"] > 0
    assert cv2.imread(str(folder / "benchmark.png")).shape == (520, 860, 3)
    assert sorted(path.name for path in (folder / "files").iterdir()) == ["tiny-fp16.onnx", "tiny-fp32.onnx"]


def test_files_are_measured_as_they_are_a_row_each(run, weights, onnx_file, dataset, in_empty_folder) -> None:
    words = (f"data={dataset}", "calls=1", "threads=1")
    outcome = run("benchmark", f"{onnx_file},{weights}", *words)
    assert outcome.status == 0, outcome.err
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in outcome.out.splitlines() if line[:1] == "│"]
    assert [row[:4] for row in rows] == [
        [onnx_file.name, "onnx", "fp32", "measured"],
        [weights.name, "safetensors", "fp32", "measured"],
    ]
    assert all(all(row) for row in rows)
    assert f"{onnx_file.name}: ONNX Runtime, CPUExecutionProvider" in outcome.out.splitlines()
    record = json.loads((in_empty_folder / "runs" / "benchmark" / "benchmark.json").read_text(encoding="utf-8"))
    assert [one["file"] for one in record] == [str(onnx_file), str(weights)]
    assert record[0]["ap"] == record[1]["ap"] >= 0
    assert record[0]["times"]["runs_on"] == "ONNX Runtime, CPUExecutionProvider"


def test_one_file_is_measured_on_the_data_of_its_card(run, onnx_file, in_empty_folder) -> None:
    outcome = run("benchmark", onnx_file, "calls=1", "threads=1", "providers=CPUExecutionProvider")
    assert outcome.status == 0, outcome.err
    (one,) = json.loads((in_empty_folder / "runs" / "benchmark" / "benchmark.json").read_text(encoding="utf-8"))
    assert (one["status"], one["precision"]) == ("measured", "fp32")
    assert one["ap"] is not None


def test_a_file_that_can_not_be_opened_has_a_row_that_says_so(run, onnx_file, dataset, in_empty_folder) -> None:
    (in_empty_folder / "cut.onnx").write_bytes(b"no network")
    outcome = run("benchmark", f"cut.onnx,{onnx_file}", f"data={dataset}", "calls=1")
    assert (outcome.status, outcome.err.count("\n")) == (0, 1)
    assert outcome.err.startswith("cut.onnx: failed: cut.onnx: must be a whole ONNX file")


@pytest.mark.parametrize("word", ["", "providers=CUDAExecutionProvider"])
def test_where_no_file_can_be_measured_that_is_all_that_is_said(word, run, onnx_file, dataset, in_empty_folder) -> None:
    damaged = in_empty_folder / "cut,off.onnx"
    damaged.write_bytes(b"no network")
    outcome = run("benchmark", onnx_file if word else damaged.name, f"data={dataset}", "calls=1", *word.split())
    assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert ("got 'CUDAExecutionProvider'" if word else "pose: cut,off.onnx: must be a whole ONNX file") in outcome.err
    assert not (in_empty_folder / "runs").exists()


@pytest.mark.parametrize("word", ["format=onnx", "precision=fp32", "imgsz=64", "keep=True"])
def test_words_of_exporting_are_refused_for_files_that_are_there(word, run, onnx_file, in_empty_folder) -> None:
    outcome = run("benchmark", onnx_file, word)
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert f"{word.split('=')[0]} must be left out where files are measured as they are; got " in outcome.err
    assert not (in_empty_folder / "runs").exists()


def test_providers_are_refused_where_no_onnx_file_is_named(run, weights, onnx_file, in_empty_folder) -> None:
    words = ("providers=CPUExecutionProvider", "calls=1")
    for model, message in (
        (weights, "providers must be left out for weights, which are exported first; got 'CPUExecutionProvider'"),
        (f"{onnx_file},{weights}", "providers must be left out for files of format 'safetensors'"),
    ):
        outcome = run("benchmark", model, *words)
        assert (outcome.status, outcome.err.count("\n")) == (2, 1)
        assert message in outcome.err
    gone = run("benchmark", f"{onnx_file},gone.onnx")
    assert (gone.status, gone.err.count("\n")) == (2, 1)
    assert "gone.onnx: no such file of weights" in gone.err
    assert not (in_empty_folder / "runs").exists()


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("format=onx", "did you mean 'onnx'"),
        ("precision=fp8", "precision must be one of fp32, fp16, int8; got 'fp8'"),
        ("calls=0", "calls must be at least 1; got 0"),
        ("data=nowhere.yaml", "nowhere.yaml"),
    ],
)
def test_words_that_can_not_be_meant_leave_nothing_behind(word, message, run, weights, in_empty_folder) -> None:
    outcome = run("benchmark", weights, word)
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert message in outcome.err
    assert not (in_empty_folder / "runs").exists()


def test_all_is_no_unknown_format(run, weights, in_empty_folder) -> None:
    outcome = run("benchmark", weights, "format=all", "precision=all", "data=nowhere.yaml")
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert "nowhere.yaml" in outcome.err


def make_measured(format_: str, precision: str, *, ms: float, ap: float | None) -> Measurement:
    return Measurement(format_, precision, "passed", 6.0, ap, FileTimes(StageTimes(0.1, ms, 0.1), 100.0))


def test_picture_has_a_point_for_each_measurement_and_faster_ones_to_the_left() -> None:
    picture = draw_picture(
        [make_measured("onnx", "fp32", ms=20, ap=0.5), make_measured("openvino", "int8", ms=5, ap=0.49)]
    )
    places = {}
    for name, colour in (("fp32", (24, 100, 190)), ("int8", (200, 80, 20))):
        rows, columns = np.nonzero((picture[40:] == colour).all(axis=2))  # below the legend
        places[name] = (columns.min(), rows.min())
    assert places["int8"][0] < places["fp32"][0]
    assert places["fp32"][1] < places["int8"][1]


def test_picture_without_anything_to_show_is_an_empty_one() -> None:
    assert draw_picture([]).shape == (520, 860, 3)
    assert draw_picture([make_measured("onnx", "fp32", ms=20, ap=None)]).shape == (520, 860, 3)
