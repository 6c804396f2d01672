"""Run TF.js graph models in node, on its WebAssembly backend: what browsers run, without a browser."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pose_data import ModelCard, Runtime

from pose_export.card import settle_card
from pose_export.options import RunOptions
from pose_export.requirements import NotInstalledError
from pose_export.run.channels_last import make_pixels, order_outputs, read_shapes
from pose_export.run.file import FileRuntime
from pose_export.run.piped import MissingPackageError, PipedNetwork

_SERVER = Path(__file__).with_name("tfjs_server.cjs")
_PACKAGES = "@tensorflow/tfjs @tensorflow/tfjs-backend-wasm"


class TfjsRuntime(FileRuntime):
    """A TF.js graph model in a process of node; satisfies `pose_data.Runtime`.

    Node finds its packages in `node_modules` of the current folder, of one above it, or of NODE_PATH.

    Args:
        path: the folder.
        card: what the network is, for a file that doesn't say it.

    Raises:
        ExportError: node or its packages are missing; or the folder is damaged, has no card, or isn't what
            its card says.
    """

    runner = "TF.js in node, WebAssembly"

    def __init__(self, path: Path, *, card: ModelCard | None = None) -> None:
        source = str(path)
        self._network = _start_node(str(path.resolve()), source=source)
        self._outputs = order_outputs(self._network.outputs)
        lengths = [self._network.outputs[name] for name in self._outputs]
        shape = read_shapes(self._network.input, lengths, source=source)
        settled = settle_card(card, self._network.metadata, shape, source=source)
        super().__init__(source=source, card=settled, batch=shape.batch)

    def _run(self, images: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        found = self._network(make_pixels(images))
        return [found[name] for name in self._outputs]


def open_runtime(path: Path, options: RunOptions) -> Runtime:
    """Start node with a TF.js model.

    Raises:
        ExportError: it can't be run, has no card, or isn't what its card says.
    """
    return TfjsRuntime(path, card=options.card)


def check_node() -> str:
    """Say which versions of TF.js node would run; takes a second.

    Raises:
        NotInstalledError: node or one of its packages is missing.
        ExportError: they are there, and don't work.
    """
    network = _start_node(source="TF.js")
    network.stop()
    return str(network.header["versions"])


def _start_node(*arguments: str, source: str) -> PipedNetwork:
    try:
        return PipedNetwork([_find_node(), str(_SERVER), *arguments], source=source)
    except MissingPackageError as error:
        raise NotInstalledError(
            f"running tfjs files needs packages of node; run in the current folder: npm install {_PACKAGES} "
            f"(or name the folder that has them in NODE_PATH); {error}"
        ) from error


def _find_node() -> str:
    node = shutil.which("node")
    if node is None:
        raise NotInstalledError(
            "running tfjs files needs node 18 or later; it is not on the PATH; install it from nodejs.org"
        )
    return node
