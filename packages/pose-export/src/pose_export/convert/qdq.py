"""8 bit for ONNX: convolutions between QuantizeLinear and DequantizeLinear, all else in float."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (  # type: ignore[import-untyped]
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from pose_data import ExportError

from pose_export.convert.layers import LEAST_INPUT, list_layers, may_be_in_8_bit
from pose_export.options import ConvertOptions
from pose_export.run.inputs import make_input

LEAST_OPSET = 13  # the first in which every channel of a weight can have a scale of its own
_CLIPPED = "_clipped"


def quantise(model: onnx.ModelProto, options: ConvertOptions) -> onnx.ModelProto:
    """Put the convolutions of a graph into 8 bit.

    Weights get a scale per channel, activations one per tensor, measured on the calibration images; what goes into
    SiLU begins at LEAST_INPUT, for 8 bits are few and below it SiLU gives nearly nothing. The decode, with its
    convolution over the bins of a distance, stays in float: pixels and scores share no scale. So do the earliest
    layers, and those that give what is decoded, but for the contract "heads".

    Args:
        model: from `convert.onnx.make_model`, in float32.
        options: `calibration` and `keep_float` are read.

    Raises:
        ExportError: an operator set before 13.
    """
    layers = _choose_layers(model, options)
    clipped = [layer + _CLIPPED for layer in layers]
    model = _clip_inputs_of_silu(model, frozenset(layers))
    return _quantise(model, [*layers, *clipped], options, activations=QuantType.QUInt8, extra={})


def quantise_symmetric(model: onnx.ModelProto, options: ConvertOptions) -> onnx.ModelProto:
    """Do the same in the form that TensorRT reads: zero is zero everywhere, and biases stay in float.

    Args:
        model: from `convert.onnx.make_model`, in float32.
        options: `calibration` and `keep_float` are read.

    Raises:
        ExportError: an operator set before 13.
    """
    extra = {"ActivationSymmetric": True, "WeightSymmetric": True, "AddQDQPairToWeight": True, "QuantizeBias": False}
    layers = _choose_layers(model, options)
    return _quantise(model, layers, options, activations=QuantType.QInt8, extra=extra)


def _quantise(
    model: onnx.ModelProto,
    nodes: Sequence[str],
    options: ConvertOptions,
    *,
    activations: QuantType,
    extra: dict[str, bool],
) -> onnx.ModelProto:
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if opset < LEAST_OPSET:
        raise ExportError(f"opset must be at least {LEAST_OPSET} with int8; got {opset}; leave opset out")
    assert options.calibration is not None
    with TemporaryDirectory(prefix="pose-export-") as folder, _quiet():
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, source)
        quantize_static(
            str(source),
            str(target),
            _Images(options.calibration, batch=_fixed_batch(model)),
            quant_format=QuantFormat.QDQ,
            nodes_to_quantize=list(nodes),
            op_types_to_quantize=["Conv", "Clip"],
            per_channel=True,
            activation_type=activations,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options=extra,
        )
        return onnx.load(target)


def _choose_layers(model: onnx.ModelProto, options: ConvertOptions) -> list[str]:
    """Nodes of the graph that go into 8 bit."""
    return [
        node
        for name, node in list_layers(model).items()
        if name not in options.keep_float and may_be_in_8_bit(name, options.contract)
    ]


def _clip_inputs_of_silu(model: onnx.ModelProto, layers: frozenset[str]) -> onnx.ModelProto:
    """Put a Clip between each of these layers and its SiLU; the quantiser takes it out again and keeps its range."""
    clipped = onnx.ModelProto()
    clipped.CopyFrom(model)
    graph = clipped.graph
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    graph.initializer.append(onnx.numpy_helper.from_array(np.float32(LEAST_INPUT), "least_input"))
    for place, node in reversed(list(enumerate(graph.node))):
        uses = users.get(node.output[0], [])
        if node.name not in layers or sorted(use.op_type for use in uses) != ["Mul", "Sigmoid"]:
            continue
        output = node.output[0]
        clip = onnx.helper.make_node("Clip", [output, "least_input"], [output + _CLIPPED], node.name + _CLIPPED)
        for use in uses:
            use.input[list(use.input).index(output)] = output + _CLIPPED
        graph.node.insert(place + 1, clip)
    return clipped


class _Images(CalibrationDataReader):  # type: ignore[misc]
    """Hands out calibration images one call at a time."""

    def __init__(self, images: NDArray[np.uint8], *, batch: int) -> None:
        whole = max(len(images) // batch, 1) * batch
        images = np.resize(images, (whole, *images.shape[1:]))  # repeats images that are too few for one call
        self._calls: Iterator[NDArray[np.uint8]] = iter(images.reshape(-1, batch, *images.shape[1:]))

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """Give the next input, or None after the last."""
        images = next(self._calls, None)
        return None if images is None else {"images": make_input(images)}


def _fixed_batch(model: onnx.ModelProto) -> int:
    return model.graph.input[0].type.tensor_type.shape.dim[0].dim_value or 1


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the quantiser's advice about preprocessing from the user: the graph is simplified already."""
    logger = logging.getLogger()
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
