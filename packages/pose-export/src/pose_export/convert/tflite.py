"""Write TFLite files with TensorFlow's converter."""

from __future__ import annotations

import tempfile
from pathlib import Path

import tensorflow as tf
from pose_data import ModelCard
from pose_nn import PoseNet

from pose_export.convert.integers import quantise
from pose_export.convert.onnx_graph import add_tools, make_graph
from pose_export.convert.saved_model import save_function
from pose_export.convert.tensorflow import make_function
from pose_export.options import ConvertOptions
from pose_export.zipped import write_zipped


def convert(net: PoseNet, card: ModelCard, target: Path, options: ConvertOptions) -> ModelCard:
    """Write a network as a TFLite file, its card in a zip archive at the end, which readers skip.

    Args:
        net: in eval mode on the CPU, float32; it is left as it is.
        card: with the size, batch, contract and precision that the file will have.
        options: `contract`, `half`, `int8`, `calibration` and `keep_float` are read. With half, weights are
            stored in 16 bit and all is calculated in 32. With int8 see `convert.integers`.

    Returns:
        The card with the tools' versions among its facts.
    """
    graph, card = make_graph(net, card, options)
    card = add_tools(card, f"tensorflow {tf.__version__}")
    with tempfile.TemporaryDirectory(prefix="pose-export-") as folder:
        save_function(make_function(graph), Path(folder))
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if options.half:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        target.write_bytes(quantise(converter, card, options) if options.int8 else converter.convert())
    write_card(target, card)
    return card


def write_card(path: Path, card: ModelCard) -> None:
    """Put another card into a TFLite file."""
    write_zipped(path, card)
