"""8 bit for OpenVINO: NNCF measures ranges on calibration images; the decode stays in float."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO

import nncf
import openvino as ov
from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters
from nncf.quantization.range_estimator import RangeEstimatorParametersSet
from pose_data import ExportError

from pose_export.convert.layers import is_in_network, may_be_in_8_bit, name_layer
from pose_export.options import ConvertOptions
from pose_export.run.inputs import make_input

_NO_WORK = ("Parameter", "Constant", "Result")
_CONVOLUTIONS = ("Convolution", "GroupConvolution")


def quantise(model: ov.Model, options: ConvertOptions) -> ov.Model:
    """Put the convolutions of a model into 8 bit, with a scale per channel of the weights.

    Args:
        model: in float32, from an ONNX graph of this project.
        options: `calibration` and `keep_float` are read.

    Raises:
        ExportError: NNCF can't do it.
    """
    assert options.calibration is not None
    images = nncf.Dataset([image[None] for image in options.calibration], make_input)
    with _quiet():
        try:
            return nncf.quantize(
                model,
                images,
                preset=nncf.QuantizationPreset.MIXED,
                subset_size=len(options.calibration),
                # The whole range that was seen: NNCF's own choice, the mean over images, cuts off the far keypoints.
                advanced_parameters=AdvancedQuantizationParameters(
                    activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX
                ),
                ignored_scope=nncf.IgnoredScope(names=_list_ignored(model, options), validate=False),
            )
        except (RuntimeError, nncf.ValidationError) as error:
            reason = (str(error).strip().splitlines() or ["nothing"])[0]
            raise ExportError(f"NNCF {nncf.__version__} can't put the network into 8 bit: {reason}") from error


def tool_name() -> str:
    """NNCF and its version."""
    return f"nncf {nncf.__version__}"


def _list_ignored(model: ov.Model, options: ConvertOptions) -> list[str]:
    """Names of all that stays in float.

    That is the decode with the layers that give what is decoded, the chosen layers, and all that is no convolution,
    where 8 bit costs exactness and saves no time.
    """
    nodes = [node for node in model.get_ordered_ops() if node.get_type_name() not in _NO_WORK]
    return [
        node.get_friendly_name()
        for node in nodes
        if node.get_type_name() not in _CONVOLUTIONS or _stays(node.get_friendly_name(), options)
    ]


def _stays(node: str, options: ConvertOptions) -> bool:
    layer = name_layer(node)
    return not is_in_network(node) or layer in options.keep_float or not may_be_in_8_bit(layer, options.contract)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep progress bars and advice from the user."""
    logger = logging.getLogger("nncf")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            yield
    finally:
        logger.setLevel(before)
