"""Run SavedModel folders and frozen graphs with TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard, Runtime

from pose_export.card import settle_card
from pose_export.options import RunOptions
from pose_export.run.channels_last import make_pixels, order_outputs, read_shapes
from pose_export.run.file import FileRuntime
from pose_export.sidecar import read_sidecar

_SIGNATURE = "serving_default"
_METADATA = "metadata/"


class TensorFlowRuntime(FileRuntime):
    """A SavedModel or a frozen graph; satisfies `pose_data.Runtime`.

    It takes the threads and the devices that TensorFlow is set to in this process.

    Args:
        path: the folder or the file.
        card: what the network is, for a file that doesn't say it.

    Raises:
        ExportError: it is missing, damaged, has no card, or isn't what its card says.
    """

    runner = "TensorFlow"

    def __init__(self, path: Path, *, card: ModelCard | None = None) -> None:
        source = str(path)
        self._function, metadata = _open_folder(path) if path.is_dir() else _open_graph(path)
        outputs: dict[str, tf.Tensor] = self._function.structured_outputs
        self._outputs = order_outputs(outputs)
        lengths = [_lengths(outputs[name]) for name in self._outputs]
        shape = read_shapes(_lengths(self._function.inputs[0]), lengths, source=source)
        settled = settle_card(card, metadata, shape, source=source)
        super().__init__(source=source, card=settled, batch=shape.batch)

    def _run(self, images: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        try:
            found = self._function(tf.constant(make_pixels(images)))
        except tf.errors.OpError as error:
            raise ExportError(f"{self._source}: TensorFlow can't run it: {error.message}; export it again") from error
        return [np.asarray(found[name], dtype=np.float32) for name in self._outputs]


def open_runtime(path: Path, options: RunOptions) -> Runtime:
    """Load a SavedModel or a frozen graph.

    Raises:
        ExportError: it can't be read, has no card, or isn't what its card says.
    """
    return TensorFlowRuntime(path, card=options.card)


def _open_folder(path: Path) -> tuple[tf.types.experimental.ConcreteFunction, dict[str, str]]:
    metadata = read_sidecar(path)
    try:
        loaded = tf.saved_model.load(str(path))
    except Exception as error:  # a damaged folder shows as almost any error, depending on the part
        raise _broken(path, error, kind="SavedModel") from error
    if _SIGNATURE not in loaded.signatures:
        seen = ", ".join(loaded.signatures) or "none"
        raise ExportError(f"{path}: must have the signature {_SIGNATURE}; got {seen}; export it again")
    function = loaded.signatures[_SIGNATURE]
    function.keep = loaded  # a signature doesn't hold the folder's constants by itself
    return function, metadata


def _open_graph(path: Path) -> tuple[tf.types.experimental.ConcreteFunction, dict[str, str]]:
    try:
        graph = tf.compat.v1.GraphDef.FromString(path.read_bytes())
        wrapped = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(graph, name=""), [])
        network = [node for node in graph.node if not node.name.startswith(_METADATA)]
        taken = {name.partition(":")[0] for node in network for name in node.input}
        results = {node.name: f"{node.name}:0" for node in network if node.name not in taken and node.op != "Const"}
        inputs = [f"{node.name}:0" for node in network if node.op == "Placeholder"]
        if len(inputs) != 1 or not results:
            raise ValueError(f"it has {len(inputs)} inputs and {len(results)} outputs")
        function = wrapped.prune(inputs, results)
    except Exception as error:  # a damaged file shows as almost any error, depending on the place
        raise _broken(path, error, kind="frozen graph") from error
    texts = [node for node in graph.node if node.name.startswith(_METADATA)]
    values = {node.name[len(_METADATA) :]: node.attr["value"].tensor.string_val[0].decode("utf-8") for node in texts}
    return function, values


def _broken(path: Path, error: Exception, *, kind: str) -> ExportError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return ExportError(
        f"{path}: must be a whole {kind} that TensorFlow {tf.__version__} can run; it says: {reason}; export it again"
    )


def _lengths(tensor: tf.Tensor) -> tuple[int | None, ...]:
    return tuple(tensor.shape.as_list()) if tensor.shape.rank is not None else ()
