"""Running ONNX files: what goes in, what comes out, and files that can't be run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard, describe_runtime
from pose_export import load, load_runtime
from pose_export.card import make_metadata
from pose_export.run.inputs import make_input, run_in_batches

pytest.importorskip("onnxruntime")
MakeOnnx = Callable[..., Path]


def grey(count: int, height: int = 64, width: int = 64) -> NDArray[np.uint8]:
    """Images of one colour."""
    return np.full((count, height, width, 3), 114, np.uint8)


def test_images_become_planes_from_zero_to_one() -> None:
    images = np.zeros((2, 2, 3, 3), np.uint8)
    images[1, 0, 2] = (255, 51, 102)
    planes = make_input(images)
    assert planes.shape == (2, 3, 2, 3)
    assert planes.dtype == np.float32
    np.testing.assert_allclose(planes[1, :, 0, 2], [1.0, 0.2, 0.4], rtol=1e-7)
    assert planes.sum() == pytest.approx(1.6)


def test_output_of_the_file_comes_back(make_onnx: MakeOnnx, card: ModelCard, planted: NDArray[np.float32]) -> None:
    runtime = load_runtime(make_onnx(planted, make_metadata(card)))
    assert runtime.card == card
    np.testing.assert_array_equal(runtime(grey(1)), planted)


def test_person_in_the_file_becomes_poses_in_image_pixels(
    make_onnx: MakeOnnx, card: ModelCard, planted: NDArray[np.float32]
) -> None:
    poses = load(make_onnx(planted, make_metadata(card)))(grey(1, 128, 128)[0])  # shown at half its size
    np.testing.assert_allclose(poses.boxes, [[16, 32, 48, 96]], atol=1e-4)
    np.testing.assert_allclose(poses.keypoints, [[[20, 40], [32, 64], [44, 88]]], atol=1e-4)
    np.testing.assert_allclose(poses.keypoint_scores, [[0.8, 0.7, 0.6]], atol=1e-6)


def test_any_number_of_images_goes_through_a_fixed_batch(
    make_onnx: MakeOnnx, card: ModelCard, planted: NDArray[np.float32]
) -> None:
    path = make_onnx(planted, make_metadata(replace(card, batch=2)), batch=2)
    assert load_runtime(path)(grey(5)).shape == (5, 14, 84)


def test_no_images_are_fine(make_onnx: MakeOnnx, card: ModelCard, planted: NDArray[np.float32]) -> None:
    assert load_runtime(make_onnx(planted, make_metadata(card)))(grey(0)).shape == (0, 14, 0)


def test_images_keep_their_order_in_batches() -> None:
    images = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1).repeat(3, axis=3)
    calls: list[int] = []

    def run(part: NDArray[np.uint8]) -> NDArray[np.float32]:
        calls.append(len(part))
        return part[:, :, :, 0].astype(np.float32)

    assert run_in_batches(run, images, batch=2).ravel().tolist() == [0, 1, 2, 3, 4]
    assert calls == [2, 2, 2]


def test_size_that_a_fixed_file_does_not_take_is_refused(
    make_onnx: MakeOnnx, card: ModelCard, planted: NDArray[np.float32]
) -> None:
    runtime = load_runtime(make_onnx(planted, make_metadata(card)))
    with pytest.raises(ExportError, match=r"takes images of 64x64 .*; got 64x96"):
        runtime(grey(1, 64, 96))


def test_size_off_the_stride_is_refused(make_onnx: MakeOnnx, card: ModelCard, planted: NDArray[np.float32]) -> None:
    path = make_onnx(planted, make_metadata(replace(card, dynamic=True)), size=("h", "w"), batch="b")
    with pytest.raises(ExportError, match=r"multiple of 32 .*; got 64x70"):
        load_runtime(path)(grey(1, 64, 70))


def test_foreign_file_is_run_by_its_public_keys(
    make_onnx: MakeOnnx, card: ModelCard, planted: NDArray[np.float32]
) -> None:
    metadata = make_metadata(card)
    del metadata["pose_card"]
    runtime = load_runtime(make_onnx(planted, metadata))
    assert runtime.card.kpt_shape == (3, 3)
    assert runtime(grey(1)).shape == (1, 14, 84)


def test_file_without_a_card_is_run_with_the_callers(
    make_onnx: MakeOnnx, card: ModelCard, planted: NDArray[np.float32]
) -> None:
    path = make_onnx(planted, {})
    with pytest.raises(ExportError, match=r"card=ModelCard"):
        load_runtime(path)
    assert load_runtime(path, card=card)(grey(1)).shape == (1, 14, 84)


def test_card_of_another_file_is_refused(make_onnx: MakeOnnx, card: ModelCard, planted: NDArray[np.float32]) -> None:
    other = replace(card, names=("cat", "dog"))
    with pytest.raises(ExportError, match=r"output0 \(1, 15, 84\).*the file has output 0 \(1, 14, 84\)"):
        load_runtime(make_onnx(planted, make_metadata(other)))


def test_cut_off_file_is_refused(make_onnx: MakeOnnx, card: ModelCard, planted: NDArray[np.float32]) -> None:
    path = make_onnx(planted, make_metadata(card))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ExportError, match=r"made\.onnx: must be a whole ONNX file") as caught:
        load_runtime(path)
    assert "\n" not in str(caught.value)


def test_file_that_is_no_onnx_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "words.onnx"
    path.write_text("not a network", encoding="utf-8")
    with pytest.raises(ExportError, match=r"must be a whole ONNX file"):
        load_runtime(path)


def test_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.onnx"
    path.touch()
    with pytest.raises(ExportError, match=r"empty\.onnx: "):
        load_runtime(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"gone\.onnx: must be a file of a network; got nothing"):
        load_runtime(tmp_path / "gone.onnx")


def test_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder.onnx"
    folder.mkdir()
    with pytest.raises(ExportError, match=r"got a folder"):
        load_runtime(folder)


def test_unknown_provider_names_the_installed(
    make_onnx: MakeOnnx, card: ModelCard, planted: NDArray[np.float32]
) -> None:
    with pytest.raises(ExportError, match=r"CPUExecutionProvider.*; got 'Abacus'"):
        load_runtime(make_onnx(planted, make_metadata(card)), providers=("Abacus",))


def test_providers_in_use_are_shown(make_onnx: MakeOnnx, card: ModelCard, planted: NDArray[np.float32]) -> None:
    runtime = load_runtime(make_onnx(planted, make_metadata(card)), providers=["CPUExecutionProvider"])
    assert runtime.providers == ("CPUExecutionProvider",)  # type: ignore[attr-defined]
    assert describe_runtime(runtime) == "ONNX Runtime, CPUExecutionProvider"


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Install a package that plugs in a provider: the CPU's own devices, which ONNX Runtime then has no more."""
    ort = pytest.importorskip("onnxruntime")
    if not hasattr(ort, "get_ep_devices"):
        pytest.skip("this ONNX Runtime takes no providers of other packages")
    package = tmp_path / "onnxruntime_ep_abacus"
    package.mkdir()
    names = "def get_ep_names():\n    return ['CPUExecutionProvider']\n"
    library = f"def get_library_path():\n    return {str(tmp_path / 'libabacus.so')!r}\n"
    (package / "__init__.py").write_text(names + library, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["AzureExecutionProvider"])
    yield lambda: monkeypatch.setattr(ort, "register_execution_provider_library", lambda *_: None)
    sys.modules.pop("onnxruntime_ep_abacus", None)
    sys.modules["pose_export.run.providers"]._register.cache_clear()


