"""Write ncnn models: pnnx on a traced network."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import pnnx
import torch
from pose_data import ExportError, ModelCard
from pose_nn import PoseNet

from pose_export.convert.network import ExportedNet, make_example, quiet_tracing
from pose_export.options import ConvertOptions
from pose_export.sidecar import write_sidecar

PARAM, WEIGHTS = "model.ncnn.param", "model.ncnn.bin"


def convert(net: PoseNet, card: ModelCard, target: Path, options: ConvertOptions) -> ModelCard:
    """Write a network as a folder with an ncnn model and its card.

    Args:
        net: in eval mode on the CPU, float32; it is left as it is.
        card: with the size and precision that the file will have; the batch is 1.
        target: an empty folder.
        options: `half` is read: weights are stored in 16 bit.

    Returns:
        The card with the tools' versions among its facts.

    Raises:
        ExportError: pnnx fails.
    """
    with TemporaryDirectory(prefix="pose-export-") as name:
        folder = Path(name)
        with quiet_tracing():
            module = ExportedNet(net, replace(options, half=False))
            traced = torch.jit.trace(module, make_example(card), check_trace=False)  # type: ignore[no-untyped-call]
            torch.jit.save(traced, folder / "model.pt")
        _run_pnnx(folder, card, half=options.half)
        for part in (PARAM, WEIGHTS):
            (target / part).write_bytes((folder / part).read_bytes())
    card = replace(card, facts={**card.facts, "tools": f"torch {torch.__version__}, pnnx {version('pnnx')}"})
    write_sidecar(target, card)
    return card


def write_card(path: Path, card: ModelCard) -> None:
    """Put another card beside a model that `convert` made."""
    write_sidecar(path, card)


def _run_pnnx(folder: Path, card: ModelCard, *, half: bool) -> None:
    """Run pnnx in a folder of its own, where it leaves much besides the two files.

    Raises:
        ExportError: it doesn't write them; with the last that it said.
    """
    shape = ",".join(map(str, (card.batch, 3, *card.imgsz)))
    command = [pnnx.EXEC_PATH, "model.pt", f"inputshape=[{shape}]f32", f"fp16={int(half)}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode or not all((folder / part).is_file() for part in (PARAM, WEIGHTS)):
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        last = said[-1] if said else "nothing"
        raise ExportError(f"pnnx must write {PARAM}; it ended with status {done.returncode}, saying: {last}")
