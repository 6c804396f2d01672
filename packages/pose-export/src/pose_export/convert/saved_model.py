"""Write TensorFlow SavedModel folders."""

from __future__ import annotations

import uuid
from pathlib import Path

import tensorflow as tf
from pose_data import ModelCard
from pose_nn import PoseNet
from tensorflow.core.protobuf.fingerprint_pb2 import FingerprintDef

from pose_export.convert.onnx_graph import add_tools, make_graph
from pose_export.convert.tensorflow import make_function
from pose_export.options import ConvertOptions
from pose_export.sidecar import write_sidecar

SIGNATURE = "serving_default"


def convert(net: PoseNet, card: ModelCard, target: Path, options: ConvertOptions) -> ModelCard:
    """Write a network as a SavedModel with one signature and the card beside it.

    Args:
        net: in eval mode on the CPU, float32; it is left as it is.
        card: with the size and batch that the file will have.
        target: an empty folder.
        options: `contract` is read.

    Returns:
        The card with the tools' versions among its facts.
    """
    graph, card = make_graph(net, card, options)
    card = add_tools(card, f"tensorflow {tf.__version__}")
    save_function(make_function(graph), target)
    write_sidecar(target, card)
    return card


def write_card(path: Path, card: ModelCard) -> None:
    """Put another card beside a SavedModel."""
    write_sidecar(path, card)


def save_function(function: tf.types.experimental.ConcreteFunction, folder: Path) -> None:
    """Write a function as the one signature of a SavedModel."""
    module = tf.Module()
    module.run = function
    tf.saved_model.save(module, str(folder), signatures={SIGNATURE: function})
    _fix_identity(folder / "fingerprint.pb")


def _fix_identity(file: Path) -> None:
    """Derive the identity of a SavedModel from its checksums: drawn at random, it would make every file another."""
    if not file.is_file():
        return
    fingerprint = FingerprintDef.FromString(file.read_bytes())
    fingerprint.ClearField("uuid")
    fingerprint.uuid = str(uuid.uuid5(uuid.NAMESPACE_OID, fingerprint.SerializeToString(deterministic=True).hex()))
    file.write_bytes(fingerprint.SerializeToString(deterministic=True))
