"""What a run starts from: a new network, a checkpoint, or a new network that takes what fits of one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pose_data import ModelCard, Samples, SettingsError
from pose_nn import PoseNet, build_network, load_checkpoint, transfer

from pose_train._version import __version__
from pose_train.settings import TrainSettings

CHECKPOINTS = (".safetensors", ".pt", ".pth")


@dataclass(frozen=True)
class Start:
    """A network ready to learn, its card, and what the user should know of where it came from."""

    net: PoseNet
    card: ModelCard
    notes: tuple[str, ...]


def make_start(settings: TrainSettings, samples: Samples) -> Start:
    """Make the network that the settings ask for, with the classes and keypoints of a data set.

    Raises:
        SettingsError: an unknown network name.
        CheckpointError: a file that can't be read as one.
    """
    given = settings.pretrained if isinstance(settings.pretrained, str) else ""
    is_file = Path(settings.model).suffix in CHECKPOINTS
    if is_file and settings.pretrained is not False and not given:
        return _from_checkpoint(Path(settings.model), settings, samples)
    name = load_checkpoint(Path(settings.model)).card.architecture if is_file else settings.model
    if given:
        return _from_checkpoint(Path(given), settings, samples, architecture=name)
    net = _new(name, samples)
    return Start(net, _card(settings, samples, net, licence="", origin="trained from scratch"), ())


def make_start_again(card: ModelCard) -> Start:
    """Make the network of a run that goes on, whose weights will be read from its state."""
    kpt_shape = (len(card.skeleton), card.keypoint_dims)
    return Start(build_network(card.architecture, num_classes=len(card.names), kpt_shape=kpt_shape), card, ())


def _from_checkpoint(
    path: Path, settings: TrainSettings, samples: Samples, *, architecture: str | None = None
) -> Start:
    checkpoint = load_checkpoint(path)
    net = _new(architecture or checkpoint.card.architecture, samples)
    report = transfer(
        net, checkpoint.net.state_dict(), keypoints=(checkpoint.card.skeleton.names, samples.skeleton.names)
    )
    if not report.taken:
        raise SettingsError(
            f"{path}: none of its weights fit '{net.name}' by name and shape; "
            f"it holds a '{checkpoint.card.architecture}'"
        )
    origin = f"started from {path.name} ({checkpoint.card.provenance or 'of unknown making'})"
    card = _card(settings, samples, net, licence=checkpoint.card.licence, origin=origin)
    return Start(net, card, (*checkpoint.notes, f"{path}: {report}"))


def _new(name: str, samples: Samples) -> PoseNet:
    kpt_shape = (len(samples.skeleton), samples.keypoint_dims)
    return build_network(name, num_classes=len(samples.names), kpt_shape=kpt_shape)


def _card(settings: TrainSettings, samples: Samples, net: PoseNet, *, licence: str, origin: str) -> ModelCard:
    data = Path(settings.data)
    return ModelCard(
        architecture=net.name,
        names=samples.names,
        skeleton=samples.skeleton,
        keypoint_dims=samples.keypoint_dims,
        stride=max(net.strides),
        imgsz=(settings.imgsz, settings.imgsz),
        data=str(data.resolve()) if data.exists() else settings.data,
        licence=licence,
        provenance=f"pose-train {__version__}: {origin}; data {data.name}, seed {settings.seed}",
    )
