"""Write ONNX files: traced by torch, simplified by onnxslim, checked by onnx."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import onnx
import onnxslim  # type: ignore[import-untyped]
import torch
from pose_data import ExportError, ModelCard
from pose_nn import PoseNet
from torch.onnx.symbolic_helper import parse_args
from torch.onnx.utils import register_custom_op_symbolic, unregister_custom_op_symbolic

from pose_export.card import make_metadata
from pose_export.contracts import output_shapes
from pose_export.convert.network import INPUT_NAME, ExportedNet, list_outputs, make_example, quiet_tracing
from pose_export.options import ConvertOptions

DEFAULT_OPSET = 17  # read by every runtime of the last years; nothing in these networks needs a later one
OPSETS = (11, 20)  # from the first with a Resize that says how it rounds, to the last that torch's tracer writes
_TRACER = threading.Lock()  # torch's exporter keeps its rules and its state for the whole process


class _Graph(Protocol):
    """What torch hands to a rule for one operation."""

    def op(self, kind: str, *inputs: torch.Value, **attributes: torch.Tensor) -> torch.Value:
        """Add a node."""
        ...


def convert(net: PoseNet, card: ModelCard, target: Path, options: ConvertOptions) -> ModelCard:
    """Write a network as one ONNX file with everything in it.

    Args:
        net: in eval mode on the CPU, float32; it is left as it is.
        card: with the size, batch, contract and precision that the file will have.
        options: all are read.

    Returns:
        The card with the tools' versions among its facts.

    Raises:
        ExportError: an operator set that can't be written, or a graph that doesn't pass the checker.
    """
    model = make_model(net, card, options)
    if options.int8:
        from pose_export.convert.qdq import quantise  # imports ONNX Runtime, which other formats don't need

        model = quantise(model, options)
        check_model(model)
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    card = replace(card, facts={**card.facts, "opset": str(opset), "tools": list_tools(options)})
    onnx.helper.set_model_props(model, make_metadata(card))
    onnx.save(model, target)
    return card


def make_model(net: PoseNet, card: ModelCard, options: ConvertOptions) -> onnx.ModelProto:
    """Make the ONNX graph of a network in memory: what files of ONNX and of formats made from it begin with.

    Args:
        net: in eval mode on the CPU, float32; it is left as it is.
        card: with the size, batch and contract that the file will have.
        options: `opset`, `half`, `dynamic`, `simplify`, `contract` and the thresholds of "nms" are read.

    Raises:
        ExportError: an operator set that can't be written, or a graph that doesn't pass the checker.
    """
    opset = _choose_opset(options.opset)
    with TemporaryDirectory(prefix="pose-export-") as folder:
        target = Path(folder) / "traced.onnx"
        _trace(ExportedNet(net, options), card, target, opset=opset, dynamic=options.dynamic)
        model = onnx.load(target)
    if options.simplify:
        model = onnxslim.slim(model)
        del model.graph.value_info[:]  # shapes of tensors that the simplifier took away
    written = {entry.domain: entry.version for entry in model.opset_import}
    if written.get("", written.get("ai.onnx")) != opset:
        raise ExportError(f"opset must be {opset} as asked; the converter wrote {written}; leave opset out")
    check_model(model)
    return model


def list_tools(options: ConvertOptions) -> str:
    """Name the tools that make a graph, with their versions."""
    tools = f"torch {torch.__version__}, onnx {onnx.__version__}"
    return f"{tools}, onnxslim {onnxslim.__version__}" if options.simplify else tools


def write_card(path: Path, card: ModelCard) -> None:
    """Put another card into an ONNX file."""
    model = onnx.load(path)
    onnx.helper.set_model_props(model, make_metadata(card))
    onnx.save(model, path)


def _choose_opset(opset: int | None) -> int:
    if opset is None:
        return DEFAULT_OPSET
    lowest, highest = OPSETS
    if not lowest <= opset <= highest:
        near = lowest if opset < lowest else highest
        raise ExportError(f"opset must be from {lowest} to {highest}; got {opset}; use {near}, or leave it out")
    return opset


def _trace(module: ExportedNet, card: ModelCard, target: Path, *, opset: int, dynamic: bool) -> None:
    """Trace into a file. torch's other exporter only writes opset 18 and later, so the older one is used.

    Raises:
        ExportError: an operation that the opset doesn't have.
    """
    with _TRACER, quiet_tracing(), _unflatten_is_reshape(opset):
        try:
            torch.onnx.export(
                module,
                (make_example(card),),
                str(target),
                input_names=[INPUT_NAME],
                output_names=list_outputs(card),
                dynamic_axes=_name_axes(card) if dynamic else None,
                opset_version=opset,
                dynamo=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            reason = str(error).strip().splitlines()[0]
            raise ExportError(f"torch can't write opset {opset}: {reason}; try another opset") from error


def _name_axes(card: ModelCard) -> dict[str, dict[int, str]]:
    """Names of the lengths that stay free: (B, 3, H, W) to (B, ..., A), or to (B, ..., h, w) per stride."""
    axes = {INPUT_NAME: {0: "batch", 2: "height", 3: "width"}}
    for name, shape in output_shapes(card, batch=None, size=(None, None)).items():
        step = name.rsplit("_", 1)[-1]
        words = ("batch", "anchors", "anchors") if len(shape) == 3 else ("batch", "", f"height_{step}", f"width_{step}")
        axes[name] = {i: words[i] for i, length in enumerate(shape) if length is None}
        if card.contract == "nms":
            axes[name] = {0: "batch"}  # the number of rows is max_det whatever the size
    return axes


@contextmanager
def _unflatten_is_reshape(opset: int) -> Iterator[None]:
    """Write `unflatten` as one Reshape: torch has no rule for it before opset 13, and a longer one after."""
    register_custom_op_symbolic("aten::unflatten", _reshape, opset)
    try:
        yield
    finally:
        unregister_custom_op_symbolic("aten::unflatten", opset)


@parse_args("v", "i", "is")
def _reshape(graph: _Graph, tensor: torch.Value, dim: int, sizes: list[int]) -> torch.Value:
    """Split the last dimension but one; a 0 keeps one before it, the -1 stands for the last."""
    shape = torch.tensor([0] * dim + sizes + [-1])
    return graph.op("Reshape", tensor, graph.op("Constant", value_t=shape))


def check_model(model: onnx.ModelProto) -> None:
    """Let the checker of ONNX look at a graph.

    Raises:
        ExportError: what it says.
    """
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ExportError(
            f"the graph must pass the ONNX checker; it says: {reason}; try another opset or simplify=False"
        ) from error
