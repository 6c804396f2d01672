"""Write OpenVINO models: from the ONNX graph, with the card among the model's runtime information."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
import openvino as ov
from pose_data import ModelCard
from pose_nn import PoseNet

from pose_export.card import make_metadata
from pose_export.convert.onnx import list_tools, make_model
from pose_export.options import ConvertOptions
from pose_export.sidecar import write_sidecar

MODEL = "model.xml"
INFO = "model_info"  # the group of runtime information that readers of such models look at


def convert(net: PoseNet, card: ModelCard, target: Path, options: ConvertOptions) -> ModelCard:
    """Write a network as a folder with an OpenVINO model, and the card also beside it.

    Args:
        net: in eval mode on the CPU, float32; it is left as it is.
        card: with the size, batch, contract and precision that the file will have.
        target: an empty folder.
        options: all but `opset` and `simplify` are read; `half` stores 16-bit weights, and whoever runs the
            model calculates as the card says.

    Returns:
        The card with the tools' versions among its facts.

    Raises:
        ExportError: the graph can't be made.
    """
    graph = make_model(net, card, replace(options, half=False))
    model = _read_graph(graph)
    tools = f"{list_tools(options)}, openvino {ov.__version__.split('-')[0]}"
    if options.int8:
        from pose_export.convert.nncf import quantise, tool_name  # large, and only for 8 bit

        model = quantise(model, options)
        tools += f", {tool_name()}"
    card = replace(card, facts={**card.facts, "tools": tools})
    _set_info(model, card)
    ov.save_model(model, target / MODEL, compress_to_fp16=options.half)
    write_sidecar(target, card)
    return card


def write_card(path: Path, card: ModelCard) -> None:
    """Put another card into a folder that `convert` made."""
    core = ov.Core()
    core.set_property({"ENABLE_MMAP": False})  # the weights' file is replaced while the model is still open
    model = core.read_model(path / MODEL)
    _set_info(model, card)
    ov.save_model(model, path / MODEL, compress_to_fp16=card.precision == "float16")
    write_sidecar(path, card)


def _read_graph(graph: onnx.ModelProto) -> ov.Model:
    with TemporaryDirectory(prefix="pose-export-") as folder:
        source = Path(folder) / "graph.onnx"
        onnx.save(graph, source)
        core = ov.Core()
        core.set_property({"ENABLE_MMAP": False})
        return core.read_model(source)


def _set_info(model: ov.Model, card: ModelCard) -> None:
    for key, value in make_metadata(card).items():
        model.set_rt_info(value, [INFO, key])
