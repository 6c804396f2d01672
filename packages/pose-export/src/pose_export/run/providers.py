"""Which execution providers ONNX Runtime has here: its own, and those of packages that plug in more."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

import onnxruntime as ort  # type: ignore[import-untyped]
from pose_data import ExportError

from pose_export.run.file import first_line

# Best first. Others (TensorRT, CoreML, ...) build for minutes or calculate in 16 bit: they are asked for.
_PREFERRED = ("CUDAExecutionProvider", "CPUExecutionProvider")
# A float32 file is calculated in float32, not in the 10 bits of TF32 that CUDA takes by default.
_SETTINGS = {"CUDAExecutionProvider": {"use_tf32": "0"}}
_PLUG_IN = "onnxruntime_ep_"  # how packages of providers are called, such as onnxruntime_ep_nv_tensorrt_rtx


def open_session(path: Path, settings: ort.SessionOptions, *, asked: tuple[str, ...] | None) -> ort.InferenceSession:
    """Let ONNX Runtime open a file with the providers that are asked for.

    Args:
        path: of the file.
        settings: changed in place where a provider is plugged in.
        asked: names of providers, best first; CUDA where it is installed, else the CPU, when None.

    Raises:
        ExportError: a provider that isn't installed, or two of which one is plugged in.
        Exception: whatever ONNX Runtime raises of the file; its errors share no base class of their own.
    """
    own = ort.get_available_providers()
    chosen = asked if asked is not None else tuple(name for name in _PREFERRED if name in own)
    plugged = [name for name in chosen if name not in own]
    if not plugged:
        return ort.InferenceSession(str(path), settings, providers=[(name, _SETTINGS.get(name, {})) for name in chosen])
    others = [name for name in chosen if name != plugged[0] and name != "CPUExecutionProvider"]
    devices = _plug_in(plugged[0])
    if others:
        raise ExportError(
            f"providers must be '{plugged[0]}' alone, for it is plugged in (the CPU does what it can't); "
            f"got {', '.join(others)} besides"
        )
    settings.add_provider_for_devices(devices, {})
    return ort.InferenceSession(str(path), settings)


def _plug_in(name: str) -> list[object]:
    """Load the package that has a provider; return the devices that the provider can use.

    Raises:
        ExportError: no package has it, or it finds no device.
    """
    packages = {provider: package for package in _packages() for provider in package.get_ep_names()}
    if name not in packages:
        installed = ", ".join((*ort.get_available_providers(), *packages))
        raise ExportError(f"providers must be among those that are installed, {installed}; got '{name}'")
    _register(name, packages[name].get_library_path())
    devices = [device for device in ort.get_ep_devices() if device.ep_name == name]
    if not devices:
        raise ExportError(f"providers: {name} finds no device that it can use here; leave providers out for the CPU")
    return devices[:1]


def _packages() -> list[ModuleType]:
    """Import the packages of providers that are installed."""
    names = [module.name for module in pkgutil.iter_modules() if module.name.startswith(_PLUG_IN)]
    return [importlib.import_module(name) for name in names]


@functools.cache
def _register(name: str, library: str) -> None:
    """Tell ONNX Runtime of a provider's library; once, for a second time is an error."""
    try:
        ort.register_execution_provider_library(name, library)
    except Exception as error:  # ONNX Runtime's errors share no base class of their own
        raise ExportError(
            f"providers: ONNX Runtime {ort.__version__} can't load {library} for {name}; it says: {first_line(error)}; "
            "see which version that package is made for"
        ) from error
