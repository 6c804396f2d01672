"""Batch normalisation over the batch of all processes, so that several learn what one would."""

from __future__ import annotations

import torch
from torch import Tensor, distributed, nn


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation (Ioffe and Szegedy, ICML 2015) whose mean and variance are those of all processes.

    torch's own form of it needs a GPU; this one takes any device, at some cost in speed.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Normalise (B, C, H, W); B may differ between processes, and be 0."""
        if not self.training:
            return super().forward(features)
        # Sums in float64, as torch's own batch norm has them on a CPU: rounding would depend on who adds up what.
        count = _total(torch.tensor(features.numel() / features.shape[1], dtype=torch.float64))
        mean = (_total(features.sum(dim=(0, 2, 3), dtype=torch.float64)) / count).to(features.dtype)
        centred = features - mean[:, None, None]
        squares = centred.pow(2).sum(dim=(0, 2, 3), dtype=torch.float64)
        variance = (_total(squares) / count).to(features.dtype)
        self._note(mean.detach(), variance.detach() * (count / (count - 1).clamp(min=1)).item())
        assert self.weight is not None
        gain = self.weight * torch.rsqrt(variance + self.eps)
        normalised: Tensor = centred * gain[:, None, None] + self.bias[:, None, None]
        return normalised

    def _note(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics as a batch norm of one process does."""
        assert self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


def share_batch_norm(net: nn.Module, device: torch.device) -> nn.Module:
    """Replace every batch norm by one that looks at all processes; parameters stay the same objects."""
    if device.type == "cuda":
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(net)  # type: ignore[no-untyped-call]
        return converted
    for parent in list(net.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.BatchNorm2d:
                setattr(parent, name, _shared(child))
    return net


class _Total(torch.autograd.Function):
    """The sum over all processes; on the way back gradients are added up as well."""

    @staticmethod
    def forward(_ctx: object, values: Tensor) -> Tensor:
        return _summed(values)

    @staticmethod
    def backward(_ctx: object, gradient: Tensor) -> Tensor:
        return _summed(gradient)


def _total(values: Tensor) -> Tensor:
    total: Tensor = _Total.apply(values)  # type: ignore[no-untyped-call]
    return total


def _summed(values: Tensor) -> Tensor:
    total = values.clone()
    distributed.all_reduce(total)
    return total


def _shared(norm: nn.BatchNorm2d) -> SharedBatchNorm2d:
    shared = SharedBatchNorm2d(norm.num_features, eps=norm.eps, momentum=norm.momentum)
    shared.weight, shared.bias = norm.weight, norm.bias
    for name, buffer in norm.named_buffers():
        setattr(shared, name, buffer)
    return shared.train(norm.training)
