"""Build a graph with the operations of TensorFlow: what SavedModel, GraphDef, TFLite and TF.js are made from.

ONNX has channels second, TensorFlow's convolutions have them last. Feature maps are kept with channels last
from one convolution to the next, and turned back only where the head takes them apart.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import onnx
import tensorflow as tf
from numpy.typing import NDArray
from pose_data import ExportError

from pose_export.convert.graph import Graph, Operation, Table, find_decode, slices, target_shape, walk

INPUT_NAME = "images"
DECODE_SCOPE = "decode/"
_TO_LAST, _TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)
_AXIS_AT_LAST = (0, 3, 1, 2)  # where ONNX's axis is when channels are last


@dataclass(frozen=True)
class Map:
    """A tensor, and whether it is a feature map whose channels were moved to the end."""

    tensor: tf.Tensor
    last: bool = False


Operand: TypeAlias = "Map | NDArray[np.generic] | None"


def make_function(graph: Graph) -> tf.types.experimental.ConcreteFunction:
    """Make a function from `images` (B, H, W, 3) float32 to the named outputs, its weights constants inside."""
    specification = tf.TensorSpec(_input_shape(graph), tf.float32, name=INPUT_NAME)

    def run(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return _build(graph, images, TABLE)

    return tf.function(run, input_signature=[specification], autograph=False).get_concrete_function()


def make_graph_def(graph: Graph, *, spread: bool = False) -> tf.compat.v1.GraphDef:
    """Make a frozen graph from the placeholder `images` (B, H, W, 3) float32 to nodes named like the outputs.

    Args:
        spread: whether tensors that are compared are brought to one shape first.
    """
    table = {**TABLE, **{kind: _spread(TABLE[kind]) for kind in COMPARING}} if spread else TABLE
    with tf.Graph().as_default() as built:
        _build(graph, tf.compat.v1.placeholder(tf.float32, _input_shape(graph), name=INPUT_NAME), table)
    whole = built.as_graph_def()
    taken = {name for node in whole.node for name in node.input}
    nodes = [node for node in whole.node if node.op != "Const" or node.name in taken]
    return tf.compat.v1.GraphDef(versions=whole.versions, node=nodes)


def _input_shape(graph: Graph) -> tuple[int, ...]:
    return tuple(graph.input_shape[axis] for axis in _TO_LAST)


def _build(graph: Graph, images: tf.Tensor, table: Table[Map]) -> dict[str, tf.Tensor]:
    decode = find_decode(graph)
    scoped = {kind: _scoped(make, decode) for kind, make in table.items()}
    outputs = walk(graph, Map(images, last=True), scoped)
    return {name: tf.identity(_first(value), name=name) for name, value in outputs.items()}


def _scoped(make: Callable[[Operation[Map]], Map], decode: frozenset[str]) -> Callable[[Operation[Map]], Map]:
    """Name what an operation makes after its node, or after the decode if it belongs to it."""

    def make_scoped(operation: Operation[Map]) -> Map:
        node = operation.node
        with tf.name_scope(DECODE_SCOPE if node.output in decode else scope_of(node.name)):
            return make(operation)

    return make_scoped


def _spread(make: Callable[[Operation[Map]], Map]) -> Callable[[Operation[Map]], Map]:
    """Repeat what has sides of 1 before an operation does: by adding zeros, which is exact, and fast everywhere."""

    def make_spread(operation: Operation[Map]) -> Map:
        tensors = [_first(value) for value in operation.operands]
        shape = functools.reduce(tf.broadcast_static_shape, (tensor.shape for tensor in tensors))
        spread = (t if t.shape == shape or t.dtype != tf.float32 else t + tf.fill(shape, 0.0) for t in tensors)
        return make(replace(operation, operands=tuple(map(Map, spread))))

    return make_spread


def scope_of(layer: str) -> str:
    """The scope of all that a layer becomes; with a slash at its end, so that it is never numbered."""
    return layer.strip("/") + "/"


def _first(value: Operand) -> tf.Tensor:
    """A tensor with its axes where ONNX has them."""
    if not isinstance(value, Map):
        assert value is not None
        return tf.constant(value.astype(np.int32) if value.dtype == np.int64 else value)
    return tf.transpose(value.tensor, _TO_FIRST) if value.last else value.tensor


def _last(value: Operand) -> tf.Tensor:
    """A tensor of four dimensions with its channels at the end."""
    if isinstance(value, Map):
        return value.tensor if value.last else tf.transpose(value.tensor, _TO_LAST)
    assert value is not None
    return tf.constant(value.transpose(_TO_LAST) if value.ndim == len(_TO_LAST) else value)


def _is_last(value: Operand) -> bool:
    """Whether a tensor has its channels at the end, or can have them there at no cost."""
    if isinstance(value, Map):
        return value.last
    return value is not None and value.ndim in (0, len(_TO_LAST))


def _convolve(operation: Operation[Map]) -> Map:
    """Conv of any stride and padding; TensorFlow's own padding differs for strides over 1."""
    node, weights, bias = operation.node, operation.constant(1), operation.constant(2)
    assert weights is not None
    if node.integer("group", 1) != 1:
        raise ExportError(f"convolutions must have one group; '{node.output}' has {node.integer('group', 1)}")
    top, left, bottom, right = node.integers("pads", (0, 0, 0, 0))
    images = _last(operation.operands[0])
    strides, dilations = node.integers("strides", (1, 1)), node.integers("dilations", (1, 1))
    same = strides == (1, 1) and all(
        before == after == (length - 1) * step // 2 and (length - 1) * step % 2 == 0
        for before, after, length, step in zip((top, left), (bottom, right), weights.shape[2:], dilations, strict=True)
    )
    if not same and any((top, left, bottom, right)):
        images = tf.pad(images, [[0, 0], [top, bottom], [left, right], [0, 0]])
    kernel = tf.constant(np.ascontiguousarray(weights.transpose(2, 3, 1, 0)))
    made = tf.nn.conv2d(images, kernel, strides, "SAME" if same else "VALID", dilations=dilations)
    return Map(made if bias is None else tf.nn.bias_add(made, tf.constant(bias)), last=True)


