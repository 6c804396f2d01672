"""The report and the command that writes it."""

import json

import numpy as np
import pytest
from pose_eval import Report, Table, evaluate_coco, make_report
from pose_eval.__main__ import main

HERE = np.array([[10.0, 10.0], [40.0, 10.0], [25.0, 30.0]])
ROWS = (("x|y", 0.5, 3), ("long name", -1.0, float("nan")))
REPORT = Report("Title", (Table("One", ("name", "a", "b"), ROWS, "Note."),))


@pytest.fixture
def files(make, tmp_path):
    people = [make.person(keypoints=HERE + 50 * i, image=i % 4, identity=i + 1) for i in range(8)]
    truth = make.truth(people, images=range(4))
    truth["categories"][0]["keypoints"] = ["left_eye", "right_eye", "nose"]
    found = [make.found(keypoints=HERE + 50 * i, image=i % 4, score=0.9 - i / 20) for i in range(7)]
    paths = [tmp_path / name for name in ("truth.json", "found.json", "other.json")]
    for path, content in zip(paths, (truth, found, found[:3]), strict=True):
        path.write_text(json.dumps(content), encoding="utf-8")
    return [str(path) for path in paths]


def run(capsys, *arguments):
    status = main([*arguments, "--sigmas", ".05", "--resamples", "20"])
    return status, capsys.readouterr()


def test_text_has_aligned_columns():
    lines = [
        "Title",
        "",
        "One",
        "-------------------",
        "name           a  b",
        "-------------------",
        "x|y        0.500  3",
        "long name      -  -",
        "Note.",
    ]
    assert REPORT.as_text().splitlines() == lines


def test_markdown_escapes_bars():
    table = ["| name | a | b |", "|---|---:|---:|", "| x\\|y | 0.500 | 3 |", "| long name | - | - |"]
    assert REPORT.as_markdown().splitlines() == ["# Title", "", "## One", "", *table, "", "Note."]


def test_json_has_null_for_what_was_not_measured():
    content = json.loads(REPORT.as_json())
    assert content["tables"]["One"] == [{"name": "x|y", "a": 0.5, "b": 3}, {"name": "long name", "a": None, "b": None}]


def test_report_without_extras_has_the_summary_first(make):
    truth = make.truth([make.person(keypoints=HERE)])
    evaluation = evaluate_coco(truth, [make.found(keypoints=HERE)], sigmas=[0.05] * 3).evaluation
    report = make_report(evaluation, title="t")
    assert report.tables[0].rows[0] == ("AP", pytest.approx(1))
    assert [row[0] for row in report.tables[2].rows] == ["0", "1", "2"]


def test_command_prints_the_whole_report(files, capsys):
    status, printed = run(capsys, *files[:2])
    assert status == 0
    titles = ("Keypoints (OKS)", "Best score threshold by F1", "By keypoint", "Errors of detections", "Worst images")
    for title in (*titles, "left_eye", "found.json against truth.json"):
        assert title in printed.out


def test_command_compares_two_models(files, capsys):
    _, printed = run(capsys, *files[:2], "--compare", files[2], "--format", "json")
    rows = json.loads(printed.out)["tables"]["The other model minus this one"]
    assert rows[0]["number"] == "AP"
    assert rows[0]["difference"].startswith("-0.")


def test_command_keeps_an_evaluation_for_a_later_comparison(files, capsys, tmp_path):
    run(capsys, files[0], files[2], "--save", str(tmp_path / "few.npz"))
    _, printed = run(capsys, *files[:2], "--compare", str(tmp_path / "few.npz"), "--format", "json")
    rows = json.loads(printed.out)["tables"]["The other model minus this one"]
    assert rows[0]["difference"].startswith("-0.")


def test_command_draws_pictures(files, capsys, tmp_path):
    pytest.importorskip("matplotlib")
    status, _ = run(capsys, *files[:2], "--plots", str(tmp_path / "plots"))
    assert status == 0
    names = {path.name for path in (tmp_path / "plots").iterdir()}
    stems = ("precision_recall", "keypoint_errors", "error_kinds")
    assert names == {f"{stem}.{kind}" for stem in stems for kind in ("png", "pdf")}


