"""What a network costs: parameters, operations and memory, in all and layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from pose_nn.fuse import fuse, is_fused
from pose_nn.head import DistanceBins
from pose_nn.network import PoseNet

NORM_OPS = 8  # per output element of a batch norm, the count that the published figures were made with


@dataclass(frozen=True)
class StageProfile:
    """What one numbered layer costs.

    Args:
        index: its number.
        sources: the layers that it reads; -1 is the image.
        block: its kind, such as "C2f".
        size: (channels, height, width) of its output; (rows, A) for the head.
        parameters: how many, frozen ones included.
        gflops: billions of operations for one image.
        activation_bytes: float32 memory that learning keeps for one image.
    """

    index: int
    sources: tuple[int, ...]
    block: str
    size: tuple[int, ...]
    parameters: int
    gflops: float
    activation_bytes: int


@dataclass(frozen=True)
class Profile:
    """What a network costs at one input size.

    Args:
        name: the architecture.
        imgsz: (height, width) of the input.
        fused: whether batch norms are folded in.
        stages: the same figures per layer.
    """

    name: str
    imgsz: tuple[int, int]
    fused: bool
    stages: tuple[StageProfile, ...]

    @property
    def parameters(self) -> int:
        """Parameters, the 16 frozen ones of the distance bins included."""
        return sum(stage.parameters for stage in self.stages)

    @property
    def gflops(self) -> float:
        """Billions of operations per image.

        Two per multiply-add of a convolution, without biases, activations, pooling and softmax, and eight
        per element of a batch norm that isn't folded in.
        """
        return sum(stage.gflops for stage in self.stages)

    @property
    def activation_bytes(self) -> int:
        """Memory in float32 that learning keeps per image for the way back, without the weights."""
        return sum(stage.activation_bytes for stage in self.stages)

    @property
    def weight_bytes(self) -> int:
        """Memory of the parameters in float32."""
        return 4 * self.parameters


def profile(net: PoseNet, imgsz: int | tuple[int, int] = 640) -> Profile:
    """Count what a network costs at one input size, without computing anything.

    Args:
        imgsz: (height, width) of the input or one number for both, multiples of the network's stride.
    """
    height, width = (imgsz, imgsz) if isinstance(imgsz, int) else imgsz
    twin = _make_shape_twin(net)
    operations, sizes = _count_operations(twin, torch.empty(1, 3, height, width, device="meta"))
    kept = _count_activations(twin, torch.empty(2, 3, height, width, device="meta"))
    stages = tuple(
        StageProfile(
            index=i,
            sources=twin.sources[i],
            block=type(layer).__name__,
            size=sizes[i],
            parameters=sum(p.numel() for p in layer.parameters()),
            gflops=operations[i] / 1e9,
            activation_bytes=kept[i],
        )
        for i, layer in enumerate(twin.model)
    )
    return Profile(net.name, (height, width), is_fused(net), stages)


def _make_shape_twin(net: PoseNet) -> PoseNet:
    """Make a network of the same shapes whose tensors hold nothing."""
    with torch.device("meta"):
        twin = PoseNet(net.architecture, num_classes=net.num_classes, kpt_shape=net.kpt_shape)
    return fuse(twin).requires_grad_(True) if is_fused(net) else twin


def _operations(module: nn.Module, output: Tensor) -> int:
    if isinstance(module, nn.Conv2d):
        return 2 * output.numel() * module.weight[0].numel()
    if isinstance(module, DistanceBins):
        return 2 * output.numel() * module.conv.weight.numel()
    return NORM_OPS * output.numel() if isinstance(module, nn.BatchNorm2d) else 0


def _count_operations(twin: PoseNet, image: Tensor) -> tuple[list[int], list[tuple[int, ...]]]:
    """Run shapes through the network; return each layer's operations and the shape of its output."""
    counts = [0] * len(twin.model)
    sizes: list[tuple[int, ...]] = [()] * len(twin.model)
    hooks = []
    for i, layer in enumerate(twin.model):
        for module in layer.modules():
            hooks.append(module.register_forward_hook(_make_counter(counts, i)))
        hooks.append(layer.register_forward_hook(_make_sizer(sizes, i)))
    with torch.no_grad():
        decoded = twin.eval()(image)
    for hook in hooks:
        hook.remove()
    sizes[-1] = tuple(decoded.shape[1:])
    return counts, sizes


def _make_counter(counts: list[int], i: int) -> Callable[[nn.Module, object, object], None]:
    def count(module: nn.Module, _: object, output: object) -> None:
        if isinstance(output, Tensor):
            counts[i] += _operations(module, output)

    return count


def _make_sizer(sizes: list[tuple[int, ...]], i: int) -> Callable[[nn.Module, object, object], None]:
    def note(_: nn.Module, __: object, output: object) -> None:
        if isinstance(output, Tensor):
            sizes[i] = tuple(output.shape[1:])

    return note


def _count_activations(twin: PoseNet, images: Tensor) -> list[int]:
    """Count the bytes per image that autograd keeps in each layer; each storage once, parameters not."""
    own = {id(p.untyped_storage()) for p in (*twin.parameters(), *twin.buffers())}
    kept: dict[int, tuple[object, int, int]] = {}  # the storage itself too, so that its id stays its own
    current = 0

    def enter(i: int) -> Callable[[nn.Module, object], None]:
        def note(_: nn.Module, __: object) -> None:
            nonlocal current
            current = i

        return note

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if id(storage) not in own:
            kept.setdefault(id(storage), (storage, current, storage.nbytes()))
        return tensor

    hooks = [layer.register_forward_pre_hook(enter(i)) for i, layer in enumerate(twin.model)]
    with saved_tensors_hooks(pack, lambda tensor: tensor):
        twin.train()(images)
    for hook in hooks:
        hook.remove()
    totals = [0] * len(twin.model)
    for _, i, size in kept.values():
        totals[i] += size // len(images)
    return totals
