"""The convolutions of a graph that may be put into fewer bits, and what they are called in the network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

LEAST_INPUT = -6.0  # of SiLU that gets a place of its own in 8 bit: below it SiLU is within 0.015 of 0
_NETWORK = "/model."  # how tracing names what lies in `PoseNet.model`; the decode has other names
_EARLY = re.compile(r"model\.([01]|2\.cv[12])\.conv")
_LAST = re.compile(r"model\.\d+\.cv[234]\.\d+\.2")
_CONVOLUTION = re.compile(r"/(.+)/Conv(?:/WithoutBiases)?")


def is_in_network(node: str) -> bool:
    """Whether a node of a traced graph is a layer of the network, not a step of the decode."""
    return node.startswith(_NETWORK)


def name_layer(node: str) -> str:
    """The name in the network of a convolution: "/model.0/conv/Conv" is "model.0.conv"; "" for other nodes.

    What lies in a list in a list is called after both: "/model.22/cv2.0/cv2.0.1/conv/Conv" is "model.22.cv2.0.1.conv".
    """
    found = _CONVOLUTION.fullmatch(node)
    parts: list[str] = []
    for part in found[1].split("/") if found else ():
        if parts and part.startswith(f"{parts[-1]}."):
            parts.pop()
        parts.append(part)
    return ".".join(parts)


def gives_rows(layer: str) -> bool:
    """Whether a layer, by its name in the network, is the last of a branch of the head, which gives what is decoded.

    In 8 bit a keypoint would have 256 places for the width of the largest person; in float these 1x1 convolutions
    cost next to nothing.
    """
    return _LAST.fullmatch(layer) is not None


def is_early(layer: str) -> bool:
    """Whether a layer, by its name in the network, is one of the two before all blocks, or at an end of the first.

    By itself each of them loses more in 8 bit than nearly all others, for pixels have more contrast than features; in
    float they cost no time. That the first layers and the last ones keep more bits is usual (Zhou et al.,
    DoReFa-Net, arXiv:1606.06160, section 2.7).
    """
    return _EARLY.fullmatch(layer) is not None


def stays_float(layer: str) -> bool:
    """Whether a layer, by its name in the network, is left out of 8 bit where there is a choice."""
    return is_early(layer) or gives_rows(layer)


def may_be_in_8_bit(layer: str, contract: str, *, all_int8: Sequence[str] = ("heads",)) -> bool:
    """Whether a layer, by its name in the network, can go into 8 bit at all.

    Args:
        contract: of the file.
        all_int8: contracts for which every layer can, as the table of formats has them.
    """
    return contract in all_int8 or not stays_float(layer)


def list_layers(model: onnx.ModelProto) -> dict[str, str]:
    """Layers by name in the network -> node of the graph, in order."""
    nodes = (node.name for node in model.graph.node if node.op_type == "Conv" and is_in_network(node.name))
    return {name_layer(node): node for node in nodes}
