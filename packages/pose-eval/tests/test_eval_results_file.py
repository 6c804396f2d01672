"""Results read with simdjson are those that Python reads, fault by fault."""

import json
import sys

import numpy as np
import pytest
from pose_eval import EvalError, evaluate_coco, results_file
from pose_eval.results_file import read_result_columns

HERE = np.array([[10.0, 10.0], [40.0, 10.0], [25.0, 30.0]])


@pytest.fixture(params=["simdjson", "standard library"])
def reader(request, monkeypatch):
    """Read with and without simdjson."""
    if request.param == "simdjson":
        pytest.importorskip("simdjson")
    else:
        monkeypatch.setitem(sys.modules, "simdjson", None)
    return request.param


def written(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def evaluated(make, tmp_path, content):
    truth = make.truth([make.person(keypoints=HERE)])
    return evaluate_coco(truth, written(tmp_path / "found.json", content), sigmas=[0.05] * 3)


def test_numbers_have_the_same_bits(reader, make, tmp_path):
    points = np.random.default_rng(0).random((50, 3, 2)) * 100
    content = [make.found(keypoints=one, score=1 / (row + 3)) for row, one in enumerate(points)]
    found = evaluated(make, tmp_path, content).evaluation.problem.detections
    assert np.array_equal(found.keypoints, points)
    assert np.array_equal(found.scores, 1 / np.arange(3, 53))


def test_whole_numbers_and_keys_that_are_not_needed_do_no_harm(reader, make, tmp_path):
    record = make.found(keypoints=HERE)
    record |= {"keypoints": [10, 10, 1, 40, 10, 1, 25, 30, 1], "segmentation": {"a": [[1]]}, "note": ["x", None]}
    assert evaluated(make, tmp_path, [record]).stats[0] == pytest.approx(1.0)


def test_of_a_key_that_stands_twice_the_last_counts(reader, make, tmp_path):
    text = json.dumps([make.found(keypoints=HERE, score=0.25)]).replace('"score"', '"score": 0.5, "score"')
    assert evaluated(make, tmp_path, text).evaluation.problem.detections.scores.tolist() == [0.25]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": []}', "must be a list of results; got dict"),
        ("[1, 2]", "detection number 1 must be an object with 'image_id'; got int"),
        ("[[1, 2]]", "detection number 1 must be an object with 'image_id'; got list"),
        ('[{"image_id": 1', "must hold JSON; got .*; was it cut off"),
        ("", "must hold JSON; got an empty file"),
        ("3", "must be a list of results; got int"),
    ],
)
def test_what_is_no_list_of_records_is_named(content, message, reader, make, tmp_path):
    with pytest.raises(EvalError, match=message):
        evaluated(make, tmp_path, content)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([1.0] * 8, "'keypoints' must be 9 numbers; got 8"),
        ([1.0] * 8 + ["x"], "'keypoints' must hold numbers only; got .*'x'"),
        ([1.0] * 8 + [None], "'keypoints' must be finite; got nan"),
        ([1.0] * 8 + [float("nan")], "'keypoints' must be finite; got nan"),
        ("text", "'keypoints' must be 9 numbers; got"),
    ],
)
def test_faults_of_a_record_are_named(points, message, reader, make, tmp_path):
    with pytest.raises(EvalError, match=message):
        evaluated(make, tmp_path, [make.found(keypoints=HERE), make.found(keypoints=HERE) | {"keypoints": points}])


def test_a_file_that_is_missing_is_named(reader, make, tmp_path):
    with pytest.raises(EvalError, match=r"none\.json must be a readable JSON file; got No such file"):
        evaluate_coco(make.truth([make.person(keypoints=HERE)]), tmp_path / "none.json", sigmas=[0.05] * 3)


def test_pieces_make_the_whole(make, tmp_path, monkeypatch):
    pytest.importorskip("simdjson")
    monkeypatch.setattr(results_file, "_PIECE", 100)  # bytes, so that every record is a piece
    content = [make.found(keypoints=HERE + row, score=row / 10) | {"note": "}, {"} for row in range(9)]
    path = written(tmp_path / "found.json", content)
    assert read_result_columns(path) is None  # cut inside the text of a note: read record by record
    for record in content:
        record["note"] = "]"
    columns = read_result_columns(written(path, content))
    assert columns.scalars["score"].tolist() == [row / 10 for row in range(9)]
    expected = [record["keypoints"] for record in content]
    assert columns.lists["keypoints"].tolist() == expected
    assert columns.items[8] == content[8]


def test_records_that_differ_are_read_one_by_one(make, tmp_path):
    pytest.importorskip("simdjson")
    content = [make.found(keypoints=HERE), make.found(keypoints=HERE, bbox=[1, 2, 3, 4])]
    assert read_result_columns(written(tmp_path / "found.json", content)) is None


def test_lists_in_lists_are_no_numbers(reader, make, tmp_path):
    nested = make.found(keypoints=HERE)
    nested["keypoints"] = [*nested["keypoints"][:8], [1.0, 2.0]]
    with pytest.raises(EvalError, match="'keypoints' must hold numbers only"):
        evaluated(make, tmp_path, [nested])
