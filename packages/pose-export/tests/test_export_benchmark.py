"""Formats and precisions beside each other: what is measured, what isn't and why."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard, Predictor
from pose_export import FORMATS, ExportResult, benchmark, benchmark_files, plan_benchmark
from pose_export.timing import peak_memory, time_apart, time_here

if TYPE_CHECKING:
    from pose_nn import PoseNet


def test_plan_has_every_format_and_each_of_its_precisions_once() -> None:
    pairs = [(row.name, precision) for row, precision in plan_benchmark()]
    assert len(set(pairs)) == len(pairs)
    assert {name for name, _ in pairs} == {row.name for row in FORMATS}
    assert [precision for name, precision in pairs if name == "onnx"] == ["fp32", "fp16", "int8"]
    assert [precision for name, precision in pairs if name == "edgetpu"] == ["int8"]
    assert [precision for name, precision in pairs if name == "paddle"] == ["fp32"]


@pytest.mark.parametrize(
    ("formats", "precisions", "message"),
    [
        (["onx"], None, "format must be one of .* did you mean 'onnx'"),
        (None, ["fp8"], "precision must be one of fp32, fp16, int8; got 'fp8'"),
        (["edgetpu", "paddle"], ["fp16"], "precision: edgetpu, paddle can't be had in fp16; choose another"),
    ],
)
def test_plan_that_is_none_is_refused(formats: list[str], precisions: list[str], message: str) -> None:
    with pytest.raises(ExportError, match=message):
        plan_benchmark(formats, precisions)


@pytest.mark.needs("torch", "pose_nn", "onnx", "onnxslim", "onnxruntime")
def test_files_are_measured_and_what_is_not_installed_is_named(
    net: PoseNet, card: ModelCard, noise: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    told: list[str] = []
    onnx, openvino = benchmark(
        (net, card),
        output=tmp_path,
        formats=["onnx", "openvino"],
        precisions=["fp32"],
        images=list(noise),
        measure_ap=lambda predictor: 0.25,
        calls=2,
        threads=1,
        progress=told.append,
    )
    assert (onnx.format, onnx.precision, onnx.status, onnx.ap) == ("onnx", "fp32", "passed", 0.25)
    assert onnx.megabytes == pytest.approx((tmp_path / "best-fp32.onnx").stat().st_size / 1e6)
    assert onnx.times is not None
    assert min(onnx.times.stages.preprocess, onnx.times.stages.network, onnx.times.stages.select) > 0
    assert 20 < onnx.times.memory < 2000
    assert openvino.status.startswith("not installed: exporting to openvino needs packages that are not installed")
    assert (openvino.megabytes, openvino.ap, openvino.times) == (None, None, None)
    assert "onnx fp32: measuring its time" in told


@pytest.mark.needs("torch", "pose_nn")
def test_native_file_is_measured_at_the_size_asked_for_too(
    net: PoseNet, card: ModelCard, noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    sizes: list[tuple[int, int]] = []

    def measure_ap(predictor: Predictor) -> float:
        sizes.append(predictor.imgsz)
        return 0.5

    asked = (card.imgsz[0] + card.stride, card.imgsz[1])
    (native,) = benchmark(
        (net, card),
        output=tmp_path,
        formats=["safetensors"],
        precisions=["fp32"],
        imgsz=asked,
        images=list(noise),
        measure_ap=measure_ap,
        calls=1,
        threads=1,
    )
    assert native.status == "passed"
    assert sizes == [asked, asked]


@pytest.mark.needs("torch", "pose_nn", "onnx", "onnxslim", "onnxruntime")
def test_files_that_were_there_before_are_measured_as_they_are(
    exported: Callable[..., ExportResult], noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    whole, half = exported("onnx").path, exported("onnx", half=True).path
    native = exported("safetensors").path
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    told: list[str] = []
    measured = benchmark_files(
        [whole, half, native, broken],
        images=list(noise),
        measure_ap=lambda predictor: 0.25,
        calls=2,
        threads=1,
        progress=told.append,
    )
    assert [(one.format, one.precision, one.status, one.ap) for one in measured[:3]] == [
        ("onnx", "fp32", "measured", 0.25),
        ("onnx", "fp16", "measured", 0.25),
        ("safetensors", "fp32", "measured", 0.25),
    ]
    assert [one.file for one in measured] == [str(whole), str(half), str(native), str(broken)]
    assert measured[0].megabytes == pytest.approx(whole.stat().st_size / 1e6)
    assert all(one.times is not None and one.times.stages.network > 0 and one.times.memory > 20 for one in measured[:3])
    assert measured[0].times is not None and measured[0].times.runs_on == "ONNX Runtime, CPUExecutionProvider"
    assert measured[3].status.startswith(f"failed: {broken}: must be a whole ONNX file")
    assert (measured[3].precision, measured[3].ap, measured[3].times) == ("", None, None)
    assert f"{whole.name}: measuring its time" in told


@pytest.mark.needs("torch", "pose_nn", "onnx", "onnxslim", "onnxruntime")
def test_files_are_measured_with_the_providers_that_are_asked_for(
    exported: Callable[..., ExportResult], noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    path, providers = exported("onnx").path, ["CPUExecutionProvider"]
    (one,) = benchmark_files([path], images=list(noise), calls=1, threads=1, providers=providers)
    assert one.times is not None and one.times.runs_on == "ONNX Runtime, CPUExecutionProvider"
    with pytest.raises(ExportError, match="providers must be left out for files of format 'safetensors'"):
        benchmark_files([path, exported("safetensors").path], providers=providers)
    with pytest.raises(ExportError, match=r"gone\.onnx: must be a file of a network; got nothing"):
        benchmark_files([path, tmp_path / "gone.onnx"])


@pytest.mark.needs("onnxruntime")
def test_file_that_can_not_be_timed_says_why(tmp_path: Path, noise: NDArray[np.uint8]) -> None:
    path = tmp_path / "best.onnx"
    path.write_bytes(b"no network")
    with pytest.raises(ExportError, match=r"best\.onnx: can't be timed; its process says: .*best\.onnx"):
        time_apart(path, list(noise), calls=1)


@pytest.mark.needs("onnx", "onnxruntime")
def test_time_is_the_median_of_the_calls_that_count(
    tmp_path: Path, noise: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pose_data import StageTimes

    taken = iter([100.0, 100.0, 100.0, 3.0, 1.0, 2.0])

    class Clocked:
        runtime = "a clock"

        def timed(self, images: list[NDArray[np.uint8]]) -> tuple[None, StageTimes]:
            value = next(taken)
            return None, StageTimes(value, 2 * value, 3 * value)

    monkeypatch.setattr("pose_export.timing.load", lambda path, **options: Clocked())
    times = time_here(tmp_path, list(noise), calls=3, threads=None)
    assert times.stages == StageTimes(2.0, 4.0, 6.0)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="only Linux says what other processes hold")
def test_memory_counts_programs_that_were_started() -> None:
    alone = peak_memory()
    words = "held = b'x' * 100_000_000; print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", words], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        started.stdout.readline()
        assert peak_memory() > alone + 100
        started.communicate(b"\n")
