"""The walk over an ONNX graph, with NumPy as its target."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from pose_data import ExportError

onnx = pytest.importorskip("onnx")

from pose_export.convert.graph import (  # noqa: E402 - needs onnx
    Operation,
    find_decode,
    read_graph,
    slices,
    target_shape,
    walk,
)

Array = NDArray[np.float32]


def make_model(*nodes: object, constants: dict[str, Array], shape: tuple[int | str, ...] = (1, 3, 2, 2)) -> object:
    """From `images` to `output0`, both float32."""
    value = onnx.helper.make_tensor_value_info
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()]
    ends = [value(name, onnx.TensorProto.FLOAT, shape) for name in ("images", "output0")]
    return onnx.helper.make_model(onnx.helper.make_graph(list(nodes), "made", ends[:1], ends[1:], tensors))


def test_walk_gives_what_the_nodes_say() -> None:
    node, shape = onnx.helper.make_node, np.array([1, 12])
    nodes = node("Mul", ["images", "two"], ["twice"]), node("Reshape", ["twice", "shape"], ["output0"])
    graph = read_graph(make_model(*nodes, constants={"two": np.float32(2), "shape": shape}))
    table = {
        "Mul": lambda operation: operation.operands[0] * operation.operands[1],
        "Reshape": lambda operation: operation.operands[0].reshape(target_shape(operation, (1, 3, 2, 2))),
    }
    images = np.arange(12, dtype=np.float32).reshape(1, 3, 2, 2)
    np.testing.assert_array_equal(walk(graph, images, table)["output0"], [[2 * n for n in range(12)]])


def test_constants_can_be_tensors_of_the_target() -> None:
    graph = read_graph(
        make_model(onnx.helper.make_node("Mul", ["images", "two"], ["output0"]), constants={"two": np.float32(2)})
    )
    table = {"Mul": lambda operation: f"{operation.operands[0]} * {operation.operands[1]}"}
    assert walk(graph, "x", table, weights={"two": "w"}) == {"output0": "x * w"}


def test_operation_that_the_target_lacks_is_named() -> None:
    graph = read_graph(make_model(onnx.helper.make_node("Erf", ["images"], ["output0"]), constants={}))
    with pytest.raises(ExportError, match=r"must be made of Add, Mul; got Erf too; .*simplify=True"):
        walk(graph, 0, {"Mul": lambda _: 0, "Add": lambda _: 0})


def test_shape_that_the_graph_calculates_is_refused() -> None:
    graph = read_graph(make_model(onnx.helper.make_node("Reshape", ["images", "images"], ["output0"]), constants={}))
    with pytest.raises(ExportError, match=r"input 1 of the Reshape that makes 'output0' must be a constant"):
        walk(graph, object(), {"Reshape": lambda operation: operation.numbers(1)})


def test_free_size_is_refused() -> None:
    model = make_model(
        onnx.helper.make_node("Identity", ["images"], ["output0"]), constants={}, shape=("batch", 3, 2, 2)
    )
    with pytest.raises(ExportError, match=r"'images' of the graph must have a fixed shape; got \[0, 3, 2, 2\]"):
        read_graph(model)


def test_slice_of_one_axis_leaves_the_others_whole() -> None:
    node = onnx.helper.make_node("Slice", ["images", "from", "to", "axis"], ["output0"])
    constants = {"from": np.array([1]), "to": np.array([3]), "axis": np.array([1])}
    graph = read_graph(make_model(node, constants=constants))
    found: list[tuple[slice, ...]] = []

    def keep(operation: Operation[int]) -> int:
        found.append(slices(operation, rank=3))
        return 0

    walk(graph, 0, {"Slice": keep})
    assert found == [(slice(None), slice(1, 3, 1), slice(None))]


@pytest.mark.parametrize(("asked", "made"), [([0, -1], (2, 12)), ([0, 4, 3], (2, 4, 3)), ([-1], (24,))])
def test_reshape_keeps_and_works_out_lengths(asked: list[int], made: tuple[int, ...]) -> None:
    node = onnx.helper.make_node("Reshape", ["images", "shape"], ["output0"])
    graph = read_graph(make_model(node, constants={"shape": np.array(asked)}))
    found: list[tuple[int, ...]] = []
    walk(graph, 0, {"Reshape": lambda operation: found.append(target_shape(operation, (2, 3, 4))) or 0})
    assert found == [made]


def test_decode_is_all_that_follows_a_reshape() -> None:
    node = onnx.helper.make_node
    nodes = [
        node("Sigmoid", ["images"], ["map"]),
        node("Reshape", ["map", "shape"], ["rows"]),
        node("Sigmoid", ["rows"], ["scores"]),
        node("Concat", ["rows", "scores"], ["output0"]),
    ]
    graph = read_graph(make_model(*nodes, constants={"shape": np.array([1, 12])}))
    assert find_decode(graph) == {"rows", "scores", "output0"}
