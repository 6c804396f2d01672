"""What `model=` can say: a file of weights, an exported file, or nothing for the weights that come along."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from pose_data import CheckpointError, ModelCard, Runtime, describe_runtime

from pose_cli.words import MODEL_SUFFIXES, looks_like_model

if TYPE_CHECKING:
    from pose_nn import PoseNet

log = logging.getLogger(__name__)

LEARNER_SUFFIXES = (".safetensors", ".pt")  # of MODEL_SUFFIXES, those that hold weights to learn on
SHIPPED_WEIGHTS = "people-n.safetensors"
PROVIDERS_HELP = "for .onnx files: ONNX Runtime's execution providers, with commas, best first; its choice when empty"
LEARNER_HELP = "file of weights to learn on, or a network's name to begin from scratch; empty takes the shipped weights"


def shipped_weights() -> Path:
    """The file of weights that is part of this package.

    Raises:
        CheckpointError: this installation has none.
    """
    path = resources.files("pose_cli") / "weights" / SHIPPED_WEIGHTS
    if not isinstance(path, Path) or not path.is_file():
        raise CheckpointError(
            f"pose_cli/weights/{SHIPPED_WEIGHTS}: the weights that come with pose-cli are missing from this "
            "installation; name a file with model=FILE, or install pose-cli again from a wheel or a full checkout"
        )
    return path


def find_model(model: str) -> str:
    """Check what `model=` names.

    Args:
        model: a network's name, a file, or "" for the shipped weights.

    Returns:
        The name or the path of the file.

    Raises:
        PoseError: neither a network nor a file.
    """
    path = Path(model).expanduser()
    if not model or path.exists() or path.suffix.lower() in MODEL_SUFFIXES:
        return str(model_file(model))
    from pose_nn import find_architecture

    find_architecture(model)
    return model


def find_start(model: str) -> str:
    """Check what `model=` names where it is to be learnt on.

    Args:
        model: a network's name, a file of weights, or "" for the shipped weights.

    Returns:
        The name or the path of the file.

    Raises:
        PoseError: neither a network nor weights that can be learnt on.
    """
    path = Path(model).expanduser()
    if not model.rstrip("/\\").lower().endswith(MODEL_SUFFIXES) or (is_checkpoint(model) and path.is_file()):
        return find_model(model)
    got = "got an exported file" if path.exists() else "there is no such file"
    raise CheckpointError(
        f"{model}: must be weights to learn on; {got}; give a file that ends in {' or '.join(LEARNER_SUFFIXES)}, or a "
        "network's name"
    )


def export_place(checkpoint: Path, output: str | Path | None, format_name: str | None) -> Path | None:
    """Say where exported files go; None for the place beside the weights.

    Nothing is written beside the weights that come along, among the installed packages: files of these go into the
    current folder.

    Args:
        checkpoint: what is exported.
        output: what was asked for, if anything.
        format_name: of the one file; None when several are written, into a folder.

    Raises:
        ExportError: no such format.
    """
    if output:
        return Path(output)
    if checkpoint.resolve().parent != Path(__file__).resolve().parent / "weights":
        return None
    from pose_export import get_format

    return Path() if format_name is None else Path(checkpoint.stem + get_format(format_name).suffix)


def model_file(model: str) -> Path:
    """Find the file that `model=` names; the shipped weights when it is empty.

    Raises:
        CheckpointError: there is no such file, or it is the name of a network that has learnt nothing.
    """
    if not model:
        return shipped_weights()
    path = Path(model).expanduser()
    if path.is_file() or (path.is_dir() and path.name.lower().endswith(MODEL_SUFFIXES)):
        return path
    if is_network_name(model):
        raise CheckpointError(
            f"model: '{model}' is a network that has learnt nothing yet; "
            f"train it first (pose train model={model} data=...), or name a file of weights"
        )
    if path.is_dir():
        raise CheckpointError(f"{model}: must be a file of weights; got a folder; a run keeps its own in weights/")
    raise CheckpointError(f"{model}: no such file of weights; give one that ends in {', '.join(MODEL_SUFFIXES)}")


def is_checkpoint(model: str) -> bool:
    """Whether a file holds weights to learn on, not an exported network."""
    return model.lower().endswith(LEARNER_SUFFIXES)


def is_network_name(model: str) -> bool:
    """Whether a word names a network and no file of weights."""
    return looks_like_model(model) and not model.lower().endswith(MODEL_SUFFIXES)


def open_runtime(model: str, *, device: str = "", threads: int | None = None, providers: Sequence[str] = ()) -> Runtime:
    """Open a network of any kind of file; torch is imported only for those that need it.

    Args:
        model: a file, or "" for the shipped weights.
        device: "cpu", "cuda:0" and so on, for files that torch runs; "" takes the runtime's choice.
        threads: CPU threads; None takes all cores.
        providers: ONNX Runtime's execution providers, best first, for ONNX files; none take its own choice.

    Raises:
        PoseError: the file is missing, damaged, of no known kind, or can't be told one of the options.
    """
    path = model_file(model)
    if providers or not is_checkpoint(path.name):
        from pose_export import load_runtime

        return load_runtime(path, device=device or None, threads=threads, providers=providers or None)
    from pose_nn import TorchRuntime, load_checkpoint

    checkpoint = load_checkpoint(path)
    for note in checkpoint.notes:
        log.warning("%s: %s", path, note)
    return TorchRuntime(checkpoint.net, checkpoint.card, device=device or "auto", threads=threads)


def runtime_line(model: str, runtime: Runtime) -> str:
    """What is printed of a network: its file, and what runs it, as in "best.onnx: OpenVINO, CPU"."""
    return f"{model_file(model).name}: {describe_runtime(runtime)}"


def warn_of_selection(runtime: Runtime, *, conf: float, iou: float, max_det: int) -> None:
    """Log what a file that selects people itself can't grant of these thresholds."""
    if not hasattr(runtime, "file_card"):  # torch's own, for which nothing else is imported
        return
    from pose_export import describe_selection

    if words := describe_selection(runtime, conf=conf, iou=iou, max_det=max_det):
        log.warning("%s", words)


def load_transferred(model: str, weights: str) -> tuple[PoseNet, ModelCard]:
    """Load a network that takes what fits of another file of weights.

    Args:
        model: a network's name, which then gets the classes and keypoints of the weights, or a file.
        weights: the other file.

    Raises:
        PoseError: no such network, or a file that can't be read.
    """
    from pose_nn import build_network, load_checkpoint, transfer

    source = load_checkpoint(model_file(weights))
    if is_network_name(model):
        net = build_network(model, num_classes=len(source.card.names), kpt_shape=source.card.kpt_shape)
        card = dataclasses.replace(source.card, architecture=net.name)
    else:
        own = load_checkpoint(model_file(model))
        net, card = own.net, own.card
    transfer(net, source.net.state_dict(), keypoints=(source.card.skeleton.names, card.skeleton.names))
    return net, card
