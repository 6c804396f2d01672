"""Results read with simdjson are those that Python reads, fault by fault."""

import json
import sys

import numpy as np
import pytest
from pose_eval import EvalError, alike_records, evaluate_coco
from pose_eval.json_files import read_result_columns, read_truth_columns

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


SPELLINGS = {
    "as json.dump writes": {},
    "compact": {"separators": (",", ":")},
    "a number per line": {"indent": 1},
}


@pytest.mark.parametrize("piece", [400, 1 << 20], ids=["a record at a time", "all at once"])
@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_records_that_are_spelled_alike_are_read_as_columns(spelling, piece, make, tmp_path, monkeypatch):
    pytest.importorskip("simdjson")
    monkeypatch.setattr(alike_records, "_PIECE", piece)
    content = [
        make.found(keypoints=HERE + row, score=10.0**-row, bbox=[row, 0.5, 1e22, 4])
        | {"rank": row, "segmentation": [], "note": "own"}
        for row in range(9)
    ]
    records = read_result_columns(written(tmp_path / "found.json", json.dumps(content, **spelling) + "\n"))
    columns = records.columns
    assert columns.scalars["score"].tolist() == [record["score"] for record in content]
    assert columns.scalars["image_id"].dtype.kind == "i"
    assert columns.boxes.tolist() == [record["bbox"] for record in content]
    table = np.concatenate([columns.points.places, columns.points.thirds[..., None]], axis=2)
    assert table.reshape(9, 9).tolist() == [record["keypoints"] for record in content]
    assert records.items[8] == content[8]
    assert records.take([7, 2]).items[1] == content[2]
    assert records.take([7, 2]).numbers("score", way_out="").tolist() == [1e-7, 1e-2]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1.0, 2.0", "1.0"),  # a number less in one record
        ("1.0, 2.0]", "1.0, 2.0]]"),
        ('"score": 0.5', '"score": 0.5, 7'),
        ('"score": 0.5', '"score": null'),
        ('"score": 0.5', '"score": 1e999'),
        ('"score": 0.5', '"score": NaN'),
        ('"score": 0.5', '"score": "0.5"'),
        ('"score": 0.5', '"Score": 0.5'),
        ('"score": 0.5', '"score": 0.5, "note": 1'),
        ('"image_id": 3', '"image_id": 3.5'),
        ('"image_id": 3', '"image_id": 9007199254740993'),
        ('"image_id": 3', '"image_id": 1e300'),
        ("}]", "}"),
        ("}]", "}]]"),
        ("}]", "},]"),
        ("}]", "]}"),
        ("}, {", "} {"),
    ],
)
def test_a_record_that_is_spelled_otherwise_sends_all_back(old, new, tmp_path):
    pytest.importorskip("simdjson")
    records = [{"image_id": row, "score": 0.5 if row == 3 else 0.25, "keypoints": [3.0, 1.0, row]} for row in range(5)]
    text = json.dumps(records).replace("3.0, 1.0, 2]", "3.0, 1.0, 2.0]")
    path = tmp_path / "found.json"
    assert read_result_columns(written(path, text)) is not None
    head, mark, tail = text.rpartition(old) if old.startswith("}") else text.partition(old)
    assert mark
    assert read_result_columns(written(path, head + new + tail)) is None


def test_a_number_that_moved_to_the_next_record_is_missed(tmp_path):
    pytest.importorskip("simdjson")
    records = [{"image_id": row, "keypoints": [1.0] * (3 + (row == 1) - (row == 2))} for row in range(4)]
    assert read_result_columns(written(tmp_path / "found.json", records)) is None


def test_a_text_in_the_records_sends_all_back(make, tmp_path):
    pytest.importorskip("simdjson")
    content = [make.found(keypoints=HERE) | {"note": "}, {"} for _ in range(3)]
    assert read_result_columns(written(tmp_path / "found.json", content)) is None


def test_records_that_differ_are_read_one_by_one(make, tmp_path):
    pytest.importorskip("simdjson")
    content = [make.found(keypoints=HERE), make.found(keypoints=HERE, bbox=[1, 2, 3, 4])]
    assert read_result_columns(written(tmp_path / "found.json", content)) is None


def test_lists_in_lists_are_no_numbers(reader, make, tmp_path):
    nested = make.found(keypoints=HERE)
    nested["keypoints"] = [*nested["keypoints"][:8], [1.0, 2.0]]
    with pytest.raises(EvalError, match="'keypoints' must hold numbers only"):
        evaluated(make, tmp_path, [nested, nested])


def truth_file(make, tmp_path, **changes):
    people = [make.person(keypoints=HERE + row, id=row + 1) | changes for row in range(5)]
    return written(tmp_path / "truth.json", make.truth(people)), people


def test_annotations_that_are_spelled_alike_are_read_as_columns(make, tmp_path):
    pytest.importorskip("simdjson")
    path, people = truth_file(make, tmp_path, segmentation=[])
    rest, annotations = read_truth_columns(path)
    assert rest["annotations"] == []
    assert rest["images"] == make.truth(people)["images"]
    assert list(annotations.items) == people
    assert annotations.values("id", way_out="") == [1, 2, 3, 4, 5]
    assert annotations.optional("nothing") == [None] * 5


@pytest.mark.parametrize("word", ['"annotations"', '"images"'])
def test_a_truth_with_two_lists_of_one_name_is_what_the_json_says(word, make, tmp_path):
    path, _ = truth_file(make, tmp_path)
    text = path.read_text(encoding="utf-8").rstrip()
    path.write_text(text.removesuffix("}") + f", {word}: []}}", encoding="utf-8")
    content, annotations = read_truth_columns(path)
    kept = content["annotations"] if annotations is None else annotations.items
    assert list(kept) == json.loads(path.read_text(encoding="utf-8"))["annotations"]


def test_a_fault_in_an_annotation_is_named(reader, make, tmp_path):
    path, _ = truth_file(make, tmp_path, area=-1.0)
    with pytest.raises(EvalError, match=r"truth\.json: annotation id 1, image 1: 'area' must be 0 or more; got -1.0"):
        evaluate_coco(path, [make.found(keypoints=HERE)], sigmas=[0.05] * 3)


def test_annotations_as_columns_give_the_numbers_of_annotations_as_records(make, tmp_path):
    pytest.importorskip("simdjson")
    path, people = truth_file(make, tmp_path)
    found = [make.found(keypoints=HERE + row + 0.5, score=0.1 * row) for row in range(4)]
    one, other = (evaluate_coco(truth, found, sigmas=[0.05] * 3) for truth in (path, make.truth(people)))
    assert np.array_equal(one.precision, other.precision)
    assert np.array_equal(one.recall, other.recall)
