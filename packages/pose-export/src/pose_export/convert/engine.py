"""Build TensorRT engines from the ONNX graph, for the GPU that builds them.

Written against the Python API of TensorRT 10 and 11. This project has never run it on a GPU: its tests run it against
a recorded stand-in of the API.
"""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

import onnx
from pose_data import ExportError, ModelCard, atomic_path
from pose_nn import PoseNet

from pose_export.convert.network import INPUT_NAME
from pose_export.convert.onnx import list_tools, make_model
from pose_export.engine_card import write_engine_card
from pose_export.options import ConvertOptions
from pose_export.run.gpu import find_gpu
from pose_export.run.plan import Log, check_version, describe_machine, trt

TIMINGS = "POSE_TENSORRT_TIMINGS"  # environment variable that names a file to keep the timings of layers in
LARGEST = 2  # largest side that a dynamic engine takes, over that which it is tuned for
_GIB = 1 << 30
_LOGGER = logging.getLogger(__name__)


def convert(net: PoseNet, card: ModelCard, target: Path, options: ConvertOptions) -> ModelCard:
    """Write a network as an engine just as TensorRT makes it, and the card beside it.

    Types come from the graph, not from flags of the builder, which TensorRT 11 no longer has: with `half` the graph's
    layers are in float16, with `int8` they stand between QuantizeLinear and DequantizeLinear.

    Args:
        net: in eval mode on the CPU, float32; it is left as it is.
        card: with the size, batch, contract and precision that the file will have.
        target: the engine; its card is written beside it.
        options: all but `opset` are read.

    Returns:
        The card with the tools' versions and the GPU among its facts.

    Raises:
        ExportError: there is no GPU, or TensorRT can't build the network.
    """
    check_version()
    gpu = find_gpu()  # before the work, which takes minutes
    graph = make_model(net, card, options)
    if options.int8:
        from pose_export.convert.qdq import quantise_symmetric  # imports ONNX Runtime, which only this needs

        graph = quantise_symmetric(graph, options)
    target.write_bytes(build_plan(graph, card, options))
    tools = f"{list_tools(options)}, tensorrt {trt.__version__}"
    card = replace(card, facts={**card.facts, **describe_machine(gpu), "tools": tools})
    write_engine_card(target, card)
    return card


def write_card(path: Path, card: ModelCard) -> None:
    """Put another card beside an engine."""
    write_engine_card(path, card)


def build_plan(graph: onnx.ModelProto, card: ModelCard, options: ConvertOptions) -> bytes:
    """Let TensorRT build a graph on the GPU of this thread.

    Args:
        graph: with the types that are to be calculated in.
        card: its size and batch are what the engine is tuned for.
        options: `dynamic` and `workspace` are read.

    Raises:
        ExportError: TensorRT can't read the graph, or can't build it.
    """
    log, progress = Log(), Progress()
    builder = trt.Builder(log)
    network = _read_network(builder, graph, log)
    config = _configure(builder, options)
    config.progress_monitor = progress
    if options.dynamic:
        config.add_optimization_profile(_make_profile(builder, card))
    _use_timings(config)
    plan = builder.build_serialized_network(network, config)
    if progress.interrupted:
        raise KeyboardInterrupt
    if plan is None:
        raise ExportError(
            f"TensorRT {trt.__version__} must build the graph; it says: {log.reason}; "
            "try more workspace, a smaller imgsz, or another contract"
        )
    _keep_timings(config)
    return bytes(plan)


class Progress(trt.IProgressMonitor):  # type: ignore[misc]
    """Logs the phases of a build, and stops it at Ctrl-C. TensorRT calls it from several threads."""

    def __init__(self) -> None:
        super().__init__()
        self.interrupted = False
        self._steps: dict[str, int] = {}

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        """A phase begins; a parent of None means that it is no part of another."""
        self._steps[phase_name] = num_steps
        _LOGGER.info("building the engine: %s", " / ".join(filter(None, (parent_phase, phase_name))))

    def step_complete(self, phase_name: str, step: int) -> bool:
        """A step is done. False asks TensorRT to give the build up."""
        try:
            _LOGGER.debug("building the engine: %s, step %d of %d", phase_name, step + 1, self._steps[phase_name])
        except KeyboardInterrupt:  # Python hears Ctrl-C only while TensorRT calls it
            self.interrupted = True
        return not self.interrupted

    def phase_finish(self, phase_name: str) -> None:
        """A phase is over, done or not."""
        self._steps.pop(phase_name, None)


def _read_network(builder: trt.Builder, graph: onnx.ModelProto, log: Log) -> trt.INetworkDefinition:
    """Give the graph to TensorRT's parser.

    Networks have had a batch dimension in any case since TensorRT 10. Strong typing, in which a tensor has the type
    that the graph gives it, is asked for in 10 and always so in 11, where the flag does nothing and may go.
    """
    typed = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    network = builder.create_network(0 if typed is None else 1 << int(typed))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(graph.SerializeToString()):
        errors = [parser.get_error(i).desc() for i in range(parser.num_errors)]
        reason = " ".join((errors or [log.reason])[0].split())
        raise ExportError(f"TensorRT {trt.__version__} must read the graph; it says: {reason}; try another contract")
    return network


def _configure(builder: trt.Builder, options: ConvertOptions) -> trt.IBuilderConfig:
    """Set what has nothing to do with types, but that float32 means float32 and not the 10 bits of TF32."""
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    if options.workspace is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, int(options.workspace * _GIB))
    return config


def _make_profile(builder: trt.Builder, card: ModelCard) -> trt.IOptimizationProfile:
    """From one image of one cell to the card's batch of twice the card's size, tuned for the card's own."""
    (height, width), stride = card.imgsz, card.stride
    longest = LARGEST * max(height, width)
    profile = builder.create_optimization_profile()
    profile.set_shape(
        INPUT_NAME,
        min=(1, 3, stride, stride),
        opt=(card.batch, 3, height, width),
        max=(card.batch, 3, longest, longest),
    )
    return profile


def _use_timings(config: trt.IBuilderConfig) -> None:
    """Begin with the timings of earlier builds, where a file of them is named; TensorRT refuses those of others."""
    file = _timings_file()
    for kept in (file.read_bytes() if file and file.is_file() else b"", b""):
        cache = config.create_timing_cache(kept)
        if cache is not None and config.set_timing_cache(cache, ignore_mismatch=False):
            return
        _LOGGER.warning("%s: timings of another TensorRT or GPU; they will be replaced", file)


def _keep_timings(config: trt.IBuilderConfig) -> None:
    if file := _timings_file():
        with atomic_path(file) as temporary:
            temporary.write_bytes(bytes(config.get_timing_cache().serialize()))


def _timings_file() -> Path | None:
    name = os.environ.get(TIMINGS)
    return Path(name) if name else None
