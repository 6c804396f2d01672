"""The network as it is written into files: fused, decoding inside, one tensor in, outputs as the contract says."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from pose_data import ModelCard
from pose_nn import PoseNet, RawOutputs, decode_boxes, decode_boxes_xyxy, decode_keypoints, fuse, make_anchors
from torch import Tensor, nn

from pose_export.contracts import output_shapes
from pose_export.convert.nms import select_in_graph
from pose_export.options import ConvertOptions

INPUT_NAME = "images"


class ExportedNet(nn.Module):
    """A fused network between a float32 input and float32 outputs.

    Args:
        net: the network; it is left as it is.
        options: `contract`, the thresholds of "nms", and `half`: whether layers calculate in float16.
            The decode stays in float32: float16 has steps of half a pixel beyond 512.
        batch: images per call of a format that can't leave it free; else None.
    """

    def __init__(self, net: PoseNet, options: ConvertOptions, *, batch: int | None = None) -> None:
        super().__init__()
        self.net = fuse(net).eval().requires_grad_(False)
        self.dtype = torch.float16 if options.half else torch.float32
        self.options = options
        self.batch = batch
        self.net.to(self.dtype)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Map (B, 3, H, W) RGB in [0, 1] to what `contracts.CONTRACTS` says."""
        images, contract = images.to(self.dtype), self.options.contract
        if contract == "heads":
            return self._run_branches(images)
        raw = self.net.raw(images)
        if not self.options.dynamic:  # plain numbers, so that anchors are constants of the file
            raw = replace(raw, levels=tuple((int(height), int(width)) for height, width in raw.levels))
        if contract == "raw":
            return self.net.head.decode(raw)
        if contract == "normalised":
            return self._normalise(raw)
        rows = self._make_rows(raw)
        return rows if contract == "rows" else self._select(rows)

    def _run_branches(self, images: Tensor) -> tuple[Tensor, ...]:
        """Per stride boxes, scores and keypoints, (B, rows, h, w) each, straight from the convolutions.

        They are heard where the network itself runs, so that its layers keep their names in a file. What joins the
        levels runs too, and tracing drops it because nothing reads its result.
        """
        levels = zip(self.net.head.cv2, self.net.head.cv3, self.net.head.cv4, strict=True)
        branches = [branch for level in levels for branch in level]
        outputs: dict[nn.Module, Tensor] = {}
        hooks = [
            branch.register_forward_hook(lambda heard, _, output: outputs.update({heard: output}))
            for branch in branches
        ]
        self.net.raw(images)
        for hook in hooks:
            hook.remove()
        return tuple(outputs[branch].float() for branch in branches)

    def _make_rows(self, raw: RawOutputs) -> Tensor:
        """(B, A, 4 + C + D K), boxes xyxy."""
        centres, strides = make_anchors(raw.levels, raw.strides)
        boxes = decode_boxes_xyxy(self.net.head.dfl(raw.boxes.float()), centres, strides)
        points = self._decode_points(raw, centres, strides)
        return torch.cat((boxes, raw.scores.float().sigmoid(), points), dim=1).transpose(1, 2)

    def _normalise(self, raw: RawOutputs) -> Tensor:
        """The raw contract over the sides of the input, which are folded into the strides.

        A product after the decode would be one more tensor of mixed scales, which 8 bits can't hold.
        """
        centres, strides = make_anchors(raw.levels, raw.strides)
        (height, width), finest = raw.levels[0], raw.strides[0]
        sides = torch.stack((strides / (width * finest), strides / (height * finest)))  # (2, A)
        boxes = decode_boxes(self.net.head.dfl(raw.boxes.float()), centres, sides.repeat(2, 1))
        points = self._decode_points(raw, centres, sides)
        return torch.cat((boxes, raw.scores.float().sigmoid(), points), dim=1)

    def _decode_points(self, raw: RawOutputs, centres: Tensor, strides: Tensor) -> Tensor:
        """(B, D K, A); strides are (A,) or (2, A)."""
        points = torch.unflatten(raw.keypoints.float(), 1, self.net.kpt_shape)
        positions = decode_keypoints(points[:, :, :2], centres, strides)
        if self.net.kpt_shape[1] == 3:
            positions = torch.cat((positions, points[:, :, 2:].sigmoid()), dim=2)
        return positions.flatten(1, 2)

    def _select(self, rows: Tensor) -> Tensor:
        asked = self.options
        return select_in_graph(
            rows,
            classes=self.net.num_classes,
            conf=asked.conf,
            iou=asked.iou,
            max_det=asked.max_det,
            batch=self.batch,
        )


def make_example(card: ModelCard) -> Tensor:
    """Make an input of the card's batch and size; its values don't matter."""
    return torch.zeros(card.batch, 3, *card.imgsz)


def list_outputs(card: ModelCard) -> list[str]:
    """Names of the outputs of a file with this card."""
    return list(output_shapes(card, batch=card.batch, size=card.imgsz))


@contextmanager
def quiet_tracing() -> Iterator[None]:
    """Keep torch's advice about its newer exporters and about traced shapes from the user."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        yield
