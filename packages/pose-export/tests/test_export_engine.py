"""TensorRT engines, against a recorded stand-in of its Python API and of CUDA's: no engine is built or run here.

What the stand-ins offer, and no more, is what the documentation of TensorRT 10 and 11 and of cuda-bindings 13 has under
these names. They record what they are told; a plan is a line of text. Tests with "stand_in" in their names say what the
builder and the runtime tell TensorRT. Whether TensorRT does it, only a machine with a GPU can say.
"""

from __future__ import annotations

import ctypes
import enum
import gc
import importlib
import json
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard
from pose_export import get_format, load_runtime
from pose_export.contracts import output_shapes
from pose_export.engine_card import engine_card_path, write_engine_card
from pose_export.options import ConvertOptions
from pose_export.places import choose_target, new_output

if TYPE_CHECKING:
    from pose_nn import PoseNet

Planted = dict[str, NDArray[np.float32]]
PLAN = b"not an engine: what the stand-in of TensorRT gives for one"
pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="TensorRT runs on Linux and Windows only")
needs_convert = pytest.mark.needs("torch", "pose_nn", "onnx", "onnxslim")


class Severity(enum.Enum):
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class CudaError(enum.Enum):
    cudaSuccess, cudaErrorMemoryAllocation, cudaErrorNoDevice = 0, 2, 100  # noqa: N815


class Logged:
    """Base of what the caller implements: a log, a progress monitor."""

    Severity = Severity


