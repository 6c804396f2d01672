"""Files that the gate doesn't let through, and what is said of those that it does."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard, Predictor
from pose_export import ExportResult, export, get_format, load_runtime

if TYPE_CHECKING:
    from pose_export.options import ConvertOptions
    from pose_nn import PoseNet

pytest.importorskip("torch")
pose_nn = pytest.importorskip("pose_nn")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxslim")

Exported = Callable[..., ExportResult]


@pytest.fixture
def one_wrong_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the converter write one wrong number: the first weight of the first convolution, off by one."""
    from pose_export.convert import onnx as converter

    convert = converter.convert

    def convert_wrongly(net: PoseNet, card: ModelCard, target: Path, options: ConvertOptions) -> ModelCard:
        written = convert(net, card, target, options)
        model = onnx.load(target)
        name = next(node for node in model.graph.node if node.op_type == "Conv").input[1]
        tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
        values = onnx.numpy_helper.to_array(tensor).copy()
        values.flat[0] += 1.0
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, name))
        onnx.save(model, target)
        return written

    monkeypatch.setattr(converter, "convert", convert_wrongly)


@pytest.mark.usefixtures("one_wrong_weight")
def test_file_with_a_wrong_weight_is_refused_and_nothing_is_left(net: PoseNet, card: ModelCard, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"best\.onnx: .*px \(at most 0\.1\).*nothing was written") as caught:
        export((net, card), output=tmp_path / "best.onnx", simplify=False)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("one_wrong_weight")
