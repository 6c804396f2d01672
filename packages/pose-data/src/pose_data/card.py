"""The model card: all that someone needs to know to use a file of weights, and where it came from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pose_data.errors import CheckpointError, SettingsError
from pose_data.skeleton import Skeleton

CARD_FORMAT = 1  # raised when a field changes its meaning


@dataclass(frozen=True)
class ModelCard:
    """What travels with every file of weights.

    Args:
        architecture: the network's name, such as "yolov8n-pose".
        names: C class names.
        skeleton: K keypoints.
        keypoint_dims: 3 when the network scores each keypoint, 2 when it doesn't.
        stride: largest stride; the input's height and width are multiples of it.
        imgsz: (height, width) of the input that the weights were made for.
        dynamic: whether the file takes other sizes and batches than imgsz and batch.
        batch: images per call of a file that isn't dynamic.
        contract: what the output means; "raw" is (B, 4 + C + 3K, A), boxes cxcywh input pixels.
        precision: "float32", "float16" or "bfloat16", of the weights.
        data: the data YAML that the weights were trained on, so that they can be validated again.
        licence: of the weights.
        provenance: how the weights were made.
        facts: whatever else is worth keeping, by name (measured figures, tool versions).
    """

    architecture: str
    names: tuple[str, ...]
    skeleton: Skeleton
    keypoint_dims: int = 3
    stride: int = 32
    imgsz: tuple[int, int] = (640, 640)
    dynamic: bool = True
    batch: int = 1
    contract: str = "raw"
    precision: str = "float32"
    data: str = ""
    licence: str = ""
    provenance: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def kpt_shape(self) -> tuple[int, int]:
        """(K, D), as data YAML files write it."""
        return len(self.skeleton), self.keypoint_dims

    @property
    def channels(self) -> int:
        """Rows of the raw output: 4 + C + D K."""
        return 4 + len(self.names) + self.keypoint_dims * len(self.skeleton)

    def to_json(self) -> str:
        """Write the card as one JSON object, keys in a fixed order."""
        points = {name: getattr(self.skeleton, name) for name in ("names", "mirror", "edges", "sigmas")}
        if self.skeleton.classes is not None:  # readers that don't know the key pass it over
            points["classes"] = self.skeleton.classes
        document = {
            "format": CARD_FORMAT,
            "architecture": self.architecture,
            "names": list(self.names),
            "skeleton": points,
            **{name: getattr(self, name) for name in _PLAIN},
            "facts": dict(sorted(self.facts.items())),
        }
        return json.dumps(document, ensure_ascii=False)

    def to_metadata(self) -> dict[str, str]:
        """Write what existing readers of such files look for, by their keys; lists and names as Python literals."""
        return {
            "task": "pose",
            "stride": str(self.stride),
            "batch": str(self.batch),
            "imgsz": repr(list(self.imgsz)),
            "names": repr(dict(enumerate(self.names))),
            "kpt_shape": repr(list(self.kpt_shape)),
        }


_PLAIN = (
    *("keypoint_dims", "stride", "imgsz", "dynamic", "batch"),
    *("contract", "precision", "data", "licence", "provenance"),
)


def card_from_json(text: str, *, source: str) -> ModelCard:
    """Read a card back.

    Args:
        source: the file that it was found in, for messages.

    Raises:
        CheckpointError: the text is not a card, or of a newer format.
    """
    try:
        document = json.loads(text)
        if document["format"] > CARD_FORMAT:
            raise CheckpointError(
                f"{source}: its model card has format {document['format']}, this version reads up to {CARD_FORMAT}; "
                "install a newer pose-data"
            )
        points = document["skeleton"]
        skeleton = Skeleton(
            names=tuple(points["names"]),
            mirror=None if points["mirror"] is None else tuple((int(a), int(b)) for a, b in points["mirror"]),
            edges=tuple((int(a), int(b)) for a, b in points["edges"]),
            sigmas=None if points["sigmas"] is None else tuple(float(s) for s in points["sigmas"]),
            classes=_read_classes(points.get("classes"), count=len(document["names"])),
        )
        plain = {name: document[name] for name in _PLAIN}
        plain["imgsz"] = tuple(int(side) for side in plain["imgsz"])
        return ModelCard(
            architecture=document["architecture"],
            names=tuple(document["names"]),
            skeleton=skeleton,
            facts=document["facts"],
            **plain,
        )
    except (KeyError, TypeError, ValueError, SettingsError) as error:
        raise CheckpointError(
            f"{source}: its model card can't be read ({type(error).__name__}: {error}); "
            "expected the card that pose writes into its own files"
        ) from error


def _read_classes(classes: Sequence[Sequence[int]] | None, *, count: int) -> tuple[tuple[int, ...], ...] | None:
    if classes is None:
        return None
    if len(classes) != count:
        raise SettingsError(f"skeleton: classes must be {count}, one for each name; got {len(classes)}")
    return tuple(tuple(int(point) for point in points) for points in classes)
