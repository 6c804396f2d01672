"""Build an ONNX graph with the operations of Paddle and save it; run as a program of its own.

    python -m pose_export.convert.paddle_worker network.onnx FOLDER

Paddle is imported inside functions: it mustn't be in a process that has imported TensorFlow.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from pose_data import ExportError

from pose_export.convert.graph import Graph, Operation, Table, read_graph, slices, target_shape, walk

if TYPE_CHECKING:
    from paddle import Tensor

MODEL = "model"  # the name that both files have before their suffix


def main(arguments: list[str]) -> None:
    """Convert an ONNX file into a folder and print Paddle's version as JSON."""
    source, target = map(Path, arguments)
    print(json.dumps({"version": save(read_graph(onnx.load(source)), target)}))


def save(graph: Graph, folder: Path) -> str:
    """Write a graph as a Paddle inference model.

    Returns:
        Paddle's version.

    Raises:
        ExportError: an operation that the table doesn't have.
    """
    import paddle

    paddle.enable_static()
    main_program, startup = paddle.static.Program(), paddle.static.Program()
    with paddle.static.program_guard(main_program, startup):
        images = paddle.static.data(graph.input, list(graph.input_shape), "float32")
        outputs = walk(graph, images, make_table(), weights=_make_weights(graph))
        executor = paddle.static.Executor(paddle.CPUPlace())
        executor.run(startup)
        results = list(outputs.values())
        paddle.static.save_inference_model(str(folder / MODEL), [images], results, executor, program=main_program)
    return str(paddle.__version__)


def make_table() -> Table[Tensor]:
    """Paddle's operations; its axes are where ONNX has them."""
    import paddle

    return {
        "Add": _elementwise(paddle.add),
        "And": _elementwise(paddle.logical_and),
        "ArgMax": _find_largest,
        "Cast": _cast,
        "Clip": _clip,
        "Concat": lambda operation: paddle.concat(list(operation.operands), axis=operation.node.integer("axis", 1)),
        "Conv": _convolve,
        "Div": _elementwise(paddle.divide),
        "Equal": _elementwise(paddle.equal),
        "Gather": lambda operation: paddle.gather(*_tensors(operation), axis=operation.node.integer("axis", 0)),
        "Greater": _elementwise(paddle.greater_than),
        "Less": _elementwise(paddle.less_than),
        "MatMul": _elementwise(paddle.matmul),
        "Max": _elementwise(paddle.maximum),
        "MaxPool": _pool,
        "Min": _elementwise(paddle.minimum),
        "Mul": _elementwise(paddle.multiply),
        "ReduceMax": _reduce_max,
        "Reshape": lambda operation: paddle.reshape(
            _first(operation), target_shape(operation, _first(operation).shape)
        ),
        "Resize": _resize,
        "Sigmoid": _elementwise(paddle.nn.functional.sigmoid),
        "Slice": _slice,
        "Softmax": lambda operation: paddle.nn.functional.softmax(
            _first(operation), axis=operation.node.integer("axis", -1)
        ),
        "Squeeze": lambda operation: paddle.squeeze(_first(operation), axis=list(operation.numbers(1))),
        "Sub": _elementwise(paddle.subtract),
        "TopK:0": lambda operation: _take_best(operation)[0],
        "TopK:1": lambda operation: _take_best(operation)[1],
        "Transpose": lambda operation: paddle.transpose(_first(operation), operation.node.integers("perm", ())),
        "Unsqueeze": lambda operation: paddle.unsqueeze(_first(operation), axis=list(operation.numbers(1))),
    }


def _make_weights(graph: Graph) -> dict[str, Tensor]:
    """Parameters for all constants that are numbers of the network; shapes and axes stay arrays."""
    import paddle

    scales = {name for node in graph.nodes if node.kind == "Resize" for name in node.inputs[1:]}
    floats = {name: array for name, array in graph.constants.items() if np.issubdtype(array.dtype, np.floating)}
    return {
        name: paddle.create_parameter(
            list(array.shape),
            "float32",
            name=f"weight_{number}",
            default_initializer=paddle.nn.initializer.Assign(array.astype(np.float32)),
        )
        for number, (name, array) in enumerate(floats.items())
        if name not in scales
    }


