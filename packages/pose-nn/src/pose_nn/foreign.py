"""Other people's .pt files: a network pickled whole, read as names, tensors and a model card."""

from __future__ import annotations

from dataclasses import dataclass

from pose_data import COCO_PERSON, CheckpointError, ModelCard, SettingsError, Skeleton, make_skeleton
from torch import Tensor

from pose_nn.archive import Archive
from pose_nn.unpickler import Inert, StoredTensor

NETWORK_CLASS = "PoseModel"
KNOWN_BLOCKS = frozenset(("Conv", "C2f", "C2", "SPPF", "Upsample", "Concat", "Pose"))
SCALE_BY_STEM = {16: "n", 32: "s", 48: "m", 64: "l", 80: "x"}  # channels of the first layer
HEAD_LAYERS = {22: "", 30: "-p6"}  # number of the last layer
SUPPORTED = "YOLOv8 pose networks (n, s, m, l, x and their p6 forms) can be read"
MAX_MODULES = 10_000  # the largest network has about 700


@dataclass(frozen=True)
class ForeignWeights:
    """What a foreign file says.

    Args:
        state: tensors by name, as they are stored.
        card: made from the network's attributes; the licence is the file's own.
        notes: what the user should know, one line each.
    """

    state: dict[str, Tensor]
    card: ModelCard
    notes: tuple[str, ...]


def read_foreign(archive: Archive, document: dict[object, object]) -> ForeignWeights:
    """Read the network that a foreign file holds.

    Args:
        document: what the archive's pickle holds.

    Raises:
        CheckpointError: it holds no network, or one of another kind.
    """
    module = _find_network(archive, document)
    layers = _layers(archive, module)
    stored = _collect(archive, module)
    reader = _CardReader(archive, document, module, layers, stored)
    card = reader.make_card()
    state = {name: archive.read_tensor(tensor) for name, tensor in stored.items()}
    return ForeignWeights(state, card, tuple(reader.notes))


def _find_network(archive: Archive, document: dict[object, object]) -> Inert:
    # A file from the middle of a training run has its averaged weights under "ema" and nothing under "model".
    for key in ("ema", "model"):
        module = document.get(key)
        if isinstance(module, Inert):
            kind = _kind(module)
            if kind != NETWORK_CLASS:
                raise _error(archive, f"holds a '{kind}'; only {SUPPORTED}")
            return module
    keys = ", ".join(repr(str(key)[:30]) for key in list(document)[:6])
    raise _error(archive, f"must hold a network under 'model' or 'ema'; got keys {keys or '(none)'}; {SUPPORTED}")


def _layers(archive: Archive, module: Inert) -> list[Inert]:
    model = _mapping(module.state.get("_modules")).get("model")
    children = list(_mapping(model.state.get("_modules")).values()) if isinstance(model, Inert) else []
    layers = [child for child in children if isinstance(child, Inert)]
    unknown = sorted({_kind(layer) for layer in layers} - KNOWN_BLOCKS)
    if unknown or not layers:
        blocks = ", ".join(unknown) or "no layers at all"
        raise _error(archive, f"is a network of another kind (it has {blocks}); only {SUPPORTED}")
    return layers


def _collect(archive: Archive, root: Inert) -> dict[str, StoredTensor]:
    """Gather tensors in the order of a state dict: own parameters, own buffers, then children."""
    stored: dict[str, StoredTensor] = {}
    waiting, visited = [("", root)], 0
    while waiting:
        prefix, module = waiting.pop()
        visited += 1
        if visited > MAX_MODULES:  # a module can be its own child in a pickle
            raise _error(archive, "its network is nested without end; don't use this file")
        for kind in ("_parameters", "_buffers"):
            for name, tensor in _mapping(module.state.get(kind)).items():
                if isinstance(tensor, StoredTensor):
                    stored[f"{prefix}{name}"] = tensor
        children = _mapping(module.state.get("_modules")).items()
        waiting += [(f"{prefix}{name}.", child) for name, child in children if isinstance(child, Inert)][::-1]
    return stored


