"""Cards of files that don't say their shapes: held against what the file gives when it is opened."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard, Skeleton
from pose_export import ExportResult, get_format, load, load_runtime
from pose_export.card import make_metadata

pytestmark = pytest.mark.needs("torch", "pose_nn")
Exported = Callable[..., ExportResult]
SILENT = ("torchscript", "ncnn")


def with_metadata(source: Path, target: Path, metadata: dict[str, str]) -> Path:
    """Write a TorchScript file again with other extra files."""
    import torch
    from pose_export.convert.network import quiet_tracing

    with quiet_tracing():
        torch.jit.save(torch.jit.load(source), target, _extra_files=metadata)
    return target


@pytest.mark.parametrize("name", SILENT)
@pytest.mark.parametrize(
    "lie",
    [
        {"names": ("person", "dog")},
        {"keypoint_dims": 2},
        {"skeleton": Skeleton(("nose", "left_hand"))},
        {"imgsz": (96, 96)},
        {"contract": "rows"},
    ],
    ids=lambda lie: next(iter(lie)),
)
def test_card_that_lies_is_refused_in_one_line(name: str, lie: dict[str, object], exported: Exported) -> None:
    result = exported(name)
    with pytest.raises(ExportError, match=r"card") as caught:
        load_runtime(result.path, card=replace(result.card, **lie))  # type: ignore[arg-type]
    assert str(caught.value).startswith(f"{result.path}: ")
    assert "\n" not in str(caught.value)


def test_card_inside_a_torchscript_file_that_lies_is_refused(exported: Exported, tmp_path: Path) -> None:
    result = exported("torchscript")
    metadata = make_metadata(replace(result.card, names=("person", "dog")))
    path = with_metadata(result.path, tmp_path / "best.torchscript", metadata)
    with pytest.raises(ExportError, match=r"promises output0 \(1, 15, 84\) for 64x64, it returned \(1, 14, 84\)"):
        load_runtime(path)


@pytest.mark.parametrize("name", SILENT)
def test_card_of_the_caller_keeps_a_fixed_size_fixed(name: str, exported: Exported) -> None:
    result, wide = exported(name), np.zeros((40, 64, 3), np.uint8)
    predictor = load(result.path, card=result.card)
    assert not predictor.card.dynamic
    np.testing.assert_array_equal(predictor(wide).boxes, load(result.path)(wide).boxes)


def test_card_of_the_caller_keeps_any_size(exported: Exported) -> None:
    result = exported("torchscript", dynamic=True)
    runtime = load_runtime(result.path, card=result.card)
    assert runtime.card.dynamic
    assert runtime(np.zeros((3, 32, 96, 3), np.uint8)).shape == (3, 14, 63)


def test_ncnn_model_is_never_of_any_size(exported: Exported, card: ModelCard) -> None:
    assert not load_runtime(exported("ncnn").path, card=replace(card, dynamic=True)).card.dynamic


def test_torchscript_with_public_keys_alone_is_read(
    exported: Exported, noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    result = exported("torchscript")
    metadata = make_metadata(result.card)
    del metadata["pose_card"]
    path = with_metadata(result.path, tmp_path / "foreign.torchscript", {**metadata, "license": "MIT"})
    runtime = load_runtime(path)
    assert (runtime.card.imgsz, runtime.card.dynamic, runtime.card.licence) == ((64, 64), False, "MIT")
    np.testing.assert_array_equal(runtime(noise), load_runtime(result.path)(noise))


def test_ncnn_model_with_public_keys_alone_is_read(
    exported: Exported, noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    from pose_export.sidecar import SIDECAR

    folder = Path(shutil.copytree(exported("ncnn").path, tmp_path / f"foreign{get_format('ncnn').suffix}"))
    lines = [f"{key}: {value}" for key, value in make_metadata(exported("ncnn").card).items() if key != "pose_card"]
    (folder / SIDECAR).write_text("\n".join(lines), encoding="utf-8")
    assert load_runtime(folder)(noise).shape == (2, 14, 84)
