"""The blocks that backbone, neck and head are made of; shapes are (B, channels, height, width)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

NORM_EPS = 1e-3
NORM_MOMENTUM = 0.03


class ConvBlock(nn.Module):
    """A convolution without bias, batch norm and SiLU; the size stays, or is halved with stride 2."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
        # Becomes an Identity when the norm is folded into the convolution.
        self.bn: nn.Module = nn.BatchNorm2d(outputs, eps=NORM_EPS, momentum=NORM_MOMENTUM)
        self.act = nn.SiLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        return self.act(self.bn(self.conv(features)))  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """Two 3x3 convolutions of equal width, added to the input when there is a shortcut."""

    def __init__(self, channels: int, *, shortcut: bool) -> None:
        super().__init__()
        self.cv1 = ConvBlock(channels, channels, kernel=3)
        self.cv2 = ConvBlock(channels, channels, kernel=3)
        self.shortcut = shortcut

    def forward(self, features: Tensor) -> Tensor:
        """Keep the shape."""
        change: Tensor = self.cv2(self.cv1(features))
        return features + change if self.shortcut else change


class C2f(nn.Module):
    """Split in two, chain bottlenecks on the second half, and join every step of the chain.

    The cross-stage idea is CSPNet's (Wang et al. 2020, arXiv:1911.11929).
    """

    def __init__(self, inputs: int, outputs: int, *, repeats: int, shortcut: bool) -> None:
        super().__init__()
        half = outputs // 2
        self.cv1 = ConvBlock(inputs, 2 * half)
        self.cv2 = ConvBlock((2 + repeats) * half, outputs)
        self.m = nn.ModuleList(Bottleneck(half, shortcut=shortcut) for _ in range(repeats))

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H, W)."""
        chunks = list(self.cv1(features).chunk(2, dim=1))
        for bottleneck in self.m:
            chunks.append(bottleneck(chunks[-1]))
        return self.cv2(torch.cat(chunks, dim=1))  # type: ignore[no-any-return]


class C2(nn.Module):
    """Split in two, chain bottlenecks on the first half, and join its end with the second half."""

    def __init__(self, inputs: int, outputs: int, *, repeats: int, shortcut: bool) -> None:
        super().__init__()
        half = outputs // 2
        self.cv1 = ConvBlock(inputs, 2 * half)
        self.cv2 = ConvBlock(2 * half, outputs)
        self.m = nn.Sequential(*(Bottleneck(half, shortcut=shortcut) for _ in range(repeats)))

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H, W)."""
        chained, kept = self.cv1(features).chunk(2, dim=1)
        return self.cv2(torch.cat((self.m(chained), kept), dim=1))  # type: ignore[no-any-return]


class SPPF(nn.Module):
    """Spatial pyramid pooling: three 5x5 max-pools in a row see 5, 9 and 13 cells (He et al. 2014)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.cv1 = ConvBlock(inputs, inputs // 2)
        self.cv2 = ConvBlock(inputs // 2 * 4, outputs)
        self.m = nn.MaxPool2d(5, stride=1, padding=2)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H, W)."""
        seen = [self.cv1(features)]
        for _ in range(3):
            seen.append(self.m(seen[-1]))
        return self.cv2(torch.cat(seen, dim=1))  # type: ignore[no-any-return]


class Concat(nn.Module):
    """Join feature maps of one size along their channels."""

    def forward(self, *features: Tensor) -> Tensor:
        """Map several (B, c_i, H, W) to (B, sum of c_i, H, W)."""
        return torch.cat(features, dim=1)
