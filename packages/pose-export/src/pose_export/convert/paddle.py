"""Write Paddle inference models: folders that Paddle's own runtime and Paddle Lite's tools read."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import onnx
from pose_data import ExportError, ModelCard
from pose_nn import PoseNet

from pose_export.convert.onnx_graph import add_tools, make_model
from pose_export.options import ConvertOptions
from pose_export.sidecar import write_sidecar


def convert(net: PoseNet, card: ModelCard, target: Path, options: ConvertOptions) -> ModelCard:
    """Write a network as model.json and model.pdiparams, with the card beside them.

    Paddle works in a process of its own: one in which TensorFlow was imported crashes when it imports Paddle.

    Args:
        net: in eval mode on the CPU, float32; it is left as it is.
        card: with the size, batch and contract that the file will have.
        target: an empty folder.
        options: `contract` is read.

    Returns:
        The card with the tools' versions among its facts.

    Raises:
        ExportError: an operation that the graph isn't made of usually, or a failure inside Paddle.
    """
    model, card = make_model(net, card, options)
    with tempfile.TemporaryDirectory(prefix="pose-export-") as folder:
        source = Path(folder) / "network.onnx"
        onnx.save(model, source)
        command = [sys.executable, "-m", "pose_export.convert.paddle_worker", str(source), str(target)]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False)
    lines = [line for line in (done.stdout if done.returncode == 0 else done.stderr).splitlines() if line.strip()]
    if done.returncode:
        said = lines[-1] if lines else f"it ended with {done.returncode}"
        raise ExportError(f"{target}: Paddle can't convert the network; it says: {said}; export it to onnx instead")
    card = add_tools(card, f"paddle {json.loads(lines[-1])['version']}")
    write_sidecar(target, card)
    return card


def write_card(path: Path, card: ModelCard) -> None:
    """Put another card beside a Paddle model."""
    write_sidecar(path, card)
