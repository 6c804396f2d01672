"""What the output of a file means, by name; and the way back from each meaning to the raw one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pose_data import ModelCard, cxcywh_from_xyxy

from pose_export.heads import decode_heads

FINEST_STRIDE = 8  # P3; every level after it has twice the stride of the one before
HEAD_KINDS = ("boxes", "scores", "keypoints")
BINS = 64  # rows of a head's boxes: 4 sides of 16 bins

# Contract -> its output, in words.
CONTRACTS = {
    "raw": "(B, 4 + C + D K, A), boxes cxcywh, pixels of the input",
    "nms": "(B, max_det, 6 + D K), boxes xyxy, score, class, keypoints, pixels of the input; zeros after the last",
    "rows": "(B, A, 4 + C + D K), boxes xyxy, pixels of the input",
    "normalised": "(B, 4 + C + D K, A), boxes cxcywh, coordinates over the width and height of the input",
    "heads": "per stride boxes (B, 64, h, w), scores (B, C, h, w), keypoints (B, D K, h, w), all of them logits",
}

_Size = tuple[int, int]
Shape = tuple[int | None, ...]


def list_strides(largest: int) -> tuple[int, ...]:
    """Input pixels per cell of each level, fine to coarse."""
    strides = [FINEST_STRIDE]
    while strides[-1] < largest:
        strides.append(2 * strides[-1])
    return tuple(strides)


def count_cells(size: _Size, *, stride: int) -> tuple[int, ...]:
    """Count the cells of each level, stride 8 to the largest, of an input of (height, width)."""
    return tuple((size[0] // step) * (size[1] // step) for step in list_strides(stride))


def count_anchors(size: _Size, *, stride: int) -> int:
    """Count the cells of all levels; each is an anchor."""
    return sum(count_cells(size, stride=stride))


def output_shapes(card: ModelCard, *, batch: int | None, size: tuple[int | None, int | None]) -> dict[str, Shape]:
    """Names and shapes of the outputs that a card promises; None where a length isn't fixed.

    Args:
        card: of a file, with its contract.
        batch: images per call.
        size: (height, width) of the input.
    """
    height, width = size
    fixed = height is not None and width is not None
    anchors = count_anchors((height or 0, width or 0), stride=card.stride) if fixed else None
    keypoints = card.kpt_shape[0] * card.kpt_shape[1]
    if card.contract == "nms":
        return {"output0": (batch, None, 6 + keypoints)}
    if card.contract == "rows":
        return {"output0": (batch, anchors, card.channels)}
    if card.contract != "heads":
        return {"output0": (batch, card.channels, anchors)}
    rows = dict(zip(HEAD_KINDS, (BINS, len(card.names), keypoints), strict=True))
    cells = {step: (_over(height, step), _over(width, step)) for step in list_strides(card.stride)}
    return {f"{kind}_{step}": (batch, rows[kind], *cells[step]) for step in cells for kind in HEAD_KINDS}


def shapes_agree(promised: Sequence[Shape], found: Sequence[Shape]) -> bool:
    """Whether two lists of shapes may be of the same outputs; None agrees with any length."""
    return len(promised) == len(found) and all(
        len(a) == len(b) and all(x is None or y is None or x == y for x, y in zip(a, b, strict=True))
        for a, b in zip(promised, found, strict=True)
    )


def describe_shapes(shapes: dict[str, Shape]) -> str:
    """Write shapes into a message: output0 (1, 56, any)."""
    texts = (", ".join("any" if n is None else str(n) for n in shape) for shape in shapes.values())
    return ", ".join(f"{name} ({text})" for name, text in zip(shapes, texts, strict=True))


def to_raw(outputs: Sequence[NDArray[np.float32]], card: ModelCard, *, size: _Size) -> NDArray[np.float32]:
    """Bring what a file returned back to the raw contract.

    Args:
        outputs: in the order of `output_shapes`.
        card: of the file, with its contract.
        size: (height, width) of the input.

    Returns:
        (B, 4 + C + D K, A) float32; for "nms" A is the number of rows, of which the empty ones score 0.
    """
    if card.contract == "heads":
        return decode_heads(outputs, strides=list_strides(card.stride), kpt_shape=card.kpt_shape)
    (output,) = outputs
    if card.contract == "nms":
        return _from_detections(output, classes=len(card.names))
    if card.contract == "rows":
        raw: NDArray[np.float32] = output.transpose(0, 2, 1).copy()
        raw[:, :4] = cxcywh_from_xyxy(output[..., :4]).transpose(0, 2, 1)
        return raw
    if card.contract == "normalised":
        return _scale(output, card, size=size)
    return output


def _over(length: int | None, step: int) -> int | None:
    return None if length is None else length // step


def _from_detections(found: NDArray[np.float32], *, classes: int) -> NDArray[np.float32]:
    boxes = cxcywh_from_xyxy(found[..., :4])
    scores = found[..., 4:5] * (found[..., 5:6].round() == np.arange(classes, dtype=np.float32))
    rows = np.concatenate([boxes, scores, found[..., 6:]], axis=2)
    return np.ascontiguousarray(rows.transpose(0, 2, 1), dtype=np.float32)


def _scale(output: NDArray[np.float32], card: ModelCard, *, size: _Size) -> NDArray[np.float32]:
    """Multiply coordinates by the sides of the input; scores stay."""
    (height, width), dims = size, card.keypoint_dims
    factors = np.ones(card.channels, np.float32)
    factors[:4] = (width, height, width, height)
    factors[4 + len(card.names) :: dims] = width
    factors[5 + len(card.names) :: dims] = height
    scaled: NDArray[np.float32] = output * factors[:, None]
    return scaled