@dataclass
class StandIn:
    """TensorRT and CUDA as far as they are called, and what they were told.

    Args:
        version: of TensorRT.
        gpus: how many there are.
        parses: whether TensorRT understands the graph.
        builds: whether it can build it.
        takes: whether it takes a plan.
        shapes: of the tensors of an engine, input first, with -1 for a free length.
        answers: one image's worth of each output.
        highest: largest shape of the input.
    """

    version: str = "11.4.0.106"
    gpus: int = 1
    parses: bool = True
    builds: bool = True
    takes: bool = True
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    answers: Planted = field(default_factory=dict)
    highest: tuple[int, ...] = (1, 3, 128, 128)
    told: list[tuple[Any, ...]] = field(default_factory=list)
    ran: list[NDArray[np.float32]] = field(default_factory=list)
    memory: dict[int, NDArray[np.uint8]] = field(default_factory=dict)

    def words(self, name: str) -> list[list[Any]]:
        return [list(words[1:]) for words in self.told if words[0] == name]

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        runtime = SimpleNamespace(**{name: getattr(self, name) for name in dir(self) if name.startswith("cuda")})
        runtime.cudaError_t = CudaError
        runtime.cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice="up", cudaMemcpyDeviceToHost="down")
        runtime.cudaStream_t = int
        parts: dict[str, dict[str, object]] = {
            "cuda": {},
            "cuda.bindings": {"runtime": runtime},
            "tensorrt": self.api(),
        }
        for name, content in parts.items():
            module = ModuleType(name)
            module.__dict__.update(content)
            monkeypatch.setitem(sys.modules, name, module)
        for name in ("run.gpu", "run.plan", "run.engine", "convert.engine"):
            monkeypatch.delitem(sys.modules, f"pose_export.{name}", raising=False)

    # TensorRT

    def api(self) -> dict[str, object]:
        typed = {} if self.version >= "12" else {"STRONGLY_TYPED": 1}
        return {
            "__version__": self.version,
            "ILogger": Logged,
            "IProgressMonitor": Logged,
            "NetworkDefinitionCreationFlag": SimpleNamespace(**typed),
            "BuilderFlag": SimpleNamespace(TF32="TF32"),  # no FP16 and no INT8: asking for one fails
            "MemoryPoolType": SimpleNamespace(WORKSPACE="WORKSPACE"),
            "TensorIOMode": SimpleNamespace(INPUT="in", OUTPUT="out"),
            "float32": "float32",
            "nptype": np.dtype,
            "Builder": self.builder,
            "OnnxParser": self.parser,
            "Runtime": self.runtime,
            **dict.fromkeys(("INetworkDefinition", "IBuilderConfig", "IOptimizationProfile", "ICudaEngine")),
        }

    def note(self, name: str, answer: object = None) -> Callable[..., Any]:
        def record(*words: object, **named: object) -> object:
            self.told.append((name, *words, *named.values()))
            return answer

        return record

    def builder(self, log: Any) -> SimpleNamespace:
        cache = SimpleNamespace(serialize=lambda: b"timings")
        self.config = SimpleNamespace(
            clear_flag=self.note("clear_flag"),
            set_memory_pool_limit=self.note("set_memory_pool_limit"),
            add_optimization_profile=self.note("add_optimization_profile", 0),
            create_timing_cache=lambda kept: self.note("create_timing_cache", kept)(kept),
            set_timing_cache=lambda kept, ignore_mismatch: kept != b"another GPU's",
            get_timing_cache=lambda: cache,
        )
        profile = SimpleNamespace(set_shape=self.note("set_shape"))

        def build(network: object, config: SimpleNamespace) -> bytes | None:
            monitor = config.progress_monitor
            monitor.phase_start("Tactic Selection", None, 2)
            going = monitor.step_complete("Tactic Selection", 0)
            monitor.phase_finish("Tactic Selection")
            if not self.builds:
                log.log(Severity.ERROR, "Error Code 10: no implementation\nfor node Conv_3")
            return PLAN if self.builds and going else None

        return SimpleNamespace(
            create_network=self.note("create_network", "network"),
            create_builder_config=lambda: self.config,
            create_optimization_profile=lambda: profile,
            build_serialized_network=build,
        )

    def parser(self, network: object, log: Any) -> SimpleNamespace:
        error = SimpleNamespace(desc=lambda: "Assertion failed: no importer\nfor operation Foo")
        return SimpleNamespace(
            parse=self.note("parse", self.parses), num_errors=1 - self.parses, get_error=lambda _: error
        )

    def runtime(self, log: Any) -> SimpleNamespace:
        def read(plan: bytes) -> SimpleNamespace | None:
            if not self.takes:
                log.log(Severity.ERROR, "Error Code 1: Serialization (Version tag does not match.)")
            return self.engine() if self.takes else None

        return SimpleNamespace(deserialize_cuda_engine=read)

    def engine(self) -> SimpleNamespace:
        names = list(self.shapes)
        return SimpleNamespace(
            num_io_tensors=len(names),
            get_tensor_name=names.__getitem__,
            get_tensor_mode=lambda name: "in" if name == "images" else "out",
            get_tensor_dtype=lambda name: "float32",
            get_tensor_shape=self.shapes.__getitem__,
            get_tensor_profile_shape=lambda name, profile: ((1, 3, 32, 32), (1, 3, 64, 64), self.highest),
            create_execution_context=self.context,
        )

    def context(self) -> SimpleNamespace:
        places: dict[str, int] = {}
        shape: list[tuple[int, ...]] = []

        def take_shape(name: str, asked: tuple[int, ...]) -> bool:
            shape.append(asked)
            return True

        def take_address(name: str, address: int) -> bool:
            places[name] = address
            return True

        def run(stream_handle: int) -> bool:
            (images,) = shape[-1:]
            size = 4 * int(np.prod(images))
            self.ran.append(self.memory[places["images"]][:size].view(np.float32).reshape(images).copy())
            for name, answer in self.answers.items():
                content = np.ascontiguousarray(np.repeat(answer, images[0], axis=0)).view(np.uint8).ravel()
                self.memory[places[name]][: len(content)] = content
            return True

        return SimpleNamespace(
            set_input_shape=take_shape,
            set_tensor_address=take_address,
            get_tensor_shape=lambda name: (shape[-1][0], *self.answers[name].shape[1:]),
            execute_async_v3=run,
        )

    # CUDA

    def cudaGetDeviceCount(self) -> tuple[CudaError, int]:  # noqa: N802
        return (CudaError.cudaSuccess, self.gpus) if self.gpus else (CudaError.cudaErrorNoDevice, 0)

    def cudaGetErrorString(self, status: CudaError) -> tuple[CudaError, bytes]:  # noqa: N802
        texts = {CudaError.cudaErrorNoDevice: b"no CUDA-capable device is detected"}
        return CudaError.cudaSuccess, texts.get(status, b"out of memory")

    def cudaGetDeviceProperties(self, index: int) -> tuple[CudaError, SimpleNamespace]:  # noqa: N802
        return CudaError.cudaSuccess, SimpleNamespace(name=f"GPU {index}".encode(), major=9, minor=0)

    def cudaDriverGetVersion(self) -> tuple[CudaError, int]:  # noqa: N802
        return CudaError.cudaSuccess, 13010

    def cudaSetDevice(self, index: int) -> tuple[CudaError]:  # noqa: N802
        return (CudaError.cudaSuccess,)

    def cudaStreamCreate(self) -> tuple[CudaError, int]:  # noqa: N802
        return CudaError.cudaSuccess, 7

    def cudaStreamDestroy(self, stream: int) -> tuple[CudaError]:  # noqa: N802
        return (CudaError.cudaSuccess,)

    def cudaStreamSynchronize(self, stream: int) -> tuple[CudaError]:  # noqa: N802
        return (CudaError.cudaSuccess,)

    def cudaMalloc(self, size: int) -> tuple[CudaError, int]:  # noqa: N802
        if size > 1 << 20:
            return CudaError.cudaErrorMemoryAllocation, 0
        block = np.zeros(size, np.uint8)
        self.memory[block.ctypes.data] = block
        return CudaError.cudaSuccess, block.ctypes.data

    def cudaFree(self, address: int) -> tuple[CudaError]:  # noqa: N802
        del self.memory[address]
        return (CudaError.cudaSuccess,)

    def cudaMemcpyAsync(  # noqa: N802
        self, target: int, source: int, size: int, kind: str, stream: int
    ) -> tuple[CudaError]:
        assert (target if kind == "up" else source) in self.memory
        ctypes.memmove(target, source, size)
        return (CudaError.cudaSuccess,)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """Put the stand-ins where the modules would be, for one test."""
    made = StandIn()
    made.install(monkeypatch)
    yield made
    for name in ("run.gpu", "run.plan", "run.engine", "convert.engine"):
        sys.modules.pop(f"pose_export.{name}", None)


