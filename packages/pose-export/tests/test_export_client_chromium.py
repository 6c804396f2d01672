"""TF.js in a browser: a page in headless Chromium fetches our model and finds our poses."""

from __future__ import annotations

import json
import queue
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pose_data import Poses
from pose_export import ExportResult, load, load_runtime

pytestmark = pytest.mark.needs("torch", "pose_nn", "onnx", "onnxslim", "tensorflow", "node", "chromium")
Answer = dict[str, Any]
PAGE = Path(__file__).with_name("client_browser.html")
PATIENCE = 300  # seconds; compiling shaders without a GPU is slow


class Handler(SimpleHTTPRequestHandler):
    """Serves the files of a folder and keeps what the page sends."""

    def __init__(self, *args: Any, answers: queue.Queue[Answer], **words: Any) -> None:
        self._answers = answers
        super().__init__(*args, **words)

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()
        self._answers.put(json.loads(content))

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: pytest's output is for results."""


@pytest.fixture
def site(
    exported: Callable[..., ExportResult],
    noise: NDArray[np.uint8],
    examples: Path,
    node_package: Callable[[str], Path],
    tmp_path: Path,
) -> Path:
    """A folder as a web server would have it: the page, TF.js, our model and decoder, and a picture."""
    folder = tmp_path / "site"
    shutil.copytree(exported("tfjs").path, folder / "model")
    shutil.copytree(node_package("@tensorflow/tfjs-backend-wasm").parent, folder / "wasm")
    shutil.copy(node_package("@tensorflow/tfjs").with_name("tf.min.js"), folder)
    shutil.copy(examples / "decode.mjs", folder)
    shutil.copy(PAGE, folder / "index.html")
    cv2.imwrite(str(folder / "picture.png"), noise[0][..., ::-1])
    return folder


@contextmanager
def serve(folder: Path, answers: queue.Queue[Answer]) -> Iterator[str]:
    """Serve a folder on this machine alone, at the address that it gives."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder), answers=answers))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def visit(program: str, address: str, profile: Path, answers: queue.Queue[Answer]) -> Answer:
    """Open a page in a browser without a window, and wait for what it sends."""
    # Chromium's sandbox isn't to be had in many containers, and the only page that is opened is ours.
    words = (
        "--headless",
        "--no-sandbox",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-dev-shm-usage",
    )
    graphics = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")  # WebGL without a GPU
    with (profile.parent / "chromium.log").open("w+", encoding="utf-8") as log:
        command = [program, *words, *graphics, f"--user-data-dir={profile}", address]
        browser = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            return answers.get(timeout=PATIENCE)
        except queue.Empty:
            log.seek(0)
            pytest.fail(f"the page sent nothing in {PATIENCE} s; Chromium said: {log.read()[-2000:]}")
        finally:
            browser.terminate()
            browser.wait()


@pytest.mark.parametrize("backend", ["wasm", "webgl"])
def test_page_in_chromium_finds_our_poses(
    backend: str,
    site: Path,
    chromium: str,
    exported: Callable[..., ExportResult],
    noise: NDArray[np.uint8],
    check_people: Callable[[list[Answer], Poses], None],
    tmp_path: Path,
) -> None:
    answers: queue.Queue[Answer] = queue.Queue()
    with serve(site, answers) as address:
        answer = visit(chromium, f"{address}?backend={backend}", tmp_path / "profile", answers)
    assert "error" not in answer, answer["error"]
    assert (answer["backend"], answer["version"][:2]) == (backend, "4.")
    output = np.array(answer["output"]["data"], np.float32).reshape(answer["output"]["dims"])
    expected = exported("onnx").path
    np.testing.assert_allclose(output, load_runtime(expected)(noise[:1]), rtol=1e-4, atol=0.01)
    check_people(answer["people"], load(expected)(noise[0]))