def test_plugged_in_provider_runs_the_file(
    plugged: Callable[[], None], make_onnx: MakeOnnx, card: ModelCard, planted: NDArray[np.float32]
) -> None:
    plugged()
    runtime = load_runtime(make_onnx(planted, make_metadata(card)), providers=["CPUExecutionProvider"])
    np.testing.assert_array_equal(runtime(np.zeros((1, 64, 64, 3), np.uint8)), planted)


def test_library_that_can_t_be_loaded_is_named(
    plugged: Callable[[], None], make_onnx: MakeOnnx, card: ModelCard, planted: NDArray[np.float32]
) -> None:
    with pytest.raises(ExportError, match=r"can't load .*libabacus\.so for CPUExecutionProvider"):
        load_runtime(make_onnx(planted, make_metadata(card)), providers=["CPUExecutionProvider"])


def test_plugged_in_provider_stands_alone(
    plugged: Callable[[], None], make_onnx: MakeOnnx, card: ModelCard, planted: NDArray[np.float32]
) -> None:
    plugged()
    asked = ["CPUExecutionProvider", "AzureExecutionProvider"]
    with pytest.raises(ExportError, match=r"must be 'CPUExecutionProvider' alone.*got AzureExecutionProvider besides"):
        load_runtime(make_onnx(planted, make_metadata(card)), providers=asked)


