"""Write frozen TensorFlow graphs: one file, for programs that read a GraphDef."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from pose_data import ModelCard
from pose_nn import PoseNet

from pose_export.card import make_metadata
from pose_export.convert.onnx_graph import add_tools, make_graph
from pose_export.convert.tensorflow import make_graph_def
from pose_export.options import ConvertOptions

METADATA = "metadata/"  # text constants of these names hold the card; nothing in the graph takes them


def convert(net: PoseNet, card: ModelCard, target: Path, options: ConvertOptions) -> ModelCard:
    """Write a network as a GraphDef, its card among the constants.

    Args:
        net: in eval mode on the CPU, float32; it is left as it is.
        card: with the size and batch that the file will have.
        options: `contract` is read.

    Returns:
        The card with the tools' versions among its facts.
    """
    graph, card = make_graph(net, card, options)
    card = add_tools(card, f"tensorflow {tf.__version__}")
    _write(target, make_graph_def(graph), card)
    return card


def write_card(path: Path, card: ModelCard) -> None:
    """Put another card into a GraphDef file."""
    _write(path, tf.compat.v1.GraphDef.FromString(path.read_bytes()), card)


def _write(path: Path, graph: tf.compat.v1.GraphDef, card: ModelCard) -> None:
    network = [node for node in graph.node if not node.name.startswith(METADATA)]
    texts = tf.Graph()
    with texts.as_default():
        for key, value in make_metadata(card).items():
            tf.constant(value, name=METADATA + key)
    whole = tf.compat.v1.GraphDef(versions=graph.versions, node=[*network, *texts.as_graph_def().node])
    path.write_bytes(whole.SerializeToString(deterministic=True))
