"""Take a simplified ONNX graph and walk over it once, with a table of operations per target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

import numpy as np
import onnx
from numpy.typing import NDArray
from pose_data import ExportError

Value = TypeVar("Value")  # a tensor of the target
Attribute: TypeAlias = "int | float | str | tuple[int, ...] | tuple[float, ...]"


@dataclass(frozen=True)
class Node:
    """One operation of an ONNX graph with one result.

    Args:
        name: its own, such as "/model.0/conv/Conv".
        kind: such as "Conv", or "TopK:1" for the second result of an operation that has several.
        inputs: names of tensors; "" for one that is left out.
        output: name of its result.
        attributes: by name.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    def integer(self, name: str, default: int) -> int:
        """An attribute that is a whole number."""
        value = self.attributes.get(name, default)
        assert isinstance(value, int)
        return value

    def integers(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """An attribute that is a list of whole numbers."""
        value = self.attributes.get(name, default)
        assert isinstance(value, tuple)
        return tuple(int(number) for number in value)

    def text(self, name: str, default: str) -> str:
        """An attribute that is a word."""
        value = self.attributes.get(name, default)
        assert isinstance(value, str)
        return value


@dataclass(frozen=True)
class Graph:
    """An ONNX graph of fixed shapes with one input.

    Args:
        nodes: each after those whose results it takes.
        constants: weights and shapes, by name.
        input: name of the images.
        input_shape: (B, 3, H, W).
        outputs: names of the results, in the order of the contract.
    """

    nodes: tuple[Node, ...]
    constants: Mapping[str, NDArray[np.generic]]
    input: str
    input_shape: tuple[int, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Operation(Generic[Value]):
    """A node together with the tensors that go into it.

    Args:
        node: what is to be done.
        operands: per input what an operation before it made, or a constant, or None where it is left out.
    """

    node: Node
    operands: tuple[Value | NDArray[np.generic] | None, ...]

    def constant(self, index: int) -> NDArray[np.generic] | None:
        """An input that must be known before the graph runs; None where it is left out.

        Raises:
            ExportError: it is calculated by the graph.
        """
        operand = self.operands[index] if index < len(self.operands) else None
        if operand is None or isinstance(operand, np.ndarray):
            return operand
        raise ExportError(
            f"input {index} of the {self.node.kind} that makes '{self.node.output}' must be a constant; "
            "got one that the graph calculates; export with simplify=True and a fixed size"
        )

    def numbers(self, index: int) -> tuple[int, ...]:
        """A constant input that is a list of whole numbers.

        Raises:
            ExportError: it is left out, or calculated by the graph.
        """
        constant = self.constant(index)
        if constant is None:
            raise ExportError(f"input {index} of the {self.node.kind} that makes '{self.node.output}' must be there")
        return tuple(int(number) for number in constant.reshape(-1))


Table = Mapping[str, Callable[[Operation[Value]], Value]]


def read_graph(model: onnx.ModelProto) -> Graph:
    """Take an ONNX graph apart that was made with a fixed size and simplified.

    Raises:
        ExportError: a dimension without a length.
    """
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    (images,) = (entry for entry in model.graph.input if entry.name not in constants)
    return Graph(
        tuple(part for node in model.graph.node for part in _read_node(node)),
        constants,
        input=images.name,
        input_shape=_fixed_shape(images),
        outputs=tuple(entry.name for entry in model.graph.output),
    )


def walk(
    graph: Graph, images: Value, table: Table[Value], *, weights: Mapping[str, Value] | None = None
) -> dict[str, Value]:
    """Build a graph with the operations of a target.

    Args:
        images: the target's tensor that stands for the input.
        table: per kind of ONNX node what makes its result.
        weights: the target's tensors that stand for constants; the others go to the table as arrays.

    Returns:
        Per output its name and the target's tensor that stands for it.

    Raises:
        ExportError: an operation that the table doesn't have.
    """
    check_kinds(graph, table)
    made: dict[str, Value] = {graph.input: images}
    known: dict[str, Value | NDArray[np.generic] | None] = {"": None, **graph.constants, **(weights or {}), **made}
    for node in graph.nodes:
        made[node.output] = table[node.kind](Operation(node, tuple(known[name] for name in node.inputs)))
        known[node.output] = made[node.output]
    return {name: made[name] for name in graph.outputs}


def find_decode(graph: Graph) -> frozenset[str]:
    """Names of the results that are no feature maps any more: of every Reshape and of all that follows one."""
    found: set[str] = set()
    for node in graph.nodes:
        if node.kind == "Reshape" or found.intersection(node.inputs):
            found.add(node.output)
    return frozenset(found)


def check_kinds(graph: Graph, known: Mapping[str, object]) -> None:
    """Refuse a graph with operations that a target doesn't have.

    Raises:
        ExportError: naming them.
    """
    missing = sorted({node.kind for node in graph.nodes} - set(known))
    if missing:
        raise ExportError(
            f"the graph must be made of {', '.join(sorted(known))}; got {', '.join(missing)} too; "
            "export with simplify=True, or to onnx"
        )


def slices(operation: Operation[Value], *, rank: int) -> tuple[slice, ...]:
    """Read what a Slice node takes, as one slice per dimension.

    Args:
        rank: dimensions of what is sliced.
    """
    starts, ends = operation.numbers(1), operation.numbers(2)
    axes = operation.numbers(3) if operation.constant(3) is not None else tuple(range(len(starts)))
    steps = operation.numbers(4) if operation.constant(4) is not None else (1,) * len(starts)
    chosen = [slice(None)] * rank
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        chosen[axis] = slice(start, end, step)
    return tuple(chosen)


def target_shape(operation: Operation[Value], before: Sequence[int]) -> tuple[int, ...]:
    """Read the shape that a Reshape node gives; its 0 keeps a length, its -1 is worked out."""
    asked = [before[i] if length == 0 else length for i, length in enumerate(operation.numbers(1))]
    if -1 in asked:
        known = -int(np.prod(asked))
        asked[asked.index(-1)] = int(np.prod(before)) // known
    return tuple(asked)


def _read_node(node: onnx.NodeProto) -> tuple[Node, ...]:
    """One node per result; where there are several they are called "TopK:0", "TopK:1"."""
    attributes = {entry.name: _read_attribute(entry) for entry in node.attribute}
    kinds = [node.op_type] if len(node.output) == 1 else [f"{node.op_type}:{i}" for i in range(len(node.output))]
    return tuple(
        Node(node.name, kind, tuple(node.input), output, attributes)
        for kind, output in zip(kinds, node.output, strict=True)
    )


def _read_attribute(entry: onnx.AttributeProto) -> Attribute:
    value = onnx.helper.get_attribute_value(entry)
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, (int, float, str)):
        return value
    return tuple(value)


def _fixed_shape(entry: onnx.ValueInfoProto) -> tuple[int, ...]:
    lengths = [dimension.dim_value for dimension in entry.type.tensor_type.shape.dim]
    if not all(lengths):
        raise ExportError(f"'{entry.name}' of the graph must have a fixed shape; got {lengths}; leave dynamic out")
    return tuple(lengths)
