"""A whole network: numbered layers from the image to the head, run in order."""

from __future__ import annotations

from pose_data import SettingsError
from torch import Tensor, nn

from pose_nn.backbone import level_outputs, make_backbone
from pose_nn.head import PoseHead, RawOutputs
from pose_nn.neck import add_neck
from pose_nn.scales import Architecture, find_architecture


class PoseNet(nn.Module):
    """A YOLOv8-pose network; made by `build_network`.

    Args:
        architecture: which of them.
        num_classes: C.
        kpt_shape: (K, D), D = 3 when every keypoint gets a visibility score.
    """

    def __init__(self, architecture: Architecture, *, num_classes: int, kpt_shape: tuple[int, int]) -> None:
        super().__init__()
        backbone = make_backbone(architecture)
        laterals = level_outputs(backbone, levels=len(architecture.strides))
        layers, outputs = add_neck(backbone, laterals, architecture)
        head = PoseHead(
            tuple(layers[i].channels for i in outputs),
            strides=architecture.strides,
            num_classes=num_classes,
            kpt_shape=kpt_shape,
        )
        self.architecture = architecture
        self.num_classes = num_classes
        self.kpt_shape = kpt_shape
        self.model = nn.ModuleList((*(layer.module for layer in layers), head))
        self.sources = (*(layer.sources for layer in layers), tuple(outputs))
        self._kept = frozenset(s for i, sources in enumerate(self.sources) for s in sources if 0 <= s < i - 1)

    @property
    def name(self) -> str:
        """The architecture's name, such as "yolov8n-pose"."""
        return self.architecture.name

    @property
    def strides(self) -> tuple[int, ...]:
        """Input pixels per cell of each level, fine to coarse."""
        return self.architecture.strides

    @property
    def stride(self) -> int:
        """Largest stride; the input's height and width must be multiples of it."""
        return self.strides[-1]

    @property
    def head(self) -> PoseHead:
        """The last layer."""
        head = self.model[-1]
        assert isinstance(head, PoseHead)
        return head

    def forward(self, images: Tensor) -> RawOutputs | Tensor:
        """Run the network.

        Args:
            images: (B, 3, H, W), RGB in [0, 1]; H and W are multiples of `stride`.

        Returns:
            In training mode the raw outputs; in evaluation mode (B, 4 + C + K * D, A) float32: boxes
            cxcywh pixels of the input, class scores, then per keypoint x, y and, with D = 3, its score.
        """
        raw = self.raw(images)
        return raw if self.training else self.head.decode(raw)

    def raw(self, images: Tensor) -> RawOutputs:
        """Compute the raw outputs, in either mode.

        Args:
            images: (B, 3, H, W), RGB in [0, 1]; H and W are multiples of `stride`.
        """
        kept: dict[int, Tensor] = {}  # only what a later layer reads, so that the rest is freed on the way
        features = images
        for i, (module, sources) in enumerate(zip(self.model, self.sources, strict=True)):
            result = module(*(kept.get(source, features) for source in sources))
            if i in self._kept:
                kept[i] = result
            features = result
        raw = features
        assert isinstance(raw, RawOutputs)
        return raw


def build_network(name: str, *, num_classes: int = 1, kpt_shape: tuple[int, int] = (17, 3)) -> PoseNet:
    """Build a network by its name, with fresh weights.

    Args:
        name: "yolov8n-pose" to "yolov8x-pose", or these with "-p6" behind; ".yaml" may follow.
        num_classes: C, at least 1.
        kpt_shape: (K, D), K at least 1 and D 2 or 3.

    Raises:
        SettingsError: an unknown name, or a count that no network can have.
    """
    architecture = find_architecture(name)
    if num_classes < 1:
        raise SettingsError(f"num_classes must be at least 1; got {num_classes}; count the names in the data YAML")
    keypoints, dims = kpt_shape
    if keypoints < 1 or dims not in (2, 3):
        raise SettingsError(
            f"kpt_shape must be [K, 2] or [K, 3] with K at least 1; got {list(kpt_shape)}; correct it in the data YAML"
        )
    return PoseNet(architecture, num_classes=num_classes, kpt_shape=(keypoints, dims))