def _pool(operation: Operation[Map]) -> Map:
    node = operation.node
    size, strides = node.integers("kernel_shape", ()), node.integers("strides", (1, 1))
    pads = node.integers("pads", (0, 0, 0, 0))
    if pads != (size[0] // 2, size[1] // 2) * 2 or strides != (1, 1) or not (size[0] % 2 and size[1] % 2):
        raise ExportError(
            f"pools must keep the size; '{node.output}' has kernel {size}, strides {strides} and pads {pads}"
        )
    return Map(tf.nn.max_pool2d(_last(operation.operands[0]), size, strides, "SAME"), last=True)


def _resize(operation: Operation[Map]) -> Map:
    node, scales = operation.node, operation.constant(2)
    asked = (node.text("mode", "nearest"), node.text("coordinate_transformation_mode", "half_pixel"))
    if scales is None or asked != ("nearest", "asymmetric") or node.text("nearest_mode", "") != "floor":
        raise ExportError(f"resizing must repeat pixels; '{node.output}' asks for {asked}; take another opset")
    images = _last(operation.operands[0])
    size = [int(length * scale) for length, scale in zip(images.shape[1:3], scales[2:], strict=True)]
    made = tf.raw_ops.ResizeNearestNeighbor(images=images, size=size, align_corners=False, half_pixel_centers=False)
    return Map(made, last=True)


def _elementwise(calculate: Callable[..., tf.Tensor]) -> Callable[[Operation[Map]], Map]:
    """An operation that treats all places alike; feature maps stay as they lie if all operands can."""

    def make(operation: Operation[Map]) -> Map:
        last = all(_is_last(value) for value in operation.operands)
        return Map(calculate(*((_last if last else _first)(value) for value in operation.operands)), last=last)

    return make


def _divide(dividend: tf.Tensor, divisor: tf.Tensor) -> tf.Tensor:
    """Divide; by a constant as a product, which more targets have. It is a power of two, so that nothing is lost."""
    known = tf.get_static_value(divisor)
    if known is not None and np.all(np.frexp(known)[0] == 0.5):
        return dividend * tf.constant(1 / known)
    return dividend / divisor


def _join(operation: Operation[Map]) -> Map:
    axis = operation.node.integer("axis", 1)
    last = all(_is_last(value) for value in operation.operands)
    turn = _last if last else _first
    return Map(tf.concat([turn(value) for value in operation.operands], _AXIS_AT_LAST[axis] if last else axis), last)


def _slice(operation: Operation[Map]) -> Map:
    value = operation.operands[0]
    assert isinstance(value, Map)
    chosen = slices(operation, rank=len(value.tensor.shape))
    if value.last:
        chosen = tuple(chosen[axis] for axis in _TO_LAST)
    lengths = [range(length)[part] for part, length in zip(chosen, value.tensor.shape, strict=True)]
    if any(found.step != 1 for found in lengths):
        return Map(value.tensor[chosen], value.last)
    return Map(
        tf.slice(value.tensor, [found.start for found in lengths], [len(found) for found in lengths]), value.last
    )


def _reshape(operation: Operation[Map]) -> Map:
    tensor = _first(operation.operands[0])
    return Map(tf.reshape(tensor, target_shape(operation, tensor.shape)))


def _softmax(operation: Operation[Map]) -> Map:
    return Map(tf.nn.softmax(_first(operation.operands[0]), axis=operation.node.integer("axis", -1)))


def _squeeze(operation: Operation[Map]) -> Map:
    return Map(tf.squeeze(_first(operation.operands[0]), operation.numbers(1)))


def _transpose(operation: Operation[Map]) -> Map:
    return Map(tf.transpose(_first(operation.operands[0]), operation.node.integers("perm", ())))


def _cast(operation: Operation[Map]) -> Map:
    """Change the kind of numbers; whole ones have 32 bits in all of TensorFlow's family."""
    kinds = {int(onnx.TensorProto.FLOAT): tf.float32, int(onnx.TensorProto.INT64): tf.int32}
    return Map(tf.cast(_first(operation.operands[0]), kinds[operation.node.integer("to", 0)]))


def _clip(operation: Operation[Map]) -> Map:
    if len(operation.operands) > 2 and operation.operands[2] is not None:
        raise ExportError(f"clipping must have a lower end only; '{operation.node.output}' has an upper one")
    return Map(tf.maximum(_first(operation.operands[0]), _first(operation.operands[1])))


def _take_best(operation: Operation[Map]) -> tuple[tf.Tensor, tf.Tensor]:
    """The best of each row and where they are; of equal ones the first."""
    best = tf.math.top_k(_first(operation.operands[0]), operation.numbers(1)[0])
    return best.values, best.indices


def _gather(operation: Operation[Map]) -> Map:
    rows, places = (_first(value) for value in operation.operands)
    return Map(tf.gather(rows, places, axis=operation.node.integer("axis", 0)))


def _find_largest(operation: Operation[Map]) -> Map:
    node, tensor = operation.node, _first(operation.operands[0])
    places = tf.argmax(tensor, axis=node.integer("axis", 0), output_type=tf.int32)
    return Map(tf.expand_dims(places, node.integer("axis", 0)) if node.integer("keepdims", 1) else places)


def _reduce_max(operation: Operation[Map]) -> Map:
    node = operation.node
    kept = bool(node.integer("keepdims", 1))
    return Map(tf.reduce_max(_first(operation.operands[0]), node.integers("axes", ()), keepdims=kept))


def _unsqueeze(operation: Operation[Map]) -> Map:
    return Map(tf.expand_dims(_first(operation.operands[0]), operation.numbers(1)[0]))


TABLE: Table[Map] = {
    "Add": _elementwise(tf.add),
    "And": _elementwise(tf.logical_and),
    "ArgMax": _find_largest,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _join,
    "Conv": _convolve,
    "Div": _elementwise(_divide),
    "Equal": _elementwise(tf.equal),
    "Gather": _gather,
    "Greater": _elementwise(tf.greater),
    "Less": _elementwise(tf.less),
    "MatMul": _elementwise(tf.matmul),
    "Max": _elementwise(tf.maximum),
    "MaxPool": _pool,
    "Min": _elementwise(tf.minimum),
    "Mul": _elementwise(tf.multiply),
    "ReduceMax": _reduce_max,
    "Reshape": _reshape,
    "Resize": _resize,
    "Sigmoid": _elementwise(tf.sigmoid),
    "Slice": _slice,
    "Softmax": _softmax,
    "Squeeze": _squeeze,
    "Sub": _elementwise(tf.subtract),
    "TopK:0": lambda operation: Map(_take_best(operation)[0]),
    "TopK:1": lambda operation: Map(_take_best(operation)[1]),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
COMPARING = ("Equal", "Greater", "Less", "Max", "Min")  # kinds of the table that compare two tensors
