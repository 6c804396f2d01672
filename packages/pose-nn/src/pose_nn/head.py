"""The head: per level one branch each for boxes, classes and keypoints."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pose_nn.anchors import make_anchors
from pose_nn.blocks import ConvBlock
from pose_nn.decode import REG_MAX, decode_boxes, decode_keypoint_rows, expected_distances

BOX_BIAS = 2.0  # sides start out some cells away from the anchor rather than at it
PRIOR_OBJECTS = 5  # people expected in an image of PRIOR_SIZE, spread over all cells of a level
PRIOR_SIZE = 640


@dataclass(frozen=True)
class RawOutputs:
    """What the head computes before anything is decoded; levels joined fine to coarse.

    Args:
        boxes: (B, 64, A), logits of the distances' bins: left, top, right, bottom, 16 each.
        scores: (B, C, A), class logits.
        keypoints: (B, K * D, A), per keypoint two offsets and, with D = 3, the logit of its visibility.
        levels: (height, width) of each level, in cells; A is the sum of their products.
        strides: input pixels per cell of each level.
    """

    boxes: Tensor
    scores: Tensor
    keypoints: Tensor
    levels: tuple[tuple[int, int], ...]
    strides: tuple[int, ...]


class DistanceBins(nn.Module):
    """The frozen 1x1 convolution whose weights are the distances 0 to 15 of the bins."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(REG_MAX, 1, 1, bias=False).requires_grad_(False)
        self.conv.weight.data = torch.arange(REG_MAX, dtype=torch.float32).reshape(1, REG_MAX, 1, 1)

    def forward(self, logits: Tensor) -> Tensor:
        """Map (B, 64, A) logits to (B, 4, A) distances, in cells."""
        return expected_distances(logits, self.conv.weight.to(logits.dtype))


class PoseHead(nn.Module):
    """Three branches per level, none of them shared between levels.

    Args:
        inputs: channels of each level, fine to coarse.
        strides: input pixels per cell of each level.
        num_classes: C.
        kpt_shape: (K, D).
    """

    def __init__(
        self, inputs: tuple[int, ...], *, strides: tuple[int, ...], num_classes: int, kpt_shape: tuple[int, int]
    ) -> None:
        super().__init__()
        self.strides = strides
        self.num_classes = num_classes
        self.kpt_shape = kpt_shape
        finest, keypoint_rows = inputs[0], kpt_shape[0] * kpt_shape[1]
        box_width = max(16, finest // 4, 4 * REG_MAX)
        class_width = max(finest, min(num_classes, 100))
        keypoint_width = max(finest // 4, keypoint_rows)
        # The order of these four is the order of the state dict.
        self.cv2 = nn.ModuleList(_make_branch(c, box_width, 4 * REG_MAX) for c in inputs)
        self.cv3 = nn.ModuleList(_make_branch(c, class_width, num_classes) for c in inputs)
        self.dfl = DistanceBins()
        self.cv4 = nn.ModuleList(_make_branch(c, keypoint_width, keypoint_rows) for c in inputs)
        self._set_biases()

    def forward(self, *features: Tensor) -> RawOutputs:
        """Compute the raw outputs of all levels, (B, inputs[i], height_i, width_i) each."""
        return RawOutputs(
            boxes=_join(self.cv2, features),
            scores=_join(self.cv3, features),
            keypoints=_join(self.cv4, features),
            levels=tuple((f.shape[2], f.shape[3]) for f in features),
            strides=self.strides,
        )

    def decode(self, raw: RawOutputs) -> Tensor:
        """Decode raw outputs, in float32 whatever their type: half a pixel is lost in float16 at 640.

        Returns:
            (B, 4 + C + K * D, A): boxes cxcywh pixels of the input, class scores, keypoints.
        """
        centres, strides = make_anchors(raw.levels, raw.strides, device=raw.boxes.device)
        boxes = decode_boxes(self.dfl(raw.boxes.float()), centres, strides)
        keypoints = decode_keypoint_rows(raw.keypoints.float(), centres, strides, kpt_shape=self.kpt_shape)
        return torch.cat((boxes, raw.scores.float().sigmoid(), keypoints), dim=1)

    def _set_biases(self) -> None:
        """Start from plausible sizes, and from the prior that few cells hold somebody (arXiv:1708.02002)."""
        for boxes, classes, stride in zip(self.cv2, self.cv3, self.strides, strict=True):
            cells = (PRIOR_SIZE / stride) ** 2
            nn.init.constant_(boxes[-1].bias, BOX_BIAS)  # type: ignore[index]
            prior = math.log(PRIOR_OBJECTS / self.num_classes / cells)
            nn.init.constant_(classes[-1].bias, prior)  # type: ignore[index]


def _make_branch(inputs: int, width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        ConvBlock(inputs, width, kernel=3), ConvBlock(width, width, kernel=3), nn.Conv2d(width, outputs, 1)
    )


def _join(branches: nn.ModuleList, features: tuple[Tensor, ...]) -> Tensor:
    """Run each level through its branch and join all cells: (B, outputs, A)."""
    return torch.cat([branch(f).flatten(2) for branch, f in zip(branches, features, strict=True)], dim=2)
