"""What a call costs from image to poses, beside the bare call of the same runtime, and what rectangles save.

python benchmarks/predict_speed.py best.safetensors IMAGES OUTPUT --formats onnx openvino ncnn tflite
python benchmarks/predict_speed.py best.safetensors IMAGES OUTPUT --peer peer.onnx   # and `yolo predict` of that file

Every format is exported into OUTPUT once. A turn runs each in processes of their own, one after the other, all cores to
each: the runtime's own call on an input that is ready, then `pose_export.load(file)` on the uint8 images, one at a
time. Printed are medians over the turns, of the median over the images: milliseconds, and what ours adds.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FORMATS = ("safetensors", "onnx", "openvino", "ncnn", "torchscript", "tflite", "saved_model", "paddle")
CHANNELS_LAST = ("tflite", "saved_model")
PIXELS_IN_ORDER = ("safetensors", "torchscript")  # planes that lie in memory as the pixels do, which torch runs faster
DYNAMIC = ("onnx", "openvino", "torchscript")
WARM_CALLS = 5
_SPEED = re.compile(r"Speed: ([\d.]+)ms preprocess, ([\d.]+)ms inference, ([\d.]+)ms postprocess")

Bare = Callable[[NDArray[np.float32]], object]


def bare_safetensors(path: Path) -> Bare:
    """The network itself in torch, its normalisation fused."""
    import torch
    from pose_nn import fuse, load_checkpoint

    net = fuse(load_checkpoint(path).net).to(memory_format=torch.channels_last)

    def run(planes: NDArray[np.float32]) -> object:
        with torch.inference_mode():
            return net(torch.from_numpy(planes)).numpy()

    return run


def bare_saved_model(path: Path) -> Bare:
    """TensorFlow, by the signature of the folder."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    call = loaded.signatures["serving_default"]
    return lambda planes: (loaded, call(tf.constant(planes))["output0"].numpy())


def bare_paddle(path: Path) -> Bare:
    """Paddle's predictor."""
    from paddle import inference

    settings = inference.Config(str(path / "model.json"), str(path / "model.pdiparams"))
    settings.disable_mkldnn()
    settings.disable_glog_info()
    settings.set_cpu_math_library_num_threads(os.cpu_count() or 1)
    predictor = inference.create_predictor(settings)
    taken = predictor.get_input_handle(predictor.get_input_names()[0])

    def run(planes: NDArray[np.float32]) -> object:
        taken.copy_from_cpu(planes)
        predictor.run()
        return predictor.get_output_handle(predictor.get_output_names()[0]).copy_to_cpu()

    return run


def bare_onnx(path: Path) -> Bare:
    """ONNX Runtime as its documentation calls it."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda planes: session.run(None, {name: planes})


def bare_openvino(path: Path) -> Bare:
    """OpenVINO, for the shortest time of one call, in float32."""
    import openvino

    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.Core().compile_model(path / "model.xml", "CPU", settings).create_infer_request()
    return lambda planes: np.array(request.infer([planes], share_inputs=True)[0])


def bare_ncnn(path: Path) -> Bare:
    """Run ncnn in float32."""
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = os.cpu_count() or 1
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.load_param(str(path / "model.ncnn.param"))
    net.load_model(str(path / "model.ncnn.bin"))

    def run(planes: NDArray[np.float32]) -> object:
        extractor = net.create_extractor()
        extractor.input("in0", ncnn.Mat(planes[0]).clone())
        return np.array(extractor.extract("out0")[1])

    return run


def bare_torchscript(path: Path) -> Bare:
    """TorchScript by torch."""
    import torch

    net = torch.jit.load(str(path))

    def run(planes: NDArray[np.float32]) -> object:
        with torch.inference_mode():
            return net(torch.from_numpy(planes)).numpy()

    return run


def bare_tflite(path: Path) -> Bare:
    """LiteRT; its input has the channels at the end."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=os.cpu_count())
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run(planes: NDArray[np.float32]) -> object:
        interpreter.set_tensor(source, planes)
        interpreter.invoke()
        return interpreter.get_tensor(target)

    return run


def child_bare(name: str, path: Path, images: Path, imgsz: int) -> list[float]:
    """Milliseconds of the bare call, image by image."""
    from pose_data.predict.letterbox import letterbox

    run = globals()[f"bare_{name}"](path)
    planes = []
    for image in read_images(images):
        pixels = letterbox(image, (imgsz, imgsz))[0][None].astype(np.float32) / 255
        if name in CHANNELS_LAST:
            planes.append(pixels)
        else:
            channels_first = pixels.transpose(0, 3, 1, 2)
            planes.append(channels_first if name in PIXELS_IN_ORDER else np.ascontiguousarray(channels_first))
    return clock(run, planes)


