"""TensorRT's plans: what TensorRT says while it works, and a plan read back on the machine that it was built for."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pose_data import ExportError

from pose_export.run.gpu import Gpu

try:
    import tensorrt as trt
except ModuleNotFoundError:
    raise
except (ImportError, OSError) as error:  # its bindings without its libraries, on Windows an OSError
    raise ExportError(
        f"tensorrt is installed but can't be loaded: {error}; run: pip install --force-reinstall tensorrt"
    ) from error

__all__ = ["Log", "Opened", "check_version", "describe_machine", "find_differences", "open_plan", "trt"]

LEAST = 10  # the first major version whose networks always have a batch dimension and may be strongly typed
LOGGER = logging.getLogger(__name__)


class Log(trt.ILogger):  # type: ignore[misc]
    """Keeps TensorRT's errors for messages, and passes all that it says on to `logging` at its lowest level."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[str] = []

    def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
        """Take what TensorRT says; it may say it from any of its threads."""
        if severity in (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR):
            self.errors.append(msg)
        LOGGER.debug("TensorRT: %s", msg)

    @property
    def reason(self) -> str:
        """The first error in one line: the ones after it follow from it."""
        lines = [line.strip() for error in self.errors for line in error.splitlines() if line.strip()]
        return lines[0] if lines else "nothing"


@dataclass(frozen=True)
class Opened:
    """An engine, and what must live as long as it does.

    Args:
        log: that TensorRT goes on writing to.
        runtime: that read it.
        engine: itself.
    """

    log: Log
    runtime: trt.Runtime
    engine: trt.ICudaEngine


def check_version() -> None:
    """Refuse a TensorRT that is older than this can work with.

    Raises:
        ExportError: with the command that installs another.
    """
    if int(trt.__version__.split(".")[0]) < LEAST:
        raise ExportError(
            f'tensorrt must be at least {LEAST}; got {trt.__version__}; run: pip install --upgrade "tensorrt>=10.3"'
        )


def describe_machine(gpu: Gpu) -> dict[str, str]:
    """What an engine is bound to, as facts of its card."""
    return {"tensorrt": trt.__version__, "gpu": gpu.name, "compute_capability": gpu.capability, "cuda": gpu.cuda}


def find_differences(facts: Mapping[str, str], gpu: Gpu) -> str:
    """Say in a line what is another here than where an engine was built; "" when nothing that is known of is.

    Args:
        facts: of the engine's card.
        gpu: the one that is to run it.
    """
    here = describe_machine(gpu)
    words = {"tensorrt": "TensorRT", "gpu": "GPU", "compute_capability": "compute capability", "cuda": "CUDA"}
    others = [name for name in words if name in facts and facts[name] != here[name]]
    return ", ".join(f"{words[name]} {facts[name]} (here: {here[name]})" for name in others)


def open_plan(path: Path, plan: bytes, *, differences: str) -> Opened:
    """Read an engine.

    Args:
        path: where it was, for messages.
        plan: what was in it.
        differences: from `find_differences`; what TensorRT takes all the same is only logged.

    Raises:
        ExportError: TensorRT doesn't take it; the message says what differs, or else what TensorRT says.
    """
    log = Log()
    runtime = trt.Runtime(log)
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None and differences:
        raise ExportError(f"{path}: built for {differences}; TensorRT says: {log.reason}; export it again here")
    if engine is None:
        raise ExportError(
            f"{path}: must be a whole engine that TensorRT {trt.__version__} can run; it says: {log.reason}; "
            "export it again here"
        )
    if differences:
        LOGGER.warning("%s: built for %s; it may be slow or fail here; export it again here", path, differences)
    return Opened(log, runtime, engine)
