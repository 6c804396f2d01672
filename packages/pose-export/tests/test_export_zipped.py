"""The card after the end of a TFLite file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pose_data import ModelCard
from pose_export.zipped import read_zipped, write_zipped


def test_card_is_read_back_and_the_file_before_it_stays(card: ModelCard, tmp_path: Path) -> None:
    file = tmp_path / "best.tflite"
    file.write_bytes(b"network")
    write_zipped(file, card)
    assert file.read_bytes().startswith(b"network")
    assert read_zipped(file)["pose_card"] == card.to_json()


def test_another_card_takes_the_place_of_the_first(card: ModelCard, tmp_path: Path) -> None:
    file = tmp_path / "best.tflite"
    file.write_bytes(b"network")
    write_zipped(file, card)
    first = file.read_bytes()
    write_zipped(file, replace(card, licence="a longer licence than before"))
    write_zipped(file, card)
    assert file.read_bytes() == first


def test_file_without_a_card_has_no_metadata(tmp_path: Path) -> None:
    file = tmp_path / "best.tflite"
    file.write_bytes(b"network")
    assert read_zipped(file) == {}
