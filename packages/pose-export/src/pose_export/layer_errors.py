"""What each layer of a network suffers from 8 bit by itself: what to leave in float first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pose_data import ModelCard, check_imgsz

from pose_export.calibrate import gather_calibration
from pose_export.requirements import require_modules
from pose_export.source import read_source

if TYPE_CHECKING:
    from pose_nn import PoseNet

_NEEDS = ("pose_nn", "torch")


@dataclass(frozen=True)
class LayerError:
    """What happens to the network when one of its layers is put into 8 bit.

    Args:
        name: of the layer, such as "model.2.cv1.conv", as `keep_float` of `export` takes it.
        signal_to_noise: of the outputs of the head, in dB; the less, the worse.
        stays_float: whether it is left in float anyway, unless the contract is "heads", or in TFLite "normalised".
    """

    name: str
    signal_to_noise: float
    stays_float: bool


def measure_layers(
    checkpoint: Path | str | tuple[PoseNet, ModelCard],
    *,
    imgsz: int | tuple[int, int] | None = None,
    calibration: Sequence[NDArray[np.uint8]] | Path | str | None = None,
    progress: Callable[[str], None] | None = None,
) -> tuple[LayerError, ...]:
    """Put one layer after the other into 8 bit, by itself, and measure what the head then says.

    Args:
        checkpoint: a file of weights, or a network with its card.
        imgsz: size of the input, one side or (height, width); the card's when None.
        calibration: images like those that the network will see, or a folder of them; drawn people when None.
        progress: told in a few words what is being done.

    Returns:
        All layers, worst first.

    Raises:
        CheckpointError: the checkpoint can't be read.
        ExportError: there is no image, or a package isn't installed.
        SettingsError: imgsz isn't a multiple of the stride.
    """
    tell = progress or (lambda _: None)
    require_modules(_NEEDS, job="measuring layers", extra="convert")
    from pose_export.convert.sensitivity import compare_layers

    source = read_source(checkpoint)
    size = check_imgsz(source.card.imgsz if imgsz is None else imgsz, stride=source.card.stride)
    images = gather_calibration(calibration, size, tell=tell)
    tell("measuring what each layer suffers from 8 bit")
    return compare_layers(source.net, images)
