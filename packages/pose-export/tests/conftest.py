"""A small network with three keypoints, files made by hand, and the cards that go with them."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard, Poses, Predictor, Skeleton
from pose_export import ExportResult, export, get_format, load

if TYPE_CHECKING:
    from pose_nn import PoseNet

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
THREE_POINTS = Skeleton(("nose", "left_hand", "right_hand"), mirror=((1, 2),), sigmas=(0.05, 0.1, 0.1))
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")  # what packages of it call their program
MakeOnnx = Callable[..., Path]
Exported = Callable[..., ExportResult]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*modules): skipped where one isn't installed, unless it must be there")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        for name in mark.args:
            need(name)


def need(name: str) -> None:
    """Skip where a module or a program ("node" is node with TF.js) is missing; fail where POSE_EXPORT_MUST names it.

    Nothing is imported here: Paddle crashes where TensorFlow was imported before.
    """
    checks: dict[str, Callable[[], object]] = {
        "node": node_has_tfjs,
        "cuda.bindings": gpu_is_there,
        "transformers.js": functools.partial(find_node_package, "@huggingface/transformers"),
        "chromium": functools.partial(find_program, *CHROMIUM),
        "benchmark_app": functools.partial(find_program, "benchmark_app"),
    }
    if checks[name]() if name in checks else importlib.util.find_spec(name) is not None:
        return
    if name in os.environ.get("POSE_EXPORT_MUST", "").split(","):
        pytest.fail(f"{name} must be installed for these tests; it isn't", pytrace=False)
    pytest.skip(f"{name} is not installed")


@pytest.fixture(name="need")
def need_fixture() -> Callable[..., None]:
    """Skip where one of these modules or programs is missing, as the mark `needs` does."""

    def need_all(*names: str) -> None:
        for name in names:
            need(name)

    return need_all


@functools.cache
def node_has_tfjs() -> bool:
    from pose_export.run.tfjs import check_node

    try:
        check_node()
    except ExportError:
        return False
    return True


@functools.cache
def find_node_package(name: str) -> Path | None:
    """The main file of a package that node finds from here or in NODE_PATH."""
    node = shutil.which("node")
    if node is None:
        return None
    code = f"process.stdout.write(require.resolve({name!r}))"
    found = subprocess.run([node, "-e", code], capture_output=True, text=True, check=False)
    return Path(found.stdout) if found.returncode == 0 else None


def find_program(*names: str) -> str | None:
    """The first of these programs that lies beside Python or on the PATH."""
    folders = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return next((found for name in names if (found := shutil.which(name, path=folders))), None)


@functools.cache
def gpu_is_there() -> bool:
    try:
        from pose_export.run.gpu import find_gpu

        find_gpu()
    except ExportError:
        return False
    return True


@pytest.fixture
def node_package() -> Callable[[str], Path | None]:
    """Find the main file of a package of node."""
    return find_node_package


@pytest.fixture
def chromium() -> str:
    """The browser's program."""
    return find_program(*CHROMIUM) or ""


@pytest.fixture
def benchmark_app() -> str:
    """OpenVINO's own program for measuring."""
    return find_program("benchmark_app") or ""


@pytest.fixture
def examples() -> Path:
    """The folder with the decoders for authors of clients."""
    if not EXAMPLES.is_dir():
        pytest.skip("the examples aren't beside the tests here")
    return EXAMPLES


@pytest.fixture
def check_people() -> Callable[[list[dict[str, Any]], Poses], None]:
    """Compare what the decoder in JavaScript found in a picture of 64 x 64 with what a Predictor found."""

    def check(people: list[dict[str, Any]], poses: Poses) -> None:
        assert len(people) == len(poses) > 0
        points = np.array([person["keypoints"] for person in people])
        boxes = np.array([person["box"] for person in people])
        np.testing.assert_allclose([person["score"] for person in people], poses.scores, atol=1e-4)
        np.testing.assert_allclose(np.clip(boxes, 0, 64), poses.boxes, atol=0.01)
        np.testing.assert_allclose(points[..., :2], poses.keypoints, atol=0.01)
        np.testing.assert_allclose(points[..., 2], poses.keypoint_scores, atol=1e-4)

    return check


@pytest.fixture(scope="session")
def card() -> ModelCard:
    """One class, three keypoints, 64 x 64: 14 output rows, 64 + 16 + 4 = 84 anchors."""
    return ModelCard(
        architecture="yolov8n-pose",
        names=("person",),
        skeleton=THREE_POINTS,
        imgsz=(64, 64),
        dynamic=False,
        licence="Apache-2.0",
        provenance="made by a test",
    )


@pytest.fixture
def planted() -> NDArray[np.float32]:
    """(1, 14, 84): nobody but one person at anchor 10, box 8..24 x 16..48, points on its diagonal."""
    raw = np.zeros((1, 14, 84), np.float32)
    raw[0, :, 10] = [16, 32, 16, 32, 0.9, 10, 20, 0.8, 16, 32, 0.7, 22, 44, 0.6]
    return raw


