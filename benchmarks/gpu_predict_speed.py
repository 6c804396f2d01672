"""How fast networks predict on a GPU, alone and end to end, and what a validation costs beside its network.

python benchmarks/gpu_predict_speed.py latency                  # n to x-p6, batch 1 and 32, eager, CUDA graph, compiled
python benchmarks/gpu_predict_speed.py latency --compiled       # torch.compile too: it takes minutes
python benchmarks/gpu_predict_speed.py validation --images 5000

Networks have random weights; times don't depend on them but through the people that are found, so end to end (decoded
uint8 image of 480 x 640 in, Poses out) nobody is. Each figure is a median over calls after a warm-up, with the smallest
and the largest; the network alone is timed by CUDA events, batches lie on the GPU.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from kept import draw_people
from pose_cli.models import shipped_weights
from pose_data import COCO_PERSON, ModelCard, Predictor
from pose_nn import TorchRuntime, build_network, fuse, load_checkpoint
from pose_train import validate

SIZES = {f"yolov8{letter}-pose": 640 for letter in "nsmlx"} | {"yolov8x-pose-p6": 1280}
PUBLISHED = dict(zip(SIZES, (1.18, 1.42, 2.00, 2.59, 3.73, 10.04), strict=True))  # ms, A100, TensorRT, batch 1
CALLS, WARM = 30, 5
IMAGE = (480, 640)


def measure_latency(chosen: argparse.Namespace) -> None:
    """Print a line per network and batch."""
    kinds = ["eager", "graph", *["compiled"] * chosen.compiled]
    print(f"float16, channels last; ms per batch. {torch.cuda.get_device_name()}, torch {torch.__version__}")
    for name in chosen.networks:
        for batch in chosen.batches:
            size = SIZES[name]
            net = fuse(build_network(name)).eval().to("cuda", torch.float16, memory_format=torch.channels_last)
            images = torch.rand(batch, 3, size, size, device="cuda", dtype=torch.float16)
            images = images.contiguous(memory_format=torch.channels_last)
            cells = []
            for kind in kinds:
                times = time_on_gpu(make_call(kind, net, images))
                cells.append(f"{kind} {show(times)}")
            line = f"{name:16} {size} px batch {batch:2}: " + "  ".join(cells)
            if batch == 1:
                line += f"  end to end {show(end_to_end(name, size))}  (published, A100 TensorRT: {PUBLISHED[name]})"
            print(line, flush=True)
            del net, images
            torch.cuda.empty_cache()


def make_call(kind: str, net: torch.nn.Module, images: torch.Tensor) -> Callable[[], object]:
    """The network's forward pass, as asked for."""

    def eager() -> object:
        with torch.inference_mode():
            return net(images)

    if kind == "eager":
        return eager
    if kind == "compiled":
        compiled = torch.compile(net)

        def run() -> object:
            with torch.inference_mode():
                return compiled(images)

        return run
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            eager()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        eager()
    return graph.replay


def time_on_gpu(call: Callable[[], object]) -> list[float]:
    """Milliseconds of each call, by CUDA events."""
    for _ in range(WARM):
        call()
    times = []
    for _ in range(CALLS):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        call()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return times


def end_to_end(name: str, size: int) -> list[float]:
    """Milliseconds from a decoded image to Poses, by the same path as `pose predict half=True`."""
    card = ModelCard(name, ("person",), COCO_PERSON, imgsz=(size, size))
    predictor = Predictor(TorchRuntime(build_network(name), card, device="cuda", precision="float16"), rect=False)
    images = np.random.default_rng(0).integers(0, 255, (CALLS + WARM, *IMAGE, 3), np.uint8)
    times = []
    for image in images:
        start = time.perf_counter()
        predictor(image)
        times.append(1000 * (time.perf_counter() - start))
    return times[WARM:]


def show(times: list[float]) -> str:
    """Write the median and the range."""
    return f"{statistics.median(times):.2f} ({min(times):.2f} to {max(times):.2f})"


def measure_validation(chosen: argparse.Namespace) -> None:
    """Print the seconds of a validation and of the network in it."""
    samples = draw_people(chosen.images, size=640, seed=902)
    checkpoint = load_checkpoint(shipped_weights())
    for precision in ("float32", "float16"):
        runtime = TorchRuntime(checkpoint.net, checkpoint.card, device="cuda", precision=precision)
        inputs = np.stack([samples[i].image for i in range(32)])
        for turn in range(chosen.turns + 1):
            start = time.perf_counter()
            result = validate(runtime, samples, imgsz=640, batch=32)
            whole = time.perf_counter() - start
            start = time.perf_counter()
            for _ in range(len(samples) // 32):
                runtime(inputs)
            alone = time.perf_counter() - start
            if turn:  # the first warms up
                stages = result.times
                print(
                    f"{len(samples)} images of 640 px, batch 32, {precision}: {whole:.2f} s, "
                    f"network alone {alone:.2f} s, ratio {whole / alone:.2f}; "
                    f"ms per image: preprocess {stages.preprocess:.2f}, "
                    f"network {stages.network:.2f}, select {stages.select:.2f}; "
                    f"keypoint AP {result.metrics.keypoints.ap:.4f}",
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=("latency", "validation"))
    parser.add_argument("--networks", nargs="+", choices=tuple(SIZES), default=list(SIZES))
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 32])
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--turns", type=int, default=3)
    chosen = parser.parse_args()
    (measure_latency if chosen.job == "latency" else measure_validation)(chosen)


if __name__ == "__main__":
    main()