def _first(operation: Operation[Tensor]) -> Tensor:
    return operation.operands[0]


def _elementwise(calculate: Callable[..., Tensor]) -> Callable[[Operation[Tensor]], Tensor]:
    return lambda operation: calculate(*_tensors(operation))


def _tensors(operation: Operation[Tensor]) -> list[Tensor]:
    """All inputs; whole numbers that are known, which are no weights, become tensors."""
    import paddle

    return [paddle.assign(value) if isinstance(value, np.ndarray) else value for value in operation.operands]


def _convolve(operation: Operation[Tensor]) -> Tensor:
    import paddle

    node = operation.node
    images, weights, *bias = operation.operands
    top, left, bottom, right = node.integers("pads", (0, 0, 0, 0))
    return paddle.nn.functional.conv2d(
        images,
        weights,
        bias[0] if bias else None,
        stride=list(node.integers("strides", (1, 1))),
        padding=[top, bottom, left, right],
        dilation=list(node.integers("dilations", (1, 1))),
        groups=node.integer("group", 1),
    )


def _pool(operation: Operation[Tensor]) -> Tensor:
    import paddle

    node = operation.node
    top, left, bottom, right = node.integers("pads", (0, 0, 0, 0))
    return paddle.nn.functional.max_pool2d(
        _first(operation),
        list(node.integers("kernel_shape", ())),
        stride=list(node.integers("strides", (1, 1))),
        padding=[top, bottom, left, right],
    )


def _resize(operation: Operation[Tensor]) -> Tensor:
    import paddle

    node, scales = operation.node, operation.constant(2)
    asked = (node.text("mode", "nearest"), node.text("coordinate_transformation_mode", "half_pixel"))
    if scales is None or asked != ("nearest", "asymmetric") or node.text("nearest_mode", "") != "floor":
        raise ExportError(f"resizing must repeat pixels; '{node.output}' asks for {asked}; take another opset")
    size = [int(length * scale) for length, scale in zip(_first(operation).shape[2:], scales[2:], strict=True)]
    return paddle.nn.functional.interpolate(_first(operation), size=size, mode="nearest")


def _slice(operation: Operation[Tensor]) -> Tensor:
    import paddle

    images = _first(operation)
    lengths = [range(n)[part] for part, n in zip(slices(operation, rank=len(images.shape)), images.shape, strict=True)]
    axes = list(range(len(lengths)))
    starts, ends, steps = ([getattr(found, name) for found in lengths] for name in ("start", "stop", "step"))
    return paddle.strided_slice(images, axes=axes, starts=starts, ends=ends, strides=steps)


def _cast(operation: Operation[Tensor]) -> Tensor:
    import paddle

    kinds = {int(onnx.TensorProto.FLOAT): "float32", int(onnx.TensorProto.INT64): "int64"}
    return paddle.cast(_first(operation), kinds[operation.node.integer("to", 0)])


def _clip(operation: Operation[Tensor]) -> Tensor:
    import paddle

    numbers, lowest, *highest = _tensors(operation)
    if any(end is not None for end in highest):
        raise ExportError(f"clipping must have a lower end only; '{operation.node.output}' has an upper one")
    return paddle.maximum(numbers, lowest)


def _find_largest(operation: Operation[Tensor]) -> Tensor:
    import paddle

    node = operation.node
    return paddle.argmax(_first(operation), axis=node.integer("axis", 0), keepdim=bool(node.integer("keepdims", 1)))


def _reduce_max(operation: Operation[Tensor]) -> Tensor:
    import paddle

    node = operation.node
    return paddle.max(
        _first(operation), axis=list(node.integers("axes", ())), keepdim=bool(node.integer("keepdims", 1))
    )


def _take_best(operation: Operation[Tensor]) -> tuple[Tensor, Tensor]:
    """The best of each row and where they are."""
    import paddle

    best, places = paddle.topk(_first(operation), operation.numbers(1)[0], axis=operation.node.integer("axis", -1))
    return best, places


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ExportError as error:
        sys.exit(str(error))