@pytest.fixture
def make_onnx(tmp_path: Path) -> MakeOnnx:
    """Write an ONNX file that answers every image with the same output."""
    onnx = pytest.importorskip("onnx")

    def make(
        output: NDArray[np.float32],
        metadata: dict[str, str],
        *,
        size: tuple[int | str, int | str] = (64, 64),
        batch: int | str = 1,
    ) -> Path:
        node, tensor, value = onnx.helper.make_node, onnx.numpy_helper.from_array, onnx.helper.make_tensor_value_info
        nodes = [  # the mean of an image times zero, once per image, plus what was planted
            node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=0),
            node("Mul", ["mean", "zero"], ["nothing"]),
            node("Reshape", ["nothing", "per_image"], ["spread"]),
            node("Add", ["spread", "planted"], ["output0"]),
        ]
        constants = [
            tensor(np.float32(0.0), "zero"),
            tensor(np.array([-1, 1, 1], np.int64), "per_image"),
            tensor(output, "planted"),
        ]
        images = value("images", onnx.TensorProto.FLOAT, [batch, 3, *size])
        answer = value("output0", onnx.TensorProto.FLOAT, [batch, *output.shape[1:]])
        graph = onnx.helper.make_graph(nodes, "made_by_hand", [images], [answer], constants)
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
        onnx.helper.set_model_props(model, metadata)
        path = tmp_path / "made.onnx"
        onnx.save(model, path)
        return path

    return make


@pytest.fixture(scope="session")
def net() -> PoseNet:
    """A network of random weights that hears its input, of the card's one class."""
    return make_network(num_classes=1)


def make_network(*, num_classes: int) -> PoseNet:
    """A network of random weights in which every layer keeps the size of what it gets."""
    torch, pose_nn = pytest.importorskip("torch"), pytest.importorskip("pose_nn")
    torch.set_num_threads(1)
    torch.manual_seed(3)
    made = pose_nn.build_network("yolov8n-pose", num_classes=num_classes, kpt_shape=(3, 3)).eval()
    for name, layer in made.named_modules():
        if isinstance(layer, torch.nn.Conv2d) and "dfl" not in name:
            torch.nn.init.kaiming_normal_(layer.weight)
            layer.weight.data.mul_(1.1)
    for branch in made.head.cv3:
        torch.nn.init.constant_(branch[-1].bias, -1.0)
    return made  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def noise() -> NDArray[np.uint8]:
    """(2, 64, 64, 3), what a network of random weights sees as well as anything."""
    return np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)


@pytest.fixture(scope="session")
def exported(
    net: PoseNet, card: ModelCard, noise: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory
) -> Exported:
    """Export once per format and options, whichever test asks first; the file is for reading only."""
    folder = tmp_path_factory.mktemp("exported")
    results: dict[str, ExportResult] = {}

    def get(name: str, *, half: bool = False, dynamic: bool = False, contract: str = "raw") -> ExportResult:
        for module in get_format(name).convert_needs + get_format(name).run_needs:
            need(module)
        if name == "tfjs":
            need("node")
        key = f"{name}-{'half' if half else 'full'}-{'any' if dynamic else 'fixed'}-{contract}"
        if key not in results:
            output = folder / f"{key}{get_format(name).suffix}"
            options = {"half": half, "dynamic": dynamic, "contract": contract}
            results[key] = export((net, card), format=name, output=output, images=list(noise), **options)
        return results[key]

    return get


@pytest.fixture(scope="session")
def two_classes(card: ModelCard) -> tuple[PoseNet, ModelCard]:
    """A network of random weights that knows two classes, and its card."""
    return make_network(num_classes=2), replace(card, names=("person", "horse"))


@pytest.fixture
def select_two_classes(
    two_classes: tuple[PoseNet, ModelCard], noise: NDArray[np.uint8], tmp_path: Path
) -> Callable[[str], tuple[list[Poses], list[Poses]]]:
    """Find people of two classes, two images per call: those a file selects, and those selected behind the network."""

    def find(name: str) -> tuple[list[Poses], list[Poses]]:
        from pose_nn import TorchRuntime

        path, images = tmp_path / f"two{get_format(name).suffix}", list(noise)
        result = export(two_classes, format=name, output=path, images=images, nms=True, batch=2)
        assert (result.status, result.card.batch) == ("passed", 2)
        behind = Predictor(TorchRuntime(*two_classes, device="cpu"))
        return load(path).predict_batch(images), behind.predict_batch(images)

    return find


@pytest.fixture(scope="session")
def assert_same_people() -> Callable[[Sequence[Poses], Sequence[Poses]], None]:
    """Compare who was found in each of some images, in order; in each there is somebody."""

    def compare(found: Sequence[Poses], expected: Sequence[Poses]) -> None:
        for people, others in zip(found, expected, strict=True):
            assert len(people) == len(others) > 0
            np.testing.assert_array_equal(people.labels, others.labels)
            np.testing.assert_allclose(people.scores, others.scores, atol=1e-4)
            np.testing.assert_allclose(people.boxes, others.boxes, atol=0.01)
            np.testing.assert_allclose(people.keypoints, others.keypoints, atol=0.01)

    return compare
