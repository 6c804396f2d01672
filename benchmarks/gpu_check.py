"""Whether everything is right on a GPU: the networks against the reference numbers, and training against the CPU's.

python benchmarks/gpu_check.py OUTPUT

For each network, the largest difference from the reference's outputs (those of pose-nn's tests, seeded weights), in
pixels of the input and in scores: float32 on the GPU, then float16 and bfloat16. Seeded weights make differences look
worse than trained ones do, so the weights that come along follow, by keypoint AP on drawn people. Last, three epochs of
fine-tuning on drawn people from the same start: on the GPU in bfloat16, three seeds, and on the CPU in float32.
"""

from __future__ import annotations

import argparse
import importlib.util
import types
from pathlib import Path

import numpy as np
import torch
from kept import Kept, draw_people
from numpy.typing import NDArray
from pose_cli.models import shipped_weights
from pose_nn import PoseNet, TorchRuntime, build_network, fuse, load_checkpoint
from pose_train import TrainSettings, train, validate

ORACLES = Path(__file__).parent.parent / "packages/pose-nn/tests/oracles"
NAMES = ("yolov8n-pose", "yolov8s-pose", "yolov8m-pose", "yolov8l-pose", "yolov8x-pose", "yolov8x-pose-p6")
SCORE_ROWS = (4, *range(7, 56, 3))  # the class and each keypoint's visibility; all other rows are pixels
SIZE = 320  # pixels, of the weights that come along
TRAIN, VAL = 800, 200
EPOCHS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--skip-cpu", action="store_true", help="leave out the run on the CPU")
    chosen = parser.parse_args()
    learnt, held_out = draw_people(TRAIN, size=320, seed=900), draw_people(VAL, size=320, seed=901)
    compare_networks(chosen.device)
    compare_precisions(chosen.device, held_out)
    runs = [("cuda bf16", chosen.device, seed) for seed in range(3)] + [("cpu float32", "cpu", 0)] * (
        not chosen.skip_cpu
    )
    for name, device, seed in runs:
        ap = fine_tune(chosen.output / f"{name} {seed}".replace(" ", "-"), learnt, held_out, device=device, seed=seed)
        print(f"{EPOCHS} epochs of {TRAIN} images at {SIZE} px, {name}, seed {seed}: {ap}", flush=True)


def compare_networks(device: str) -> None:
    """Print how far each precision is from the reference."""
    maker = load_maker()
    print("largest difference from the reference: px (share of the largest value), scores")
    with np.load(ORACLES / "forward.npz") as arrays:
        for name in NAMES:
            net = make_seeded(name, maker)
            images = torch.from_numpy(maker.seeded_image(2 if name == "yolov8n-pose" else 1, 128, 192)).to(device)
            wanted, anchors = arrays[f"{name}.decoded"], arrays[f"{name}.anchors"]
            cells = [f"{name:16}"]
            for kind in (torch.float32, torch.float16, torch.bfloat16):
                cells.append(compare(run(net, images, kind)[:, :, anchors], wanted, str(kind).removeprefix("torch.")))
            print("  ".join(cells), flush=True)


def run(net: PoseNet, images: torch.Tensor, kind: torch.dtype) -> NDArray[np.float32]:
    """Decoded outputs of the fused network in a precision; no TF32."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    fused = fuse(net).to(images.device, kind)
    with torch.inference_mode():
        rows = fused(images.to(kind))
    assert isinstance(rows, torch.Tensor)
    result: NDArray[np.float32] = rows.float().cpu().numpy()
    return result


def compare(found: NDArray[np.float32], wanted: NDArray[np.float32], name: str) -> str:
    """Write the largest differences of pixels and of scores."""
    difference = np.abs(found - wanted)
    scores = np.isin(np.arange(found.shape[1]), SCORE_ROWS)
    pixels = difference[:, ~scores].max()
    return f"{name} {pixels:.2g} ({pixels / np.abs(wanted).max():.1e}), {difference[:, scores].max():.1e}"


def compare_precisions(device: str, held_out: Kept) -> None:
    """Keypoint AP of the weights that come along, by precision."""
    checkpoint = load_checkpoint(shipped_weights())
    for name, precision in (("cpu", "float32"), (device, "float32"), (device, "float16"), (device, "bfloat16")):
        runtime = TorchRuntime(checkpoint.net, checkpoint.card, device=name, precision=precision)
        metrics = validate(runtime, held_out, imgsz=SIZE, batch=32).metrics
        print(
            f"weights that come along, {name} {precision}: "
            f"keypoint AP {metrics.keypoints.ap:.5f}, box AP {metrics.boxes.ap:.5f}"
        )


def fine_tune(output: Path, learnt: Kept, held_out: Kept, *, device: str, seed: int) -> str:
    """Train for a few epochs from the weights that come along; return the AP of the last."""
    settings = TrainSettings(
        model=str(shipped_weights()),
        project=str(output),
        epochs=EPOCHS,
        imgsz=SIZE,
        batch=16,
        device=device,
        seed=seed,
        mosaic=0.0,
        warmup_epochs=1.0,
        plots=False,
    )
    result = train(settings, train_samples=learnt, val_samples=held_out)
    checkpoint = load_checkpoint(result.last)
    metrics = validate(TorchRuntime(checkpoint.net, checkpoint.card, device=device), held_out, imgsz=SIZE).metrics
    figures = f"keypoint AP {metrics.keypoints.ap:.4f}, box AP {metrics.boxes.ap:.4f}"
    return f"{figures}, {result.seconds:.0f} s"


def load_maker() -> types.ModuleType:
    """The maker of seeded weights and images."""
    spec = importlib.util.spec_from_file_location("seeded_weights", ORACLES / "seeded_weights.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_seeded(name: str, maker: types.ModuleType) -> PoseNet:
    """Build a network with seeded weights."""
    with torch.device("meta"):
        net = build_network(name)
    net = net.to_empty(device="cpu")
    state = maker.seeded_state({key: tuple(tensor.shape) for key, tensor in net.state_dict().items()})
    net.load_state_dict({key: torch.from_numpy(np.asarray(array)) for key, array in state.items()})
    return net.eval()


if __name__ == "__main__":
    main()
