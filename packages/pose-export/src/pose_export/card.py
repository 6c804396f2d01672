"""The model card inside an exported file: written, read back, made up from public keys, and checked."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pose_data import COCO_PERSON, ExportError, ModelCard, Skeleton, card_from_json

from pose_export.contracts import CONTRACTS, Shape, describe_shapes, output_shapes, shapes_agree

COMPILED = "compiled"  # fact of a card: with what a file was compiled, after its gate, for a chip that alone runs it
CARD_KEY = "pose_card"  # our own key in a file's metadata; its value is the card as JSON
WRONG_CARD = "the card belongs to another file: export it again, or say what it is with card=ModelCard(...)"
_REQUIRED = ("stride", "imgsz", "names", "kpt_shape")
KEYS = (CARD_KEY, "task", "batch", "license", *_REQUIRED)  # all that is read, for files that list no keys themselves


@dataclass(frozen=True)
class FileShape:
    """What a file says about its input and output; None where any length will do, or where it doesn't say.

    Args:
        batch: images per call.
        height: of the input, pixels.
        width: of the input, pixels.
        outputs: shape of each output; None when the file doesn't say.
        any_size: whether any size will do where there is no height and no width; None when the file doesn't say.
    """

    batch: int | None = None
    height: int | None = None
    width: int | None = None
    outputs: tuple[Shape, ...] | None = None
    any_size: bool | None = True

    @property
    def fixed(self) -> bool | None:
        """Whether the file takes one size only; None when it doesn't say."""
        if self.height is not None or self.width is not None:
            return True
        return None if self.any_size is None else not self.any_size


def make_metadata(card: ModelCard) -> dict[str, str]:
    """Write the card as metadata: our own key, and the keys that existing readers look for."""
    return {CARD_KEY: card.to_json(), **card.to_metadata()}


def settle_card(given: ModelCard | None, metadata: Mapping[str, str], shape: FileShape, *, source: str) -> ModelCard:
    """Find out what a file is: from the caller, from our card in it, or from the public keys.

    Args:
        given: the caller's word; it goes before the file's, but for whether any size will do if the file says that.

    Raises:
        CheckpointError: our card is there and can't be read.
        ExportError: there is no card, the public keys make no sense, or the file is something else.
    """
    if given is None and CARD_KEY in metadata:
        card = card_from_json(metadata[CARD_KEY], source=source)
    else:
        card = given or _card_from_public_keys(metadata, source=source)
        card = card if shape.fixed is None else replace(card, dynamic=not shape.fixed)
    check_card(card, shape, source=source)
    return card


def _card_from_public_keys(metadata: Mapping[str, str], *, source: str) -> ModelCard:
    if "kpt_shape" not in metadata and "task" not in metadata:
        raise ExportError(
            f"{source}: a file of a pose network must hold a model card; got the metadata keys "
            f"{sorted(metadata)}; export it with pose, or say what it is with card=ModelCard(...)"
        )
    task = metadata.get("task", "pose")
    if task != "pose":
        raise ExportError(f"{source}: its task must be 'pose'; got '{task}'; it holds no keypoints")
    missing = [key for key in _REQUIRED if key not in metadata]
    if missing:
        raise ExportError(
            f"{source}: its metadata must have {', '.join(_REQUIRED)}; {', '.join(missing)} is missing; "
            "say what it is with card=ModelCard(...)"
        )
    try:
        height, width = (int(side) for side in ast.literal_eval(metadata["imgsz"]))
        keypoints, dims = (int(count) for count in ast.literal_eval(metadata["kpt_shape"]))
        names = ast.literal_eval(metadata["names"])
        names = tuple(str(names[i]) for i in range(len(names)))
        stride, batch = int(metadata["stride"]), int(metadata.get("batch", "1"))
    except (ValueError, SyntaxError, TypeError, KeyError) as error:
        seen = {key: metadata[key] for key in _REQUIRED}
        raise ExportError(
            f"{source}: its metadata must be Python literals such as imgsz '[640, 640]'; got {seen} ({error}); "
            "say what it is with card=ModelCard(...)"
        ) from error
    return ModelCard(
        architecture="unknown",
        names=names,
        skeleton=_unnamed_skeleton(keypoints),
        keypoint_dims=dims,
        stride=stride,
        imgsz=(height, width),
        dynamic=False,  # the size is all that is known
        batch=batch,
        licence=metadata.get("license", ""),
        provenance="made by another program; card read from its metadata",
    )


def _unnamed_skeleton(count: int) -> Skeleton:
    """COCO's person where there are as many points; else points that nobody has named."""
    if count == len(COCO_PERSON):
        return COCO_PERSON
    return Skeleton(tuple(f"keypoint_{i}" for i in range(count)))


def check_card(card: ModelCard, shape: FileShape, *, source: str) -> None:
    """Hold a card against the file it came with.

    Raises:
        ExportError: the card promises another input or output than the file has.
    """
    if card.contract not in CONTRACTS:
        known = ", ".join(CONTRACTS)
        raise ExportError(
            f"{source}: its output contract must be one of {known}; got '{card.contract}'; export it again"
        )
    if card.dynamic and shape.fixed:
        taken = "one size" if shape.height is None else f"{shape.height}x{shape.width}"
        raise ExportError(f"{source}: its card promises any size, the file takes only {taken}; export it again")
    for promised, found, what in zip(card.imgsz, (shape.height, shape.width), ("height", "width"), strict=True):
        _check_length(promised, found, what=f"input {what} {promised}", source=source)
    _check_length(card.batch, shape.batch, what=f"batch {card.batch}", source=source)
    if shape.outputs is not None:
        _check_outputs(card, shape, shape.outputs, source=source)


def _check_outputs(card: ModelCard, shape: FileShape, found: tuple[Shape, ...], *, source: str) -> None:
    promised = output_shapes(card, batch=shape.batch, size=(shape.height, shape.width))
    if not shapes_agree(tuple(promised.values()), found):
        seen = describe_shapes({f"output {i}": lengths for i, lengths in enumerate(found)})
        raise ExportError(
            f"{source}: its card promises {describe_shapes(promised)} ({_channels_in_words(card)}), "
            f"the file has {seen}; {WRONG_CARD}"
        )


def _check_length(promised: int, found: int | None, *, what: str, source: str) -> None:
    if found is not None and found != promised:
        raise ExportError(f"{source}: its card promises {what}, the file has {found}; {WRONG_CARD}")


def _channels_in_words(card: ModelCard) -> str:
    keypoints, dims = card.kpt_shape
    return f"contract '{card.contract}', {len(card.names)} classes, {keypoints} keypoints x {dims}"