class _CardReader:
    """Makes a card from the attributes of a foreign network, and notes what had to be supposed."""

    def __init__(
        self,
        archive: Archive,
        document: dict[object, object],
        module: Inert,
        layers: list[Inert],
        stored: dict[str, StoredTensor],
    ) -> None:
        self.archive = archive
        self.document = document
        self.model = module.state
        self.head = layers[-1].state
        self.head_index = len(layers) - 1
        self.stored = stored
        self.notes: list[str] = []

    def make_card(self) -> ModelCard:
        """Say in a card what the file says of itself, its licence included."""
        name = self._architecture()
        keypoints, dims = self._kpt_shape()
        stride = 64 if name.endswith("-p6") else 32
        return ModelCard(
            architecture=name,
            names=self._class_names(),
            skeleton=self._skeleton(keypoints),
            keypoint_dims=dims,
            stride=stride,
            imgsz=self._imgsz(1280 if stride == 64 else 640),
            precision=str(self.stored["model.0.conv.weight"].storage.dtype).removeprefix("torch."),
            licence=self._licence(),
            provenance=self._provenance(),
            facts=self._facts(),
        )

    def _architecture(self) -> str:
        stem = self._shape("model.0.conv.weight")[0]
        if stem not in SCALE_BY_STEM or self.head_index not in HEAD_LAYERS:
            raise _error(
                self.archive,
                f"is a network of another kind ({self.head_index + 1} layers, {stem} channels in the first); "
                f"only {SUPPORTED}",
            )
        return f"yolov8{SCALE_BY_STEM[stem]}-pose{HEAD_LAYERS[self.head_index]}"

    def _shape(self, name: str) -> tuple[int, ...]:
        if name not in self.stored or not self.stored[name].shape:
            raise _error(self.archive, f"has no tensor '{name}'; only {SUPPORTED}")
        return self.stored[name].shape

    def _kpt_shape(self) -> tuple[int, int]:
        rows = self._shape(f"model.{self.head_index}.cv4.0.2.weight")[0]
        given = self.head.get("kpt_shape", self.model.get("kpt_shape"))
        shape = [n for n in given if isinstance(n, int)] if isinstance(given, (list, tuple)) else []
        if len(shape) != 2 or shape[0] * shape[1] != rows or shape[1] not in (2, 3):
            raise _error(self.archive, f"its kpt_shape must be [K, 2] or [K, 3] with {rows} rows in all; got {shape}")
        return shape[0], shape[1]

    def _class_names(self) -> tuple[str, ...]:
        count = self._shape(f"model.{self.head_index}.cv3.0.2.weight")[0]
        names = self.model.get("names")
        found = list(names.values()) if isinstance(names, dict) else names
        if isinstance(found, list) and len(found) == count:
            return tuple(_line(name) for name in found)
        self.notes.append(f"the file names no classes that fit its {count}; they are called class 0, class 1, ...")
        return tuple(f"class {i}" for i in range(count))

    def _skeleton(self, count: int) -> Skeleton:
        names, sigmas = self._point_names(count), self._sigmas(count)
        if names == COCO_PERSON.names or (names is None and count == len(COCO_PERSON)):
            if names is None:
                self.notes.append("the file names none of its 17 keypoints; they are taken to be COCO's")
            return (
                COCO_PERSON
                if sigmas is None
                else Skeleton(COCO_PERSON.names, COCO_PERSON.mirror, COCO_PERSON.edges, sigmas)
            )
        if names is None:
            self.notes.append(f"the file names none of its {count} keypoints; a data YAML can name them")
        flip = self.model.get("flip_idx")
        order = tuple(n for n in flip if isinstance(n, int)) if isinstance(flip, (list, tuple)) else None
        try:
            return make_skeleton(names or tuple(f"keypoint {i}" for i in range(count)), flip_idx=order, sigmas=sigmas)
        except SettingsError as error:
            raise CheckpointError(f"{self.archive.path}: its keypoints are at odds: {error}") from error

    def _point_names(self, count: int) -> tuple[str, ...] | None:
        given = self.model.get("kpt_names")
        if isinstance(given, dict):  # per class; every class has the same keypoints here
            given = next(iter(given.values()), None)
        if not isinstance(given, (list, tuple)) or len(given) != count:
            return None
        names = tuple(_line(name) for name in given)
        return names if len(set(names)) == count else None

    def _sigmas(self, count: int) -> tuple[float, ...] | None:
        given = self.model.get("kpt_oks_sigmas")
        if isinstance(given, StoredTensor):
            given = self.archive.read_tensor(given).flatten().tolist()
        if not isinstance(given, (list, tuple)) or len(given) != count:
            return None
        values = tuple(float(value) for value in given if isinstance(value, (int, float)) and value > 0)
        return values if len(values) == count else None

    def _arguments(self) -> dict[str, object]:
        for given in (self.document.get("train_args"), self.model.get("args")):
            if _mapping(given):
                return _mapping(given)
        return {}

    def _imgsz(self, default: int) -> tuple[int, int]:
        size = self._arguments().get("imgsz")
        side = size if isinstance(size, int) and 0 < size <= 2**14 else default
        return side, side

    def _licence(self) -> str:
        licence = self.document.get("license")
        if not isinstance(licence, str) or not licence.strip():
            self.notes.append("the file states no licence for its weights; ask whoever made it")
            return ""
        self.notes.append(f"licence of these weights, as the file states it: {_line(licence)}")
        return _line(licence)

    def _provenance(self) -> str:
        parts = [f"{key} {_line(self.document[key])}" for key in ("version", "date") if self.document.get(key)]
        said = f" ({', '.join(parts)})" if parts else ""
        text = f"read from the foreign file {self.archive.path.name}{said}"
        self.notes.append(text)
        return text

    def _facts(self) -> dict[str, str]:
        data = self._arguments().get("data")
        return {"trained on": _line(data)} if isinstance(data, str) else {}


def _mapping(value: object) -> dict[str, object]:
    if isinstance(value, Inert):
        value = value.state
    return {str(key): entry for key, entry in value.items()} if isinstance(value, dict) else {}


def _kind(module: Inert) -> str:
    return module.origin.rpartition(".")[2]


def _line(value: object) -> str:
    """Text from a file as one short printable line."""
    return "".join(c if c.isprintable() else " " for c in str(value))[:200].strip()


def _error(archive: Archive, reason: str) -> CheckpointError:
    return CheckpointError(f"{archive.path}: {reason}")
