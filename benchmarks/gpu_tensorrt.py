"""TensorRT's kernels on the networks, by ONNX Runtime's provider from a package of its own: parity, milliseconds, AP.

python benchmarks/gpu_tensorrt.py prepare OUTPUT     # writes n of the weights that come along, 640 px, three precisions
python benchmarks/gpu_tensorrt.py measure OUTPUT     # on a machine with an NVIDIA GPU

The provider is TensorRT for RTX, from the package onnxruntime-ep-nv-tensorrt-rtx-cu13; the library behind
`format=engine` can't be had as a wheel. The 8-bit graph is the one that `format=engine int8=True` gives to TensorRT.
Each file is compared with the network in torch, float32, on drawn people: outputs, then keypoint AP. Milliseconds are
medians, with the smallest and largest: of the bare call from an input in memory to the output in memory, copies
included, and end to end from a decoded image of 480 x 640 to Poses.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from kept import draw_people
from numpy.typing import NDArray
from pose_cli.models import shipped_weights
from pose_data import Predictor, Runtime

PROVIDER = "NvTensorRTRTXExecutionProvider"
SIZE = 640
PEOPLE = 200
CALLS, WARM = 100, 10
PRECISIONS = ("float32", "float16", "int8")


def prepare(output: Path) -> None:
    """Write the three files, without the gate: what they are worth is measured on the GPU."""
    import onnx
    from pose_export import export
    from pose_export.calibrate import gather_calibration
    from pose_export.convert.onnx import make_model
    from pose_export.convert.qdq import quantise_symmetric
    from pose_export.options import ConvertOptions
    from pose_nn import load_checkpoint

    output.mkdir(parents=True, exist_ok=True)
    for precision in PRECISIONS[:2]:
        half = precision == "float16"
        export(shipped_weights(), format="onnx", output=output / f"{precision}.onnx", imgsz=SIZE, half=half, force=True)
    checkpoint = load_checkpoint(shipped_weights())
    images = gather_calibration(None, (SIZE, SIZE), tell=lambda _: None)
    options = ConvertOptions(imgsz=(SIZE, SIZE), int8=True, calibration=images)
    card = replace(checkpoint.card, imgsz=(SIZE, SIZE))
    graph = quantise_symmetric(make_model(checkpoint.net.eval(), card, options), options)
    kept = onnx.load(output / "float32.onnx").metadata_props
    graph.metadata_props.extend(kept)
    onnx.save(graph, output / "int8.onnx")


def measure(output: Path) -> None:
    """Print a line per precision."""
    import onnxruntime
    import torch
    from pose_export import load_runtime
    from pose_nn import TorchRuntime, load_checkpoint
    from pose_train import validate

    samples = draw_people(PEOPLE, size=SIZE, seed=903)
    inputs = np.stack([samples[i].image for i in range(16)])
    checkpoint = load_checkpoint(shipped_weights())
    torch.backends.cudnn.allow_tf32 = False
    reference = TorchRuntime(checkpoint.net, checkpoint.card, device="cuda")
    wanted = reference(inputs)
    ap = validate(reference, samples, imgsz=SIZE, rect=False).metrics.keypoints.ap
    print(f"{torch.cuda.get_device_name()}, onnxruntime {onnxruntime.__version__}; torch float32: keypoint AP {ap:.4f}")
    for precision in PRECISIONS:
        start = time.perf_counter()
        runtime = load_runtime(output / f"{precision}.onnx", providers=[PROVIDER])
        runtime(inputs[:1])
        built = time.perf_counter() - start
        found = np.concatenate([runtime(image[None]) for image in inputs])
        metrics = validate(runtime, samples, imgsz=SIZE, batch=1).metrics.keypoints
        print(
            f"{precision:8} {runtime.providers} ready in {built:.1f} s; {differences(found, wanted)}; "  # type: ignore[attr-defined]
            f"keypoint AP {metrics.ap:.4f}; "
            f"bare {show(bare(runtime, inputs[:1]))} ms, end to end {show(whole(runtime))} ms",
            flush=True,
        )


def differences(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> str:
    """Largest and mean difference of pixels and of scores where somebody is, and keypoints within a pixel."""
    scores = np.r_[4, 7 : found.shape[1] : 3]
    places = np.setdiff1d(np.arange(found.shape[1]), scores)
    sure = wanted[:, 4] > 0.25
    off = np.abs(found - wanted).transpose(0, 2, 1)[sure]
    within = np.mean(off[:, places[4:]] < 1)
    return (
        f"{sure.sum()} sure anchors: px {off[:, places].max():.3g} largest {off[:, places].mean():.2g} mean, "
        f"scores {off[:, scores].max():.2g}, {within:.1%} of coordinates within 1 px"
    )


def bare(runtime: Runtime, images: NDArray[np.uint8]) -> list[float]:
    """Milliseconds of ONNX Runtime's own call."""
    from pose_export.run.inputs import make_input

    session = runtime._session  # type: ignore[attr-defined]
    planes = make_input(images).astype(runtime._type, copy=False)  # type: ignore[attr-defined]
    return clock(lambda: session.run(None, {session.get_inputs()[0].name: planes}))


def whole(runtime: Runtime) -> list[float]:
    """Milliseconds from an image to Poses."""
    predictor = Predictor(runtime)
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    return clock(lambda: predictor(image))


def clock(call: Callable[[], object]) -> list[float]:
    """Milliseconds of each call, after some that don't count."""
    times = []
    for _ in range(WARM + CALLS):
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    return times[WARM:]


def show(times: list[float]) -> str:
    """Write the median and the range."""
    return f"{statistics.median(times):.2f} ({min(times):.2f} to {max(times):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=("prepare", "measure"))
    parser.add_argument("output", type=Path)
    chosen = parser.parse_args()
    (prepare if chosen.job == "prepare" else measure)(chosen.output)


if __name__ == "__main__":
    main()
