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
