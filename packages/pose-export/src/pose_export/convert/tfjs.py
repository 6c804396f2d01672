"""Write TF.js graph models: a folder with the graph as JSON and the weights in pieces, for browsers and node."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.json_format import MessageToDict
from numpy.typing import NDArray
from pose_data import ModelCard
from pose_nn import PoseNet

from pose_export.card import make_metadata
from pose_export.contracts import output_shapes
from pose_export.convert.onnx_graph import add_tools, make_graph
from pose_export.convert.tensorflow import DECODE_SCOPE, INPUT_NAME, make_graph_def
from pose_export.options import ConvertOptions
from pose_export.run.tfjs import check_node

MODEL = "model.json"
_SHARD = 4 * 1024 * 1024  # browsers fetch pieces of this size side by side, and cache them


def convert(net: PoseNet, card: ModelCard, target: Path, options: ConvertOptions) -> ModelCard:
    """Write a network as a TF.js graph model, its card in `userDefinedMetadata`.

    Args:
        net: in eval mode on the CPU, float32; it is left as it is.
        card: with the size, contract and precision that the file will have.
        target: an empty folder.
        options: `contract` and `half` are read. With half, weights are stored in 16 bit and all is
            calculated in 32; the constants of the decode stay in 32.

    Returns:
        The card with the tools' versions among its facts.

    Raises:
        ExportError: node or one of its packages is missing, so that the file couldn't be proven.
    """
    check_node()
    graph, card = make_graph(net, card, options)
    card = add_tools(card, f"tensorflow {tf.__version__}")
    definition = make_graph_def(graph, spread=True)  # 30 times as fast in TF.js's WebAssembly
    constants = {
        node.name: tf.make_ndarray(node.attr["value"].tensor) for node in definition.node if node.op == "Const"
    }
    weights, content = _pack(constants, half=options.half)
    document = {
        "format": "graph-model",
        "generatedBy": f"tensorflow {tf.__version__}",
        "convertedBy": "pose-export",
        "signature": _make_signature(card),
        "userDefinedMetadata": make_metadata(card),
        "modelTopology": _make_topology(definition),
        "weightsManifest": [{"paths": _write_shards(target, content), "weights": weights}],
    }
    (target / MODEL).write_text(json.dumps(document, ensure_ascii=False, sort_keys=True), encoding="utf-8")
    return card


def write_card(path: Path, card: ModelCard) -> None:
    """Put another card into a TF.js model."""
    file = path / MODEL
    document = {**json.loads(file.read_text(encoding="utf-8")), "userDefinedMetadata": make_metadata(card)}
    file.write_text(json.dumps(document, ensure_ascii=False, sort_keys=True), encoding="utf-8")


def _make_topology(graph: tf.compat.v1.GraphDef) -> dict[str, object]:
    """The graph without the numbers of its constants."""
    bare = tf.compat.v1.GraphDef.FromString(graph.SerializeToString())
    for node in bare.node:
        if node.op == "Const":
            node.attr["value"].tensor.tensor_content = b""
            for field in ("float_val", "int_val"):
                node.attr["value"].tensor.ClearField(field)
    topology: dict[str, object] = MessageToDict(bare)
    return topology


def _pack(constants: dict[str, NDArray[np.generic]], *, half: bool) -> tuple[list[dict[str, object]], bytes]:
    """Describe each constant and put the numbers of all one after the other."""
    weights: list[dict[str, object]] = []
    parts = []
    for name, array in constants.items():
        entry: dict[str, object] = {"name": name, "shape": list(array.shape), "dtype": array.dtype.name}
        if half and array.dtype == np.float32 and not name.startswith(DECODE_SCOPE):
            entry["quantization"] = {"dtype": "float16", "original_dtype": "float32"}
            array = array.astype(np.float16)
        weights.append(entry)
        parts.append(array.tobytes())
    return weights, b"".join(parts)


def _write_shards(folder: Path, content: bytes) -> list[str]:
    starts = range(0, len(content), _SHARD)
    names = [f"group1-shard{number}of{len(starts)}.bin" for number in range(1, len(starts) + 1)]
    for name, start in zip(names, starts, strict=True):
        (folder / name).write_bytes(content[start : start + _SHARD])
    return names


def _make_signature(card: ModelCard) -> dict[str, object]:
    outputs = output_shapes(card, batch=card.batch, size=card.imgsz)
    return {
        "inputs": {INPUT_NAME: _describe(INPUT_NAME, (card.batch, *card.imgsz, 3))},
        "outputs": {name: _describe(name, shape) for name, shape in outputs.items()},
    }


def _describe(name: str, shape: tuple[int | None, ...]) -> dict[str, object]:
    sides = [{"size": str(-1 if length is None else length)} for length in shape]
    return {"name": f"{name}:0", "dtype": "DT_FLOAT", "tensorShape": {"dim": sides}}
