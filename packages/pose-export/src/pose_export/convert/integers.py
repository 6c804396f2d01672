"""8 bit for TFLite: every operation of the network in integers, the decode in float or left to the reader."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from pose_data import ModelCard

from pose_export.convert.layers import gives_rows, name_layer
from pose_export.convert.tensorflow import DECODE_SCOPE, INPUT_NAME
from pose_export.options import ConvertOptions
from pose_export.run.channels_last import make_pixels

Samples = Callable[[], Iterator[dict[str, NDArray[np.float32]]]]


def quantise(converter: tf.lite.TFLiteConverter, card: ModelCard, options: ConvertOptions) -> bytes:
    """Make a TFLite file of 8 bit, its ranges measured on the calibration images.

    A file of the contract "raw" takes and gives float32 and decodes in float: pixels and scores share no scale.
    Files of other contracts take and give int8: "heads", each of whose outputs has a scale of its own, and
    "normalised", whose coordinates are at most about 1, as the scores are.

    Args:
        converter: of the network in float32.
        card: with the batch and contract of the file.
        options: `calibration` and `keep_float` are read.
    """
    assert options.calibration is not None
    samples = _make_samples(options.calibration, batch=card.batch)
    whole = card.contract != "raw" and not options.keep_float
    names = [] if whole else _find_float(converter.convert(), options.keep_float, decode=card.contract == "raw")
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = samples
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    with _quiet():
        if whole:
            converter.inference_input_type = converter.inference_output_type = tf.int8
            return bytes(converter.convert())
        converter.target_spec.supported_ops.append(tf.lite.OpsSet.TFLITE_BUILTINS)
        debugger = tf.lite.experimental.QuantizationDebugger(
            converter=converter,
            debug_dataset=samples,
            debug_options=tf.lite.experimental.QuantizationDebugOptions(denylisted_nodes=names),
        )
        return bytes(debugger.get_nondebug_quantized_model())


def _make_samples(images: NDArray[np.uint8], *, batch: int) -> Samples:
    """Hand out calibration images one call at a time, repeated where there are too few for one."""
    whole = max(len(images) // batch, 1) * batch
    calls = np.resize(images, (whole, *images.shape[1:])).reshape(-1, batch, *images.shape[1:])

    def generate() -> Iterator[dict[str, NDArray[np.float32]]]:
        yield from ({INPUT_NAME: make_pixels(call)} for call in calls)

    return generate


def _find_float(content: bytes, layers: tuple[str, ...], *, decode: bool) -> list[str]:
    """Names of the tensors of a float32 file that come out of the decode or of the given layers.

    A tensor that several operations were fused for has all their names, with semicolons between.
    """

    def stays(part: str) -> bool:
        """Whether a tensor is of the decode, or what a layer gives before anything else is done to it."""
        scope, convolution, _ = part.partition("/Conv/")
        layer = name_layer(f"/{scope}/Conv") if convolution else ""
        return layer in layers or (decode and (part.startswith(DECODE_SCOPE) or gives_rows(layer)))

    with _quiet():
        interpreter = tf.lite.Interpreter(model_content=content)
    names = {entry["index"]: str(entry["name"]) for entry in interpreter.get_tensor_details()}
    outputs = {int(entry["index"]) for entry in interpreter.get_output_details()} if decode else set()
    return [name for index, name in names.items() if index in outputs or any(map(stays, name.split(";")))]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep from the user that TensorFlow's own interpreter, which its converter takes, is to be retired."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield
