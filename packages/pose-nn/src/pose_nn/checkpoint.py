"""Files of weights: written whole or not at all, read without executing anything."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import safetensors.torch
import torch
from pose_data import CheckpointError, ModelCard, atomic_path, card_from_json
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pose_nn.archive import Archive
from pose_nn.foreign import read_foreign
from pose_nn.fuse import fuse
from pose_nn.network import PoseNet, build_network
from pose_nn.unpickler import StoredTensor

CARD_KEY = "pose_card"  # in a safetensors header, and in our own .pt
STATE_KEY = "state_dict"
_LENGTH = 8  # bytes at the start of a safetensors file: the length of its header
_ALIGNED = 8  # the header is filled up with spaces, so that tensors begin at a multiple of this
SUFFIXES = (".safetensors", ".pt")


@dataclass(frozen=True)
class Checkpoint:
    """A network as a file describes it.

    Args:
        net: float32, in evaluation mode, on the CPU.
        card: what came with it; `precision` is the type that the file stores.
        notes: what the user should know about a foreign file, one line each; empty for our own.
    """

    net: PoseNet
    card: ModelCard
    notes: tuple[str, ...] = ()


def save_checkpoint(path: Path, net: PoseNet, card: ModelCard, *, half: bool = False) -> None:
    """Write a network and its card; the file appears when it is whole.

    Args:
        path: ends in ".safetensors" (the native form: tensors, and in the header the card as JSON and the keys that
            existing readers look for) or in ".pt" (a dict of the same, for `torch.load(..., weights_only=True)`).
        half: store float16, half the size; batch-norm statistics included.

    Raises:
        CheckpointError: another suffix, a card of another network, or a value that float16 can't hold.
        PoseError: the file can't be written.
    """
    if path.suffix not in SUFFIXES:
        raise CheckpointError(f"{path}: a checkpoint's name must end in {' or '.join(SUFFIXES)}; rename it")
    _check_card(path, net, card)
    state = {name: _to_stored(path, name, tensor, half=half) for name, tensor in net.state_dict().items()}
    stored = replace(card, precision="float16" if half else "float32")
    metadata = {CARD_KEY: stored.to_json(), **stored.to_metadata()}
    # The bytes are made first, so that a full disk is an error of the operating system in either form.
    if path.suffix == ".pt":
        buffer = io.BytesIO()
        torch.save({**metadata, STATE_KEY: state}, buffer)
        content = buffer.getvalue()
    else:
        content = _order_metadata(safetensors.torch.save(state, metadata={"format": "pt", **metadata}))
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a file of weights: our own .safetensors and .pt, and foreign .pt files of the same networks.

    What the file is, its content says and not its name. Nothing in it is executed.

    Args:
        path: the file.

    Raises:
        CheckpointError: there is no such file, it is damaged, or it holds something else.
    """
    start = _read_start(path)
    if start.startswith(b"PK"):
        return _load_archive(path)
    if start[8:9] == b"{":
        return _load_safetensors(path)
    if start[:1] == b"\x80":
        raise CheckpointError(
            f"{path}: is a bare pickle; expected the zip that torch.save writes from 1.6 on; save it again"
        )
    seen = "another kind of file" if start else "an empty file"
    raise CheckpointError(f"{path}: must be a file of weights (.safetensors or .pt); got {seen}")


def _order_metadata(content: bytes) -> bytes:
    """Put the metadata of a safetensors file into the order of its keys, so that the same network gives the same bytes.

    The library writes them in an order that differs from call to call.
    """
    end = _LENGTH + int.from_bytes(content[:_LENGTH], "little")
    header = json.loads(content[_LENGTH:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text = text.ljust(-(-len(text) // _ALIGNED) * _ALIGNED)
    return len(text).to_bytes(_LENGTH, "little") + text + content[end:]


def _read_start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(16)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such file; give the path of a .safetensors or .pt file") from error
    except IsADirectoryError as error:
        raise CheckpointError(f"{path}: must be a file of weights; got a folder; name a file in it") from error
    except OSError as error:
        raise CheckpointError(f"{path}: can't be read ({error.strerror or error})") from error


def _load_safetensors(path: Path) -> Checkpoint:
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(CARD_KEY)
            if text is None:
                raise CheckpointError(
                    f"{path}: must have a model card ('{CARD_KEY}' in its header); got tensors alone; "
                    "save it with pose_nn.save_checkpoint"
                )
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it isn't iterable
    except (SafetensorError, OSError, ValueError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path}: is cut off or damaged ({error}); copy or download it again") from error
    card = card_from_json(text, source=str(path))
    return Checkpoint(_build(path, card, state), card)


def _load_archive(path: Path) -> Checkpoint:
    with Archive(path) as archive:
        document = archive.read_object()
        if not isinstance(document, dict):
            raise CheckpointError(f"{path}: must hold a dict; got {type(document).__name__}; give a file of weights")
        text = document.get(CARD_KEY)
        if not isinstance(text, str):
            foreign = read_foreign(archive, document)
            return Checkpoint(_build(path, foreign.card, foreign.state), foreign.card, foreign.notes)
        stored = document.get(STATE_KEY)
        entries = stored.items() if isinstance(stored, dict) else ()
        state = {str(name): archive.read_tensor(tensor) for name, tensor in entries if isinstance(tensor, StoredTensor)}
    card = card_from_json(text, source=str(path))
    return Checkpoint(_build(path, card, state), card)


def _build(path: Path, card: ModelCard, state: Mapping[str, Tensor]) -> PoseNet:
    """Make the network of a card and fill it.

    Raises:
        CheckpointError: the tensors aren't those of the card's network.
    """
    try:
        with torch.device("meta"):  # nothing is drawn that would be overwritten
            net = build_network(card.architecture, num_classes=len(card.names), kpt_shape=card.kpt_shape)
    except (AttributeError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: its card can't be followed: {error}") from error
    if "model.0.conv.bias" in state:
        net = fuse(net)
    _check_state(path, net, state)
    net = net.to_empty(device="cpu")
    net.load_state_dict(dict(state))
    return net.eval()


def _check_state(path: Path, net: PoseNet, state: Mapping[str, Tensor]) -> None:
    needed = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in state.items()}
    wrong = [name for name in (*needed, *given) if needed.get(name) != given.get(name)]
    if wrong:
        name = wrong[0]
        raise CheckpointError(
            f"{path}: must hold the tensors of {net.name} with {net.num_classes} classes and kpt_shape "
            f"{list(net.kpt_shape)}; got {len(set(wrong))} others, first '{name}': needed "
            f"{_shape_text(needed.get(name))}, got {_shape_text(given.get(name))}"
        )


def _shape_text(shape: tuple[int, ...] | None) -> str:
    return "none" if shape is None else str(list(shape))


def _check_card(path: Path, net: PoseNet, card: ModelCard) -> None:
    own = (net.name, net.num_classes, net.kpt_shape)
    said = (card.architecture, len(card.names), card.kpt_shape)
    if own != said:
        raise CheckpointError(
            f"{path}: the card must describe the network, (architecture, classes, kpt_shape) {own}; got {said}"
        )


def _to_stored(path: Path, name: str, tensor: Tensor, *, half: bool) -> Tensor:
    tensor = tensor.detach().cpu()
    if not tensor.is_floating_point():
        return tensor.contiguous()
    stored = tensor.to(torch.float16 if half else torch.float32).contiguous()
    if bool((stored.isinf() & tensor.isfinite()).any()):
        raise CheckpointError(
            f"{path}: '{name}' must be below 65,504 for float16; got {float(tensor.abs().max()):.6g}; store float32"
        )
    return stored
