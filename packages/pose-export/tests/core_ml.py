"""Calculates in torch what a Core ML package says, operation by operation: Core ML itself runs on macOS only.

What it finds shows that a package means the network; not that macOS runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from coremltools.converters.mil.frontend.milproto.load import load
from coremltools.converters.mil.mil.types import builtin_to_string
from coremltools.models import MLModel
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

Inputs = Mapping[str, Any]  # of an operation: tensors, and words and settings as they are
MASKS = ("begin_mask", "end_mask", "squeeze_mask")
KINDS = {"fp32": torch.float32, "fp16": torch.float16, "int32": torch.int32, "bool": torch.bool}


class StandIn:
    """A package whose input is a picture, with the one method of coremltools that runs it.

    Args:
        path: the package.
    """

    def __init__(self, path: Path) -> None:
        self._program = read_program(path)

    def predict(self, given: Mapping[str, Image.Image]) -> dict[str, NDArray[np.float32]]:
        """Map the picture to the outputs by name."""
        made = {name: _make_planes(picture) for name, picture in given.items()}
        for operation in self._program.operations:
            if operation.op_type == "const":
                continue
            inputs = {name: _read(value, made) for name, value in operation.inputs.items()}
            results = OPERATIONS[operation.op_type](inputs)
            several = results if isinstance(results, tuple) else (results,)
            made.update({output.name: result for output, result in zip(operation.outputs, several, strict=True)})
        return {output.name: made[output.name].numpy() for output in self._program.outputs}


def read_program(path: Path) -> Any:
    """Read the one function of a package: its operations and its outputs."""
    model = MLModel(str(path), skip_model_load=True)
    spec = model.get_spec()
    (function,) = load(spec, spec.specificationVersion, model.weights_dir).functions.values()
    return function


def kind_of(value: Any) -> str:
    """The kind of numbers of an operation's result, such as "fp16"."""
    return str(builtin_to_string(value.dtype))


def _make_planes(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(picture, np.float32).transpose(2, 0, 1)[None])


def _read(value: Any, made: Mapping[str, Tensor]) -> Any:
    """What was made before, or a constant; numbers are tensors."""
    if isinstance(value, (list, tuple)):
        return [_read(part, made) for part in value]
    if value is None or value.name in made:
        return None if value is None else made[value.name]
    known = value.val
    return torch.from_numpy(np.array(known)) if isinstance(known, (np.ndarray, np.number)) else known


def _ints(value: Any) -> list[int]:
    return [int(number) for number in np.asarray(value).reshape(-1)]


def _convolve(i: Inputs) -> Tensor:
    pads = _ints(i["pad"]) if i["pad_type"] == "custom" else [0, 0, 0, 0]
    assert i["pad_type"] in ("custom", "valid")
    padded = functional.pad(i["x"], (pads[2], pads[3], pads[0], pads[1]))
    return functional.conv2d(
        padded, i["weight"], i.get("bias"), _ints(i["strides"]), 0, _ints(i["dilations"]), int(i["groups"])
    )


def _pool(i: Inputs) -> Tensor:
    pads = _ints(i["pad"])
    assert i["pad_type"] == "custom"
    padded = functional.pad(i["x"], (pads[2], pads[3], pads[0], pads[1]), value=-torch.inf)
    return functional.max_pool2d(padded, _ints(i["kernel_sizes"]), _ints(i["strides"]))


def _slice(i: Inputs) -> Tensor:
    begin, end = _ints(i["begin"]), _ints(i["end"])
    assert i.get("stride") is None or set(_ints(i["stride"])) == {1}
    masks = ([False] * len(begin) if i.get(name) is None else i[name].tolist() for name in MASKS)
    parts = (
        first if squeezed else slice(None if from_start else first, None if to_end else last)
        for first, last, from_start, to_end, squeezed in zip(begin, end, *masks, strict=True)
    )
    return i["x"][tuple(parts)]


def _reshape(i: Inputs) -> Tensor:
    asked = _ints(i["shape"])
    return i["x"].reshape([i["x"].shape[n] if length == 0 else length for n, length in enumerate(asked)])


def _gather(i: Inputs) -> Tensor:
    axis, indices = int(i["axis"]), torch.as_tensor(i["indices"]).long()
    x = i["x"]
    assert int(i.get("batch_dims") or 0) == 0
    found = x.index_select(axis, indices.reshape(-1))
    return found.reshape([*x.shape[:axis], *indices.shape, *x.shape[axis % x.ndim + 1 :]])