def child_ours(path: Path, images: Path, rect: bool, imgsz: int) -> list[float]:
    """Milliseconds from image to poses."""
    import pose_export

    size = imgsz if path.suffix == ".safetensors" else None  # which alone has no size of its own
    return clock(pose_export.load(path, rect=rect, imgsz=size), read_images(images))


def clock(run: Callable[..., object], inputs: list[NDArray[np.float32]] | list[NDArray[np.uint8]]) -> list[float]:
    """Call it on each input, after a few calls that don't count."""
    for i in range(WARM_CALLS):
        run(inputs[i % len(inputs)])
    times = []
    for one in inputs:
        start = time.perf_counter()
        run(one)
        times.append(1000 * (time.perf_counter() - start))
    return times


def read_images(folder: Path) -> list[NDArray[np.uint8]]:
    """All images of a folder, RGB."""
    from pose_data import read_image

    kinds = (".jpg", ".jpeg", ".png")
    return [read_image(file) for file in sorted(folder.iterdir()) if file.suffix.lower() in kinds]


def in_own_process(*words: str) -> float:
    """The median of what a child of this script measures."""
    done = subprocess.run([sys.executable, __file__, "--child", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
    return statistics.median(json.loads(done.stdout.strip().splitlines()[-1]))


def run_peer(model: str, images: Path, imgsz: int) -> float | None:
    """Milliseconds per image that `yolo predict` says it takes; None where it says nothing."""
    words = ["yolo", "predict", f"model={model}", f"source={images}", f"imgsz={imgsz}", "save=False", "device=cpu"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    found = _SPEED.search(done.stdout + done.stderr)
    return sum(map(float, found.groups())) if found else None


def export_all(chosen: argparse.Namespace) -> dict[str, Path]:
    """Export what isn't there yet, once of fixed size and once of any where the format can."""
    from pose_export import export, get_format

    files = {}
    for name in chosen.formats:
        for dynamic in (False, True)[: 2 if name in DYNAMIC else 1]:
            target = chosen.output / f"{'any' if dynamic else 'fixed'}{get_format(name).suffix}"
            if not target.exists():
                print(f"exporting {target.name}", flush=True)
                size = {} if name == "safetensors" else {"imgsz": chosen.imgsz, "dynamic": dynamic}
                export(chosen.model, format=name, output=target, **size)
            files[f"{name} dynamic" if dynamic else name] = target
    return files


def main() -> None:
    """Measure in turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path, help="folder")
    parser.add_argument("output", type=Path)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=["onnx"])
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--peer", action="append", default=[], help="file of a peer, for its own `yolo predict`")
    chosen = parser.parse_args()
    chosen.output.mkdir(parents=True, exist_ok=True)
    files = export_all(chosen)
    images, size = str(chosen.images), str(chosen.imgsz)
    measured: dict[str, list[float]] = {}
    for turn in range(chosen.turns):
        for name, path in files.items():
            if name in FORMATS:
                measured.setdefault(f"bare {name}", []).append(in_own_process("bare", name, str(path), images, size))
                measured.setdefault(name, []).append(in_own_process("ours", str(path), images, "square", size))
            else:
                for shape in ("square", "rect"):
                    key = f"{name}, {shape}"
                    measured.setdefault(key, []).append(in_own_process("ours", str(path), images, shape, size))
        for peer in chosen.peer if shutil.which("yolo") else []:
            if (taken := run_peer(peer, chosen.images, chosen.imgsz)) is not None:
                measured.setdefault(f"yolo predict {Path(peer).name}", []).append(taken)
        print(f"turn {turn + 1} of {chosen.turns}", flush=True)
    print_table(measured, chosen.turns)


def print_table(measured: dict[str, list[float]], turns: int) -> None:
    """Medians over the turns; what ours adds is compared turn by turn."""
    print(f"{'':28}{'ms':>8}{'bare':>8}{'added':>8}{'share':>8}   medians of {turns} turns")
    for name, times in measured.items():
        line = f"{name:28}{statistics.median(times):8.2f}"
        if bare := measured.get(f"bare {name}"):
            added = statistics.median(ours - theirs for ours, theirs in zip(times, bare, strict=True))
            share = statistics.median((ours - theirs) / ours for ours, theirs in zip(times, bare, strict=True))
            line += f"{statistics.median(bare):8.2f}{added:8.2f}{share:8.1%}"
        print(line)
    if not shutil.which("yolo"):
        print("no `yolo` command is on the PATH: ours alone")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        kind, *rest = sys.argv[2:]
        if kind == "bare":
            print(json.dumps(child_bare(rest[0], Path(rest[1]), Path(rest[2]), int(rest[3]))))
        else:
            print(json.dumps(child_ours(Path(rest[0]), Path(rest[1]), rest[2] == "rect", int(rest[3]))))
    else:
        main()
