"""8 bit for TFLite: convolutions in integers and the decode in float, or everything in integers and no decode."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray
from pose_data import ModelCard
from tensorflow.lite.tools import flatbuffer_utils

from pose_export.convert.layers import LEAST_INPUT, name_layer, stays_float
from pose_export.convert.tensorflow import DECODE_SCOPE, INPUT_NAME
from pose_export.options import ConvertOptions
from pose_export.run.channels_last import make_pixels

Samples = Callable[[], Iterator[dict[str, NDArray[np.float32]]]]

_DECODED = ("raw", "nms", "rows")  # contracts that are decoded in float
# Kinds of operations that stay in float where the decode does: SiLU, whose sigmoid in 8 bit costs nearly as much as all
# convolutions, and what has several results and can't be named.
_FLOAT_KINDS = ("LOGISTIC", "MUL", "TOPK_V2")


def quantise(converter: tf.lite.TFLiteConverter, card: ModelCard, options: ConvertOptions) -> bytes:
    """Make a TFLite file of 8 bit, its ranges measured on the calibration images.

    Files of the contracts "raw", "rows" and "nms" take and give float32 and decode and select in float: pixels and
    scores share no scale. SiLU is in float as well. Files of other contracts are integers from end to end: "heads",
    each of whose outputs has a scale of its own, and "normalised", whose coordinates are at most about 1, as the scores
    are. Where layers of theirs are to stay in float, they take and give float32.

    Args:
        converter: of the network in float32.
        card: with the batch and contract of the file.
        options: `calibration` and `keep_float` are read.
    """
    assert options.calibration is not None
    samples = _make_samples(options.calibration, batch=card.batch)
    decode = card.contract in _DECODED
    whole = not decode and not options.keep_float
    names = [] if whole else _find_float(converter.convert(), options.keep_float, decode=decode)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = samples
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    with _quiet():
        if whole:
            converter.inference_input_type = converter.inference_output_type = tf.int8
            return bytes(converter.convert())
        converter.target_spec.supported_ops.append(tf.lite.OpsSet.TFLITE_BUILTINS)
        debugger = tf.lite.experimental.QuantizationDebugger(
            converter=converter,
            debug_dataset=samples,
            debug_options=tf.lite.experimental.QuantizationDebugOptions(
                denylisted_nodes=names, denylisted_ops=list(_FLOAT_KINDS if decode else ())
            ),
        )
        debugger.calibrated_model = _edit_ranges(debugger.calibrated_model, frozenset(names))
        return bytes(debugger.get_nondebug_quantized_model())


def _make_samples(images: NDArray[np.uint8], *, batch: int) -> Samples:
    """Hand out calibration images one call at a time, repeated where there are too few for one."""
    whole = max(len(images) // batch, 1) * batch
    calls = np.resize(images, (whole, *images.shape[1:])).reshape(-1, batch, *images.shape[1:])

    def generate() -> Iterator[dict[str, NDArray[np.float32]]]:
        yield from ({INPUT_NAME: make_pixels(call)} for call in calls)

    return generate


def _find_float(content: bytes, layers: tuple[str, ...], *, decode: bool) -> list[str]:
    """Names of what the operations of a float32 file give that are the decode, or the given layers and what follows.

    What follows a layer, up to the next layers, is in float as it is: an activation in 8 bit after it would throw
    away again what it kept. A tensor that several operations were fused for has all their names, with semicolons
    between.
    """

    def stays(part: str) -> bool:
        """Whether a tensor is of the decode, or what a layer gives before anything else is done to it."""
        layer = _layer_of(part)
        return layer in layers or (decode and (part.startswith(DECODE_SCOPE) or stays_float(layer)))

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    (graph,) = model.subgraphs
    names = [tensor.name.decode() for tensor in graph.tensors]
    in_float = set(graph.outputs) if decode else set()
    for operation in graph.operators:  # in the order in which they are run
        parts = [part for output in operation.outputs for part in names[output].split(";")]
        follows = not any(map(_layer_of, parts)) and not in_float.isdisjoint(operation.inputs)
        if follows or any(map(stays, parts)):
            in_float.update(operation.outputs)
    return [names[output] for operation in graph.operators for output in operation.outputs if output in in_float]


def _edit_ranges(content: bytes, in_float: frozenset[str]) -> bytes:
    """Forget the ranges that were measured between operations in float; let what goes into SiLU begin at LEAST_INPUT.

    What takes a part of a tensor is put into 8 bit, its name or not, where an operation after it asks for a scale of
    its own.

    Args:
        content: a float32 file with ranges.
        in_float: names of what operations in float give.
    """
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    (graph,) = model.subgraphs
    between = {i for i, tensor in enumerate(graph.tensors) if tensor.name.decode() in in_float}
    for operation in graph.operators:
        if between.isdisjoint(operation.outputs):
            between.difference_update(operation.inputs)
    for i in between:
        graph.tensors[i].quantization = None
    for i in _find_inputs_of_silu(model):
        if (measured := graph.tensors[i].quantization) is not None:
            measured.min = np.maximum(measured.min, LEAST_INPUT)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _find_inputs_of_silu(model: schema.ModelT) -> list[int]:
    """Tensors that are multiplied with their own sigmoid, and taken by nothing else."""
    (graph,) = model.subgraphs
    codes = [code.builtinCode for code in model.operatorCodes]
    users: dict[int, list[int]] = {}
    for operation in graph.operators:
        for i in operation.inputs:
            users.setdefault(i, []).append(codes[operation.opcodeIndex])
    silu = sorted((schema.BuiltinOperator.LOGISTIC, schema.BuiltinOperator.MUL))
    return [i for i, kinds in users.items() if sorted(kinds) == silu]


def _layer_of(part: str) -> str:
    """Name in the network of the layer that gives a tensor; "" where it is no convolution."""
    scope, convolution, _ = part.partition("/Conv/")
    return name_layer(f"/{scope}/Conv") if convolution else ""


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep from the user that TensorFlow's own interpreter, which its converter takes, is to be retired."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield
