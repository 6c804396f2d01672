"""Run OpenVINO models with OpenVINO, without torch, at the precision that their card says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard, Runtime

from pose_export.card import FileShape, settle_card
from pose_export.options import RunOptions
from pose_export.run.file import FileRuntime, first_line
from pose_export.run.inputs import make_input
from pose_export.sidecar import read_sidecar

# Otherwise the CPU plugin takes bfloat16 where the processor has it, which moves boxes by many pixels. It does so for
# "f16", too, on a processor that has no such arithmetic; weights in 16 bit are run in 32 there.
_HINTS = {"float32": "f32", "float16": "f16", "int8": "f32"}  # of what isn't in 8 bit


class OpenVinoRuntime(FileRuntime):
    """A folder with an OpenVINO model; satisfies `pose_data.Runtime`.

    Args:
        path: the folder.
        device: OpenVINO's name of it, such as "CPU", "GPU" or "NPU"; the CPU when None.
        threads: CPU threads; all cores when None.
        card: what the network is, for a model that doesn't say it.

    Raises:
        ExportError: the model is missing, damaged, has no card, or isn't what its card says.
    """

    runner = "OpenVINO"

    def __init__(
        self, path: Path, *, device: str | None = None, threads: int | None = None, card: ModelCard | None = None
    ) -> None:
        source, metadata = str(path), read_sidecar(path)
        core, model = _read_model(path)
        batch, _, height, width = _lengths(model.inputs[0])
        shape = FileShape(batch, height, width, tuple(_lengths(output) for output in model.outputs))
        settled = settle_card(card, metadata | _read_info(model), shape, source=source)
        super().__init__(source=source, card=settled, batch=batch)
        self._compiled = _compile(
            core, model, settled, device=(device or "CPU").upper(), threads=threads, source=source
        )
        self._request = self._compiled.create_infer_request()

    @property
    def device(self) -> str:
        """What it runs on."""
        return ", ".join(self._compiled.get_property("EXECUTION_DEVICES"))

    @property
    def runs_on(self) -> str:
        """What runs it and on what."""
        return f"{self.runner}, {self.device}"

    def _run(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        try:
            outputs = self._request.infer([make_input(images)], share_inputs=True)
        except RuntimeError as error:
            raise ExportError(f"{self._source}: OpenVINO can't run it: {first_line(error)}") from error
        return [np.array(outputs[i], dtype=np.float32) for i in range(len(self._compiled.outputs))]


def open_runtime(path: Path, options: RunOptions) -> Runtime:
    """Load an OpenVINO model.

    Raises:
        ExportError: it can't be read, has no card, or isn't what its card says.
    """
    return OpenVinoRuntime(path, device=options.device, threads=options.threads, card=options.card)


def _read_model(path: Path) -> tuple[ov.Core, ov.Model]:
    (file, *_) = (*sorted(path.glob("*.xml")), path / "model.xml")
    core = ov.Core()
    try:
        model = core.read_model(file)
        if len(model.inputs) != 1:
            raise ExportError(f"{path}: must have one input, an image; got {len(model.inputs)}; export it again")
    except RuntimeError as error:
        raise ExportError(
            f"{path}: must be a whole OpenVINO model that OpenVINO {ov.__version__} can run; "
            f"it says: {_reason(error)}; export it again"
        ) from error
    return core, model


def _compile(
    core: ov.Core, model: ov.Model, card: ModelCard, *, device: str, threads: int | None, source: str
) -> ov.CompiledModel:
    known = core.available_devices
    if device.split(".")[0] not in {name.split(".")[0] for name in known} | {"AUTO"}:
        raise ExportError(f"device must be one that OpenVINO has here, {', '.join(known)}; got '{device}'")
    candidates = known if device == "AUTO" else [device]
    capable = all("FP16" in core.get_property(name, "OPTIMIZATION_CAPABILITIES") for name in candidates)
    hint = _HINTS.get(card.precision, "f32") if capable else "f32"
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hint}
    if device == "CPU":
        settings["INFERENCE_NUM_THREADS"] = str(threads or 0)  # 0: all cores that the process may use
        settings["SCHEDULING_CORE_TYPE"] = "ANY_CORE"
    try:
        return core.compile_model(model, device, settings)
    except RuntimeError as error:
        raise ExportError(f"{source}: OpenVINO can't run it on {device}: {_reason(error)}") from error


def _lengths(port: ov.Output) -> tuple[int | None, ...]:
    shape = port.get_partial_shape()
    return tuple(length.get_length() if length.is_static else None for length in shape)


def _read_info(model: ov.Model) -> dict[str, str]:
    if not model.has_rt_info(["model_info"]):
        return {}
    info = model.get_rt_info(["model_info"]).value
    return {key: str(value.value if hasattr(value, "value") else value) for key, value in info.items()}


def _reason(error: RuntimeError) -> str:
    """The line of an OpenVINO error that says what is wrong: the last, after the places in its source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
