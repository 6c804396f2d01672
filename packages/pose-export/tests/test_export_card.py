"""The card in a file: written under our key and the public ones, read back, held against the file."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pose_data import COCO_PERSON, CheckpointError, ExportError, ModelCard
from pose_export.card import FileShape, make_metadata, settle_card
from pose_export.contracts import count_anchors, count_cells

ANY = FileShape()
STATIC = FileShape(1, 64, 64, ((1, 14, 84),))
PUBLIC = {
    "task": "pose",
    "stride": "32",
    "batch": "1",
    "imgsz": "[640, 480]",
    "names": "{0: 'cat', 1: 'dog'}",
    "kpt_shape": "[4, 2]",
}


def test_card_comes_back_as_it_was_written(card: ModelCard) -> None:
    assert settle_card(None, make_metadata(card), STATIC, source="a.onnx") == card


def test_public_keys_are_python_literals(card: ModelCard) -> None:
    metadata = make_metadata(card)
    del metadata["pose_card"]
    assert metadata == {
        "task": "pose",
        "stride": "32",
        "batch": "1",
        "imgsz": "[64, 64]",
        "names": "{0: 'person'}",
        "kpt_shape": "[3, 3]",
    }


def test_public_keys_alone_make_a_card() -> None:
    card = settle_card(None, {**PUBLIC, "license": "somebody's"}, ANY, source="a.onnx")
    assert (card.names, card.kpt_shape, card.imgsz, card.stride) == (("cat", "dog"), (4, 2), (640, 480), 32)
    assert card.skeleton.names == ("keypoint_0", "keypoint_1", "keypoint_2", "keypoint_3")
    assert card.skeleton.mirror is None
    assert card.licence == "somebody's"


def test_seventeen_points_of_a_foreign_file_are_cocos() -> None:
    card = settle_card(None, {**PUBLIC, "kpt_shape": "[17, 3]"}, ANY, source="a.onnx")
    assert card.skeleton == COCO_PERSON


def test_size_of_a_foreign_file_is_free_when_the_file_is() -> None:
    assert settle_card(None, PUBLIC, ANY, source="a.onnx").dynamic
    fixed = FileShape(1, 640, 480)
    assert not settle_card(None, PUBLIC, fixed, source="a.onnx").dynamic


def test_word_of_the_caller_goes_first(card: ModelCard) -> None:
    assert settle_card(replace(card, names=("x",)), {}, STATIC, source="a.onnx").names == ("x",)


def test_no_metadata_at_all_asks_for_a_card() -> None:
    with pytest.raises(ExportError, match=r"a\.onnx: .*model card; got the metadata keys \[\]; .*card=ModelCard"):
        settle_card(None, {}, ANY, source="a.onnx")


def test_missing_public_key_is_named() -> None:
    metadata = {key: value for key, value in PUBLIC.items() if key != "imgsz"}
    with pytest.raises(ExportError, match=r"imgsz is missing"):
        settle_card(None, metadata, ANY, source="a.onnx")


def test_public_key_that_is_no_literal_is_shown() -> None:
    with pytest.raises(ExportError, match=r"os\.system"):
        settle_card(None, {**PUBLIC, "imgsz": "os.system('x')"}, ANY, source="a.onnx")


def test_other_task_is_refused() -> None:
    with pytest.raises(ExportError, match=r"task must be 'pose'; got 'detect'"):
        settle_card(None, {**PUBLIC, "task": "detect"}, ANY, source="a.onnx")


def test_damaged_card_of_ours_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"a\.onnx: its model card"):
        settle_card(None, {"pose_card": '{"format": 1}'}, ANY, source="a.onnx")


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (replace(STATIC, outputs=((1, 56, 84),)), r"output0 \(1, 14, 84\).*, the file has output 0 \(1, 56, 84\)"),
        (replace(STATIC, outputs=((1, 14, 84), (1,))), r"the file has output 0 \(1, 14, 84\), output 1 \(1\)"),
        (replace(STATIC, height=96), r"input height 64, the file has 96"),
        (replace(STATIC, width=96), r"input width 64, the file has 96"),
        (replace(STATIC, batch=2), r"batch 1, the file has 2"),
        (replace(STATIC, outputs=((1, 14, 80),)), r"(1, 14, 84).*the file has output 0 \(1, 14, 80\)"),
    ],
)
def test_card_that_lies_about_the_shape_is_refused(card: ModelCard, shape: FileShape, words: str) -> None:
    with pytest.raises(ExportError, match=words):
        settle_card(None, make_metadata(card), shape, source="a.onnx")


def test_card_that_promises_any_size_for_a_fixed_file_is_refused(card: ModelCard) -> None:
    with pytest.raises(ExportError, match=r"promises any size, the file takes only 64x64"):
        settle_card(None, make_metadata(replace(card, dynamic=True)), STATIC, source="a.onnx")


def test_unknown_contract_is_refused(card: ModelCard) -> None:
    with pytest.raises(ExportError, match=r"contract must be one of raw, .*; got 'odd'"):
        settle_card(None, make_metadata(replace(card, contract="odd")), STATIC, source="a.onnx")


def test_anchors_are_the_cells_of_all_levels() -> None:
    assert count_cells((64, 128), stride=64) == (8 * 16, 4 * 8, 2 * 4, 1 * 2)
    assert count_anchors((640, 640), stride=32) == 80 * 80 + 40 * 40 + 20 * 20
    assert count_anchors((64, 128), stride=64) == 8 * 16 + 4 * 8 + 2 * 4 + 1 * 2