@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({}, "Try another opset or simplify=False, or take"),
        ({"nms": True, "conf": 0.2}, "Try contract='rows' and select outside, or take"),
        ({"half": True}, "Try half=False, or take"),
    ],
    ids=["raw", "nms", "half"],
)
def test_advice_is_of_what_was_asked_for(
    options: dict[str, object], advice: str, net: PoseNet, card: ModelCard, noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    output = tmp_path / "best.onnx"
    with pytest.raises(ExportError) as caught:
        export((net, card), output=output, simplify=False, images=list(noise), **options)  # type: ignore[arg-type]
    assert advice in str(caught.value)


@pytest.mark.usefixtures("one_wrong_weight")
def test_refused_file_does_not_replace_an_older_one(net: PoseNet, card: ModelCard, tmp_path: Path) -> None:
    (tmp_path / "best.onnx").write_text("older", encoding="utf-8")
    with pytest.raises(ExportError):
        export((net, card), output=tmp_path / "best.onnx", simplify=False)
    assert (tmp_path / "best.onnx").read_text(encoding="utf-8") == "older"


@pytest.mark.usefixtures("one_wrong_weight")
def test_forced_file_says_so_in_its_card(net: PoseNet, card: ModelCard, tmp_path: Path) -> None:
    result = export((net, card), output=tmp_path / "best.onnx", simplify=False, force=True)
    assert any("handed over by force" in note for note in result.notes)
    verdict = load_runtime(result.path).card.facts["gate"]
    assert verdict.startswith("refused, handed over by force: boxes differ by up to")


def test_lost_ap_is_refused(net: PoseNet, card: ModelCard, tmp_path: Path) -> None:
    figures = iter([0.61, 0.60])  # first the network's, then the file's
    output = tmp_path / "best.safetensors"
    with pytest.raises(ExportError, match=r"AP drops by 0\.0100 \(at most 0\.001\)"):
        export((net, card), format="safetensors", output=output, measure_ap=lambda _: next(figures))


def test_ap_of_a_selecting_file_is_compared_behind_the_same_selection(
    net: PoseNet, card: ModelCard, noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    def count_people(predictor: Predictor) -> float:
        found = Predictor(predictor.runtime, conf=0.001).predict_batch(list(noise))
        return sum(map(len, found)) / 1000

    selected = {"contract": "nms", "conf": 0.0, "max_det": 7}
    output = tmp_path / "best.torchscript"
    result = export(
        (net, card), format="torchscript", output=output, images=list(noise), measure_ap=count_people, **selected
    )
    assert (result.parity.ap_expected, result.parity.ap) == (0.014, 0.014)  # 7 people in each image


@pytest.mark.usefixtures("one_wrong_weight")
def test_refusal_for_more_candidates_than_the_graph_compares_advises_a_higher_conf(
    net: PoseNet, card: ModelCard, noise: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pose_export.options.MOST_CANDIDATES", 40)  # what a conf below the usual one compares
    monkeypatch.setattr("pose_export.options.LEAST_CONF", 0.0)  # else the conversion doesn't begin
    words = r"In one image 84 anchors score above conf=0, of which the file compares the best 40: take a higher conf"
    with pytest.raises(ExportError, match=words) as caught:
        export(
            (net, card),
            output=tmp_path / "best.onnx",
            images=list(noise),
            simplify=False,
            nms=True,
            conf=0.0,
            max_det=10,
        )
    assert "opset" not in str(caught.value)


def test_kept_ap_is_in_the_figures(net: PoseNet, card: ModelCard, tmp_path: Path) -> None:
    output = tmp_path / "best.safetensors"
    result = export((net, card), format="safetensors", output=output, measure_ap=lambda predictor: predictor.conf)
    assert (result.parity.ap_expected, result.parity.ap) == (0.25, 0.25)
    assert "AP 0.2500" in result.card.facts["parity"]


@pytest.mark.parametrize(
    ("half", "name"), [(False, "pose/ap"), (True, "pose/ap of the network")], ids=["32 bit", "16 bit"]
)
def test_figures_of_training_are_said_to_be_the_networks(
    half: bool, name: str, net: PoseNet, card: ModelCard, tmp_path: Path
) -> None:
    measured = replace(card, facts={"pose/ap": "0.4500", "epoch": "9"})
    output = tmp_path / "best.safetensors"
    made = export((net, measured), format="safetensors", half=half, output=output, force=True).card
    facts = {key: text for key, text in made.facts.items() if key.startswith(("pose/", "epoch"))}
    assert facts == {name: "0.4500", "epoch": "9"}


def test_people_are_drawn_where_no_images_are_given(
    exported: Exported, net: PoseNet, card: ModelCard, tmp_path: Path
) -> None:
    drawn = export((net, card), format="safetensors", output=tmp_path / "best.safetensors")
    assert drawn.parity.images == 4
    assert exported("onnx").parity.images == 2  # the caller's two
    assert exported("onnx", dynamic=True).parity.images == 3  # and half of the first, which isn't square


@pytest.mark.parametrize("name", ["onnx", "torchscript"])
def test_a_selecting_file_that_finds_nobody_says_that_nothing_was_compared(
    name: str, net: PoseNet, card: ModelCard, tmp_path: Path
) -> None:
    black, output = [np.zeros((64, 64, 3), np.uint8)], tmp_path / f"best.{name}"
    result = export((net, card), format=name, output=output, images=black, nms=True, conf=0.999)
    assert result.status.startswith(
        "not compared: neither the network nor the file finds anybody in 1 images at conf=0.999"
    )
    assert any(note.startswith("not compared: ") for note in result.notes)
    facts = load_runtime(output).card.facts
    assert (facts["gate"], facts["parity"]) == (result.status, "1 images: nothing, for nobody was found in them")


def test_no_images_at_all_are_refused(net: PoseNet, card: ModelCard, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"images must hold at least one"):
        export((net, card), format="safetensors", output=tmp_path / "best.safetensors", images=[])


def test_checkpoint_is_exported_beside_itself(
    net: PoseNet, card: ModelCard, noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    pose_nn.save_checkpoint(tmp_path / "best.safetensors", net, card)
    seen: list[str] = []
    result = export(tmp_path / "best.safetensors", images=list(noise), simplify=False, progress=seen.append)
    assert result.path == tmp_path / "best.onnx"
    assert result.megabytes == result.path.stat().st_size / 1e6
    assert result.notes == ()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.onnx", "best.safetensors"]
    assert seen == ["reading the checkpoint", "converting to onnx", "comparing the file with the network"]


def test_replaced_file_is_noted(net: PoseNet, card: ModelCard, tmp_path: Path) -> None:
    output = tmp_path / "best.safetensors"
    output.write_text("older", encoding="utf-8")
    notes = export((net, card), format="safetensors", output=output).notes
    assert notes == (f"{output} was there before and is replaced",)


@pytest.mark.parametrize("name", ["safetensors", "openvino"])
def test_a_file_that_appears_meanwhile_is_replaced_with_a_note(
    name: str, net: PoseNet, card: ModelCard, noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    row = get_format(name)
    for module in row.convert_needs:
        pytest.importorskip(module)
    output = tmp_path / f"best{row.suffix}"

    def write_another(words: str) -> None:
        if words == "comparing the file with the network":
            export((net, card), format=name, output=output, images=list(noise))

    result = export((net, card), format=name, output=output, images=list(noise), progress=write_another)
    assert result.notes == (f"{output} was written by somebody else while this export was at work, and is replaced",)
    assert list(tmp_path.iterdir()) == [output]


def test_two_processes_that_export_into_one_place_leave_one_whole_file(
    net: PoseNet, card: ModelCard, tmp_path: Path
) -> None:
    pose_nn.save_checkpoint(tmp_path / "tiny.safetensors", net, card)
    code = (  # both wait until both are about to compare
        "import sys, time, pathlib, pose_export\n"
        "here = pathlib.Path(sys.argv[1])\n"
        "def meet(words):\n"
        "    if words.startswith('comparing'):\n"
        "        (here / f'{sys.argv[2]}.ready').touch()\n"
        "        end = time.monotonic() + 120\n"
        "        while len(list(here.glob('*.ready'))) < 2 and time.monotonic() < end:\n"
        "            time.sleep(0.01)\n"
        "result = pose_export.export(here / 'tiny.safetensors', format='torchscript', progress=meet)\n"
        "print(result.status, len(result.notes), sep='|')\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    processes = [
        subprocess.Popen([*command, name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for name in "ab"
    ]
    said = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    lines = [out.strip() for out, _ in said]
    assert set(lines) <= {"passed|0", "passed|1"} and "passed|0" in lines  # at most the later has a note
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".ready", ".ready", ".safetensors", ".torchscript"]
    assert load_runtime(tmp_path / "tiny.torchscript").card.names == ("person",)


def test_two_exports_into_one_place_leave_one_whole_file(net: PoseNet, card: ModelCard, tmp_path: Path) -> None:
    output, errors = tmp_path / "best.safetensors", []

    def work() -> None:
        try:
            export((net, card), format="safetensors", output=output)
        except Exception as error:  # noqa: BLE001 (a thread has no other way to tell)
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert list(tmp_path.iterdir()) == [output]
    assert load_runtime(output).card.names == ("person",)
