"""From a network to the ONNX graph that TensorFlow's family and Paddle are made from."""

from __future__ import annotations

from dataclasses import replace

import onnx
from pose_data import ModelCard
from pose_nn import PoseNet

from pose_export.convert import onnx as onnx_files
from pose_export.convert.graph import Graph, read_graph
from pose_export.options import ConvertOptions


def make_graph(net: PoseNet, card: ModelCard, options: ConvertOptions) -> tuple[Graph, ModelCard]:
    """Trace and simplify a network in float32, take it apart, and name the tools in its card.

    Args:
        net: in eval mode on the CPU, float32; it is left as it is.
        card: with the size, batch and contract that the graph will have.
        options: `contract` is read; precision is left to the target.
    """
    model, card = make_model(net, card, options)
    return read_graph(model), card


def make_model(net: PoseNet, card: ModelCard, options: ConvertOptions) -> tuple[onnx.ModelProto, ModelCard]:
    """Trace and simplify a network in float32, and name the tools in its card."""
    plain = replace(options, half=False, int8=False, dynamic=False, simplify=True)
    return onnx_files.make_model(net, card, plain), add_tools(card, onnx_files.list_tools(plain))


def add_tools(card: ModelCard, tools: str) -> ModelCard:
    """Name further tools in a card."""
    before = card.facts.get("tools", "")
    return replace(card, facts={**card.facts, "tools": f"{before}, {tools}" if before else tools})