def test_no_threads_at_all_is_refused(make_onnx: MakeOnnx, card: ModelCard, planted: NDArray[np.float32]) -> None:
    with pytest.raises(ExportError, match=r"threads must be at least 1; got 0"):
        load_runtime(make_onnx(planted, make_metadata(card)), threads=0)


def test_two_outputs_are_refused(make_onnx: MakeOnnx, card: ModelCard, planted: NDArray[np.float32]) -> None:
    onnx = pytest.importorskip("onnx")
    path = make_onnx(planted, make_metadata(card))
    model = onnx.load(path)
    model.graph.output.append(onnx.helper.make_tensor_value_info("mean", onnx.TensorProto.FLOAT, [1]))
    onnx.save(model, path)
    with pytest.raises(ExportError, match=r"the file has output 0 \(1, 14, 84\), output 1"):
        load_runtime(path)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system has no CPU affinity")
def test_threads_follow_the_share_of_cores_that_the_process_has(monkeypatch: pytest.MonkeyPatch) -> None:
    from pose_export.run.onnxruntime import _count_threads

    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    assert _count_threads(None) == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert _count_threads(None) == 0  # one per physical core, which ONNX Runtime counts itself
    assert _count_threads(5) == 5


def test_the_cpu_is_granted_and_keeps_onnx_runtime_there(
    make_onnx: MakeOnnx, card: ModelCard, planted: NDArray[np.float32]
) -> None:
    runtime = load_runtime(make_onnx(planted, make_metadata(card)), device="cpu")
    assert runtime.providers == ("CPUExecutionProvider",)  # type: ignore[attr-defined]


def test_another_device_is_refused_in_words_that_everybody_has(
    make_onnx: MakeOnnx, card: ModelCard, planted: NDArray[np.float32]
) -> None:
    with pytest.raises(
        ExportError, match=r"device must be cpu for files of format 'onnx'; got 'cuda'; or leave it out$"
    ):
        load_runtime(make_onnx(planted, make_metadata(card)), device="cuda")


def test_device_and_providers_are_not_asked_for_together(
    make_onnx: MakeOnnx, card: ModelCard, planted: NDArray[np.float32]
) -> None:
    with pytest.raises(ExportError, match=r"device must be left out beside providers"):
        load_runtime(make_onnx(planted, make_metadata(card)), device="cpu", providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(
    ("installed", "asked", "chosen"),
    [
        (("CPU",), None, ("CPU",)),
        (("TensorRT", "CUDA", "CPU"), None, ("CUDA", "CPU")),
        (("OpenVINO", "CoreML", "CPU"), None, ("CPU",)),
        (("OpenVINO", "CPU"), ("OpenVINO", "CPU"), ("OpenVINO", "CPU")),
    ],
)
def test_providers_are_those_installed_that_keep_32_bit_unless_asked_for(
    installed: tuple[str, ...],
    asked: tuple[str, ...] | None,
    chosen: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import onnxruntime
    from pose_export.run import providers

    def full(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(f"{name}ExecutionProvider" for name in names)

    opened: list[tuple[str, dict[str, str]]] = []
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(full(installed)))
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda _, __, providers: opened.extend(providers))
    settings = onnxruntime.SessionOptions()
    providers.open_session(Path("a.onnx"), settings, asked=None if asked is None else full(asked))
    assert tuple(name for name, _ in opened) == full(chosen)
    assert dict(opened).get("CUDAExecutionProvider", {"use_tf32": "0"}) == {"use_tf32": "0"}
