"""Run Core ML packages with coremltools, on macOS."""

from __future__ import annotations

import sys
from pathlib import Path

import coremltools as ct
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pose_data import ExportError, ModelCard, Runtime

from pose_export.card import FileShape, settle_card
from pose_export.options import RunOptions
from pose_export.run.file import FileRuntime, first_line


class CoreMlRuntime(FileRuntime):
    """An mlpackage whose input is a picture; satisfies `pose_data.Runtime`.

    Args:
        path: the package.
        card: what the network is, for a package that doesn't say it.

    Raises:
        ExportError: the package is damaged, has no card, or isn't what its card says.
    """

    runner = "Core ML"

    def __init__(self, path: Path, *, card: ModelCard | None = None) -> None:
        source = str(path)
        try:
            self._model = ct.models.MLModel(source)
            description = self._model.get_spec().description
        except Exception as error:  # coremltools' errors share no base class of their own
            raise ExportError(
                f"{path}: must be a whole Core ML package; coremltools says: {first_line(error)}; export it again"
            ) from error
        if not (description.input and description.output):  # an empty file is a valid description of nothing
            raise ExportError(f"{path}: must be a whole Core ML package; it has no inputs or outputs; export it again")
        picture = description.input[0].type.imageType
        ranges = (picture.imageSizeRange.heightRange, picture.imageSizeRange.widthRange)
        free = picture.HasField("imageSizeRange")
        self._most = tuple(ends.upperBound if free and ends.upperBound > 0 else sys.maxsize for ends in ranges)
        self._input = description.input[0].name
        self._outputs = [output.name for output in description.output]
        lengths = tuple(tuple(output.type.multiArrayType.shape) or None for output in description.output)
        outputs = None if None in lengths else tuple(shape or () for shape in lengths)
        size = (None, None) if free else (picture.height or None, picture.width or None)
        shape = FileShape(1, *size, outputs)
        metadata = dict(description.metadata.userDefined)
        super().__init__(source=source, card=settle_card(card, metadata, shape, source=source), batch=1)

    def _run(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        size = images.shape[1:3]
        if any(side > most for side, most in zip(size, self._most, strict=True)):
            raise ExportError(
                f"{self._source} takes images of at most {self._most[0]}x{self._most[1]} (height x width); "
                f"got {size[0]}x{size[1]}; letterbox them to that, or export it with a larger imgsz"
            )
        found = self._model.predict({self._input: Image.fromarray(images[0])})
        return [np.asarray(found[name], dtype=np.float32) for name in self._outputs]


def open_runtime(path: Path, options: RunOptions) -> Runtime:
    """Load a Core ML package.

    Raises:
        ExportError: it can't be read, has no card, or isn't what its card says.
    """
    return CoreMlRuntime(path, card=options.card)