def _take_best(i: Inputs) -> tuple[Tensor, Tensor]:
    assert not i["ascending"]
    order = i["x"].sort(dim=int(i["axis"]), descending=True, stable=True)
    count = int(i["k"])
    return order.values.narrow(int(i["axis"]), 0, count), order.indices.narrow(int(i["axis"]), 0, count).int()


def _join(i: Inputs) -> Tensor:
    """Join; numbers without a dimension are lists of one."""
    return torch.cat([torch.atleast_1d(torch.as_tensor(value)) for value in i["values"]], dim=int(i["axis"]))


def _split(i: Inputs) -> tuple[Tensor, ...]:
    sizes = _ints(i["split_sizes"]) if i.get("split_sizes") is not None else None
    x, axis = i["x"], int(i["axis"])
    return x.split(sizes, dim=axis) if sizes else x.chunk(int(i["num_splits"]), dim=axis)


def _divide(i: Inputs) -> Tensor:
    whole = not torch.as_tensor(i["x"]).is_floating_point()
    return torch.div(i["x"], i["y"], rounding_mode="floor" if whole else None)


def _expand(i: Inputs) -> Tensor:
    x = i["x"]
    for axis in sorted(_ints(i["axes"])):
        x = x.unsqueeze(axis)
    return x


def _dequantise(i: Inputs) -> Tensor:
    shape = [1] * i["quantized_data"].ndim
    scale, zero = (torch.as_tensor(i[name]).float() for name in ("scale", "zero_point"))
    if scale.ndim:
        shape[int(i["axis"])] = -1
        scale = scale.reshape(shape)
        zero = zero.reshape(shape) if zero.ndim else zero
    return (i["quantized_data"].float() - zero) * scale


def _two(calculate: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Inputs], Tensor]:
    return lambda i: calculate(torch.as_tensor(i["x"]), torch.as_tensor(i["y"]))


OPERATIONS: dict[str, Callable[[Inputs], Any]] = {
    "add": _two(torch.add),
    "cast": lambda i: torch.as_tensor(i["x"]).to(KINDS[i["dtype"]]),
    "clip": lambda i: i["x"].clamp(float(i["alpha"]), float(i["beta"])),
    "concat": _join,
    "constexpr_affine_dequantize": _dequantise,
    "conv": _convolve,
    "equal": _two(torch.eq),
    "expand_dims": _expand,
    "fill_like": lambda i: torch.full(_ints(i["ref_tensor"].shape), float(i["value"])),
    "gather": _gather,
    "greater": _two(torch.gt),
    "less": _two(torch.lt),
    "logical_and": _two(torch.logical_and),
    "matmul": _two(torch.matmul),
    "max_pool": _pool,
    "maximum": _two(torch.maximum),
    "minimum": _two(torch.minimum),
    "mul": _two(torch.mul),
    "range_1d": lambda i: torch.arange(int(i["start"]), int(i["end"]), int(i["step"]), dtype=torch.int32),
    "real_div": _divide,
    "reduce_argmax": lambda i: i["x"].argmax(int(i["axis"]), keepdim=bool(i["keep_dims"])).int(),
    "reduce_max": lambda i: i["x"].amax(_ints(i["axes"]), keepdim=bool(i["keep_dims"])),
    "reshape": _reshape,
    "select": lambda i: torch.where(torch.as_tensor(i["cond"]), torch.as_tensor(i["a"]), torch.as_tensor(i["b"])),
    "shape": lambda i: torch.tensor(i["x"].shape, dtype=torch.int32),
    "sigmoid": lambda i: i["x"].sigmoid(),
    "silu": lambda i: functional.silu(i["x"]),
    "slice_by_index": _slice,
    "softmax": lambda i: i["x"].softmax(int(i["axis"])),
    "split": _split,
    "squeeze": lambda i: i["x"].squeeze(tuple(_ints(i["axes"]))),
    "stack": lambda i: torch.stack(list(i["values"]), dim=int(i["axis"])),
    "sub": _two(torch.sub),
    "tile": lambda i: i["x"].tile(_ints(i["reps"])),
    "topk": _take_best,
    "transpose": lambda i: i["x"].permute(_ints(i["perm"])),
    "upsample_nearest_neighbor": lambda i: functional.interpolate(
        i["x"], scale_factor=(float(i["scale_factor_height"]), float(i["scale_factor_width"])), mode="nearest"
    ),
}