@pytest.fixture
def build(stand_in: StandIn, card: ModelCard) -> Callable[..., bytes]:
    """Let the stand-in build an empty graph."""
    for name in ("torch", "pose_nn", "onnxslim"):
        pytest.importorskip(name)
    onnx = pytest.importorskip("onnx")

    def make(**options: Any) -> bytes:
        converter = importlib.import_module("pose_export.convert.engine")
        plan = converter.build_plan(onnx.ModelProto(), card, ConvertOptions(**options))
        assert isinstance(plan, bytes)
        return plan

    return make


# What the builder is told


def test_stand_in_is_asked_for_strong_types_and_for_no_type_by_flag(
    build: Callable[..., bytes], stand_in: StandIn
) -> None:
    assert build(half=True) == PLAN
    assert stand_in.words("create_network") == [[2]]  # 1 << STRONGLY_TYPED
    assert stand_in.words("clear_flag") == [["TF32"]]


def test_stand_in_without_the_flag_for_strong_types_is_not_asked_for_them(
    build: Callable[..., bytes], stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in.version = "12.0"
    stand_in.install(monkeypatch)
    build()
    assert stand_in.words("create_network") == [[0]]


def test_stand_in_is_told_how_much_workspace_there_is(build: Callable[..., bytes], stand_in: StandIn) -> None:
    build(workspace=0.5)
    assert stand_in.words("set_memory_pool_limit") == [["WORKSPACE", 512 * 1024 * 1024]]


def test_stand_in_chooses_the_workspace_when_nobody_asks(build: Callable[..., bytes], stand_in: StandIn) -> None:
    build()
    assert stand_in.words("set_memory_pool_limit") == []
    assert stand_in.words("set_shape") == []  # nor a profile, for a fixed size


def test_stand_in_gets_a_profile_for_free_sizes(build: Callable[..., bytes], stand_in: StandIn) -> None:
    build(dynamic=True)
    assert stand_in.words("set_shape") == [["images", (1, 3, 32, 32), (1, 3, 64, 64), (1, 3, 128, 128)]]
    assert len(stand_in.words("add_optimization_profile")) == 1


def test_graph_that_the_stand_in_refuses_is_one_line(build: Callable[..., bytes], stand_in: StandIn) -> None:
    stand_in.parses = False
    with pytest.raises(ExportError, match=r"must read the graph; it says: Assertion failed: no importer for") as caught:
        build()
    assert "\n" not in str(caught.value)


def test_build_that_the_stand_in_gives_up_is_one_line(build: Callable[..., bytes], stand_in: StandIn) -> None:
    stand_in.builds = False
    with pytest.raises(ExportError, match=r"must build the graph; it says: Error Code 10: no implementation;") as error:
        build()
    assert "\n" not in str(error.value)


def test_progress_of_the_stand_in_is_logged(build: Callable[..., bytes], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="pose_export.convert.engine"):
        build()
    assert caplog.messages == [
        "building the engine: Tactic Selection",
        "building the engine: Tactic Selection, step 1 of 2",
    ]


def test_ctrl_c_during_a_build_of_the_stand_in_stops_it(build: Callable[..., bytes], stand_in: StandIn) -> None:
    class Interrupting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "step" in record.getMessage():
                raise KeyboardInterrupt

    logger, handler = logging.getLogger("pose_export.convert.engine"), Interrupting()
    logger.addHandler(handler)
    before = logger.level
    logger.setLevel(logging.DEBUG)
    try:
        with pytest.raises(KeyboardInterrupt):
            build()
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def test_timings_of_the_stand_in_are_kept_in_the_file_that_is_named(
    build: Callable[..., bytes], stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSE_TENSORRT_TIMINGS", str(tmp_path / "timings"))
    build()
    build()
    assert stand_in.words("create_timing_cache") == [[b""], [b"timings"]]
    assert (tmp_path / "timings").read_bytes() == b"timings"


def test_timings_of_another_gpu_are_replaced_and_that_is_said(
    build: Callable[..., bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "timings"
    file.write_bytes(b"another GPU's")
    monkeypatch.setenv("POSE_TENSORRT_TIMINGS", str(file))
    build()
    assert "timings of another TensorRT or GPU" in caplog.text
    assert file.read_bytes() == b"timings"


@needs_convert
def test_file_is_what_the_stand_in_gave_and_the_card_lies_beside_it(
    stand_in: StandIn, net: PoseNet, card: ModelCard, tmp_path: Path
) -> None:
    import onnx

    converter = importlib.import_module("pose_export.convert.engine")
    target, options = tmp_path / "best.engine", ConvertOptions(imgsz=(64, 64), half=True, simplify=False)
    made = converter.convert(net, replace(card, precision="float16"), target, options)
    assert target.read_bytes() == PLAN  # nothing before it and nothing after it
    facts = {"tensorrt": "11.4.0.106", "gpu": "GPU 0", "compute_capability": "9.0", "cuda": "13.1"}
    assert facts.items() <= made.facts.items()
    assert made.facts["tools"].endswith("tensorrt 11.4.0.106")
    beside = json.loads((tmp_path / "best.engine.json").read_text(encoding="utf-8"))
    assert (beside["pose_card"], beside["imgsz"]) == (made.to_json(), "[64, 64]")
    ((graph,),) = stand_in.words("parse")
    layers = [one for one in onnx.ModelProto.FromString(graph).graph.initializer if len(one.dims) == 4]
    assert {one.data_type for one in layers} >= {onnx.TensorProto.FLOAT16}  # the types are those of the graph


def test_without_a_gpu_the_work_does_not_begin(stand_in: StandIn, card: ModelCard, tmp_path: Path) -> None:
    for name in ("torch", "pose_nn", "onnx", "onnxslim"):
        pytest.importorskip(name)
    stand_in.gpus = 0
    converter = importlib.import_module("pose_export.convert.engine")
    with pytest.raises(ExportError, match=r"needs an NVIDIA GPU .*no CUDA-capable device.*such as onnx") as caught:
        converter.convert(None, card, tmp_path / "best.engine", ConvertOptions())
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


# What TensorRT reads in 8 bit: a graph that is made, checked and run by others


@needs_convert
@pytest.mark.needs("onnxruntime")
def test_eight_bits_for_tensorrt_have_zero_at_zero_and_biases_in_float(
    net: PoseNet, card: ModelCard, noise: NDArray[np.uint8]
) -> None:
    import onnx
    import onnxruntime as ort  # type: ignore[import-untyped]
    from pose_export.convert.onnx import make_model
    from pose_export.convert.qdq import quantise_symmetric

    options = ConvertOptions(imgsz=(64, 64), int8=True, calibration=noise)
    graph = make_model(net, card, options)
    quantised = quantise_symmetric(graph, options)
    held = {one.name: onnx.numpy_helper.to_array(one) for one in quantised.graph.initializer}
    steps = [node for node in quantised.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    zeros = [held[node.input[2]] for node in steps]
    assert len(steps) > 100
    assert all(zero.dtype == np.int8 and not zero.any() for zero in zeros)
    made = {output for node in quantised.graph.node for output in node.output}
    biases = [node.input[2] for node in quantised.graph.node if node.op_type == "Conv" and len(node.input) == 3]
    assert biases
    assert not made.intersection(biases)
    planes = (noise[:1].transpose(0, 3, 1, 2) / np.float32(255)).astype(np.float32)
    exact, coarse = (
        ort.InferenceSession(one.SerializeToString()).run(None, {"images": planes})[0] for one in (graph, quantised)
    )
    assert np.abs(coarse - exact).mean() < 0.05 * np.abs(exact).mean()


# What the runtime is told


@pytest.fixture
def engine(stand_in: StandIn, card: ModelCard, planted: NDArray[np.float32], tmp_path: Path) -> Path:
    """What stands for an engine of a fixed size, with its card, built on the machine that is here."""
    stand_in.shapes = {"images": (1, 3, 64, 64), "output0": (1, 14, 84)}
    stand_in.answers = {"output0": planted}
    return write_engine(tmp_path, card)


def write_engine(folder: Path, card: ModelCard, **facts: str) -> Path:
    path = folder / "best.engine"
    path.write_bytes(PLAN)
    machine = {"tensorrt": "11.4.0.106", "gpu": "GPU 0", "compute_capability": "9.0", "cuda": "13.1"}
    write_engine_card(path, replace(card, facts={**card.facts, **machine, **facts}))
    return path


def test_output_of_the_stand_in_comes_back_for_every_image(
    engine: Path, stand_in: StandIn, noise: NDArray[np.uint8], planted: NDArray[np.float32]
) -> None:
    runtime = load_runtime(engine)
    np.testing.assert_array_equal(runtime(noise), np.repeat(planted, 2, axis=0))
    sent = np.concatenate(stand_in.ran)
    np.testing.assert_array_equal(sent, noise.transpose(0, 3, 1, 2) / np.float32(255))
    assert runtime.device == "GPU 0"  # type: ignore[attr-defined]


def test_results_of_two_calls_of_the_stand_in_do_not_share_memory(engine: Path, noise: NDArray[np.uint8]) -> None:
    runtime = load_runtime(engine)
    first, second = runtime(noise[:1]), runtime(noise[1:])
    assert not np.shares_memory(first, second)


def test_outputs_of_the_stand_in_are_put_into_the_order_of_the_contract(
    stand_in: StandIn, card: ModelCard, tmp_path: Path, noise: NDArray[np.uint8]
) -> None:
    heads = replace(card, contract="heads")
    shapes = output_shapes(heads, batch=1, size=(64, 64))
    stand_in.shapes = {"images": (1, 3, 64, 64), **dict(sorted(shapes.items()))}  # type: ignore[arg-type]
    stand_in.answers = {name: np.full(shape, -9.0, np.float32) for name, shape in shapes.items()}  # type: ignore[arg-type]
    runtime = load_runtime(write_engine(tmp_path, heads))
    assert list(runtime._outputs) == list(shapes)  # type: ignore[attr-defined]
    assert runtime(noise[:1]).shape == (1, 14, 84)


def test_free_batch_of_the_stand_in_is_called_no_larger_than_its_profile(
    stand_in: StandIn, card: ModelCard, planted: NDArray[np.float32], tmp_path: Path
) -> None:
    stand_in.shapes = {"images": (-1, 3, -1, -1), "output0": (-1, 14, -1)}
    stand_in.answers, stand_in.highest = {"output0": planted}, (2, 3, 128, 128)
    runtime = load_runtime(write_engine(tmp_path, replace(card, dynamic=True)))
    assert runtime(np.zeros((5, 64, 64, 3), np.uint8)).shape == (5, 14, 84)
    assert [len(images) for images in stand_in.ran] == [2, 2, 1]


def test_size_outside_the_profile_of_the_stand_in_is_refused(
    stand_in: StandIn, card: ModelCard, planted: NDArray[np.float32], tmp_path: Path
) -> None:
    stand_in.shapes = {"images": (-1, 3, -1, -1), "output0": (-1, 14, -1)}
    stand_in.answers = {"output0": planted}
    runtime = load_runtime(write_engine(tmp_path, replace(card, dynamic=True)))
    with pytest.raises(ExportError, match=r"takes images of 32x32 to 128x128 \(height x width\); got 64x160"):
        runtime(np.zeros((1, 64, 160, 3), np.uint8))


def test_memory_on_the_gpu_is_given_back(engine: Path, stand_in: StandIn, noise: NDArray[np.uint8]) -> None:
    runtime = load_runtime(engine)
    runtime(noise)
    assert len(stand_in.memory) == 2  # one place for the input and one for the output, for both calls
    del runtime
    gc.collect()
    assert stand_in.memory == {}


def test_memory_that_runs_out_is_one_line(
    stand_in: StandIn, card: ModelCard, planted: NDArray[np.float32], tmp_path: Path
) -> None:
    stand_in.shapes = {"images": (-1, 3, -1, -1), "output0": (-1, 14, -1)}
    stand_in.answers, stand_in.highest = {"output0": planted}, (9, 3, 999, 999)
    runtime = load_runtime(write_engine(tmp_path, replace(card, dynamic=True)))
    with pytest.raises(ExportError, match=r"CUDA says: out of memory"):
        runtime(np.zeros((1, 640, 640, 3), np.uint8))


def test_engine_of_another_machine_says_what_differs_when_the_stand_in_refuses_it(
    stand_in: StandIn, card: ModelCard, tmp_path: Path
) -> None:
    stand_in.takes = False
    path = write_engine(tmp_path, card, tensorrt="10.9.0.34", gpu="GPU of old", compute_capability="8.0")
    words = (
        r"best\.engine: built for TensorRT 10\.9\.0\.34 \(here: 11\.4\.0\.106\), GPU GPU of old \(here: GPU 0\), "
        r"compute capability 8\.0 \(here: 9\.0\); TensorRT says: Error Code 1: .*; export it again here"
    )
    with pytest.raises(ExportError, match=words) as caught:
        load_runtime(path)
    assert "\n" not in str(caught.value)


def test_engine_of_another_machine_is_warned_of_when_the_stand_in_takes_it(
    engine: Path, card: ModelCard, caplog: pytest.LogCaptureFixture
) -> None:
    write_engine(engine.parent, card, gpu="its sister")
    load_runtime(engine)
    (line,) = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert "built for GPU its sister (here: GPU 0); it may be slow or fail here" in line


def test_engine_that_the_stand_in_refuses_on_the_same_machine_is_said_to_be_damaged(
    engine: Path, stand_in: StandIn
) -> None:
    stand_in.takes = False
    with pytest.raises(ExportError, match=r"must be a whole engine that TensorRT 11\.4.* can run; it says: Error Code"):
        load_runtime(engine)


def test_cut_off_engine_is_refused_by_its_card(engine: Path) -> None:
    engine.write_bytes(PLAN[:10])
    with pytest.raises(ExportError, match=r"must be the engine that best\.engine\.json was written for; got another"):
        load_runtime(engine)


def test_engine_without_its_card_is_refused(engine: Path) -> None:
    engine_card_path(engine).unlink()
    with pytest.raises(ExportError, match=r"must have its card beside it, best\.engine\.json; copy that too"):
        load_runtime(engine)


def test_engine_without_its_card_runs_with_the_callers(engine: Path, card: ModelCard, noise: NDArray[np.uint8]) -> None:
    engine_card_path(engine).unlink()
    assert load_runtime(engine, card=card)(noise).shape == (2, 14, 84)


def test_card_beside_an_engine_that_is_no_json_is_refused(engine: Path) -> None:
    engine_card_path(engine).write_text("{", encoding="utf-8")
    with pytest.raises(ExportError, match=r"best\.engine\.json: must be JSON that says what best\.engine is") as caught:
        load_runtime(engine)
    assert "\n" not in str(caught.value)


def test_card_that_lies_about_the_size_of_the_stand_in_is_refused(engine: Path, card: ModelCard) -> None:
    write_engine(engine.parent, replace(card, imgsz=(96, 64)))
    with pytest.raises(ExportError, match=r"input height 96, the file has 64"):
        load_runtime(engine)


@pytest.mark.parametrize(
    ("device", "words"),
    [("cpu", r"device must be a GPU such as 'cuda:0'.*got 'cpu'"), ("cuda:3", r"one of the 1 GPUs here.*got 'cuda:3'")],
)
def test_device_that_is_not_here_is_refused(device: str, words: str, engine: Path) -> None:
    with pytest.raises(ExportError, match=words):
        load_runtime(engine, device=device)


# What is installed


def test_missing_tensorrt_gives_the_exact_command(
    card: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    with pytest.raises(
        ExportError, match=r'not installed: tensorrt, cuda\.bindings; run: pip install "tensorrt>=10\.3" "cuda-bindings'
    ):
        load_runtime(write_engine(tmp_path, card))


def test_tensorrt_without_its_libraries_is_one_line(
    engine: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delitem(sys.modules, "tensorrt")
    (tmp_path / "tensorrt.py").write_text("raise ImportError('libnvonnxparser.so.11: cannot open')", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ExportError, match=r"installed but can't be loaded: libnvonnxparser\.so\.11.*force-reinstall"):
        load_runtime(engine)


def test_tensorrt_before_10_is_refused(engine: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in.version = "8.6.1"
    stand_in.install(monkeypatch)
    with pytest.raises(ExportError, match=r"tensorrt must be at least 10; got 8\.6\.1; run: pip install --upgrade"):
        load_runtime(engine)


# Where the files go


def test_card_moves_to_its_place_with_the_engine(card: ModelCard, tmp_path: Path) -> None:
    target = tmp_path / "best.engine"
    with new_output(target, get_format("engine")) as temporary:
        temporary.write_bytes(PLAN)
        write_engine_card(temporary, card)
        assert not target.exists()
        assert not engine_card_path(target).exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.engine", "best.engine.json"]


def test_neither_is_left_behind_when_the_work_fails(card: ModelCard, tmp_path: Path) -> None:
    def fail() -> None:
        with new_output(tmp_path / "best.engine", get_format("engine")) as temporary:
            temporary.write_bytes(PLAN)
            write_engine_card(temporary, card)
            raise ExportError("on purpose")

    with pytest.raises(ExportError, match="on purpose"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_file_in_the_place_of_the_card_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "best.engine.json").write_text("somebody's", encoding="utf-8")
    with pytest.raises(ExportError, match=r"must not have best\.engine\.json beside it; got .*; move it away"):
        choose_target(None, tmp_path / "best.engine", get_format("engine"))


@pytest.mark.parametrize("workspace", [0.0, -1.0, float("nan")])
def test_workspace_that_is_none_is_refused(workspace: float) -> None:
    with pytest.raises(ExportError, match=r"workspace must be GiB above 0; got"):
        ConvertOptions(workspace=workspace)