def test_torso_is_measured_where_the_names_tell_it(make):
    person = make.person(keypoints=[[0.0, 0.0], [30.0, 40.0]], area=2500.0)
    found = make.found(keypoints=[[0.0, 5.0], [30.0, 40.0]])
    evaluation = evaluate_coco(make.truth([person]), [found], sigmas=[0.1] * 2).evaluation
    report = make_report(evaluation, title="t", keypoint_names=["left_shoulder", "right_hip"])
    table = next(table for table in report.tables if table.title == "By keypoint")
    assert table.rows[0][table.columns.index("/ torso")] == pytest.approx(0.1)  # 5 px of 50


def test_command_evaluates_boxes(files, capsys):
    _, printed = run(capsys, *files[:2], "--iou-type", "bbox", "--format", "markdown")
    assert "## Boxes (IoU)" in printed.out
    assert "| AR at 100 | " in printed.out


def test_command_writes_a_file(files, capsys, tmp_path):
    status, printed = run(capsys, *files[:2], "--output", str(tmp_path / "report.txt"))
    assert (status, printed.out) == (0, "")
    assert (tmp_path / "report.txt").read_text(encoding="utf-8").startswith("found.json against truth.json")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_unwritable_output_is_one_line(files, capsys, tmp_path):
    status, printed = run(capsys, *files[:2], "--output", str(tmp_path / "no" / "report.txt"))
    assert status == 2
    assert printed.err.count("\n") == 1
    assert "must be a file that can be written; got No such file" in printed.err


def test_wrong_input_is_one_line_and_status_two(files, capsys, tmp_path):
    status, printed = run(capsys, files[0], str(tmp_path / "none.json"))
    assert status == 2
    assert printed.err.startswith("pose_eval: ")
    assert printed.err.count("\n") == 1
    assert "none.json must be a readable JSON file" in printed.err


def test_sigmas_that_are_no_numbers_are_refused(files, capsys):
    assert main([*files[:2], "--sigmas", "a,b"]) == 2
    assert "--sigmas must be numbers, comma between; got 'a,b'" in capsys.readouterr().err


def test_lenient_leaves_bad_records_out_and_says_so(files, capsys, tmp_path, make):
    bad = [
        make.found(keypoints=HERE, image=99),
        make.found(keypoints=HERE, image=0, category=5),
        make.found(keypoints=HERE[:2], image=0),
        make.found(keypoints=HERE, image=0, score=float("nan")),
        make.found(keypoints=HERE * np.inf, image=0),
        {"image_id": 0},
        7,
    ]
    path = tmp_path / "found.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) + bad), encoding="utf-8")
    assert run(capsys, *files[:2])[0] == 2
    status, printed = run(capsys, *files[:2], "--lenient", "--format", "json")
    assert status == 0
    left_out = {row["reason"]: row["records"] for row in json.loads(printed.out)["tables"]["Left out"]}
    assert left_out == {
        "detection: unknown image": 1,
        "detection: unknown category": 1,
        "detection: 'keypoints' is not 9 numbers": 1,
        "detection: 'score' is not finite": 1,
        "detection: 'keypoints' is not finite": 1,
        "detection: no 'category_id'": 1,
        "detection: not an object": 1,
    }


def test_lenient_leaves_bad_annotations_out(files, capsys, tmp_path):
    path = tmp_path / "truth.json"
    truth = json.loads(path.read_text(encoding="utf-8"))
    del truth["annotations"][7]["area"]
    path.write_text(json.dumps(truth), encoding="utf-8")
    _, printed = run(capsys, *files[:2], "--lenient", "--format", "json")
    tables = json.loads(printed.out)["tables"]
    assert tables["Left out"] == [{"reason": "annotation: no 'area'", "records": 1}]
    assert tables["Keypoints (OKS)"][0]["value"] == pytest.approx(1)
