"""What a network is and what it costs, as tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pose_data import ModelCard
from rich.table import Table
from rich.text import Text

from pose_cli.models import find_model, is_checkpoint, is_network_name, open_runtime

if TYPE_CHECKING:
    from pose_nn import PoseNet

_LONGEST_LIST = 20  # class or keypoint names that are shown before the rest is counted


def describe_model(model: str, *, imgsz: tuple[int, int] | None = None, stages: bool = False) -> list[Table]:
    """Describe a network by its name, a file of weights or an exported file.

    Args:
        imgsz: (height, width) that operations are counted for; the card's when None.
        stages: one row more per stage of the network.

    Raises:
        PoseError: neither a network nor a file that can be read.
    """
    found = find_model(model)
    if is_network_name(found):
        from pose_nn import build_network

        return _cost_tables(build_network(found), imgsz=imgsz or (640, 640), stages=stages)
    if is_checkpoint(found):
        from pose_nn import load_checkpoint

        checkpoint = load_checkpoint(Path(found))
        costs = _cost_tables(checkpoint.net, imgsz=imgsz or checkpoint.card.imgsz, stages=stages)
        return [card_table(checkpoint.card, path=Path(found), notes=checkpoint.notes), *costs]
    return [card_table(open_runtime(found).card, path=Path(found))]


def card_table(card: ModelCard, *, path: Path, notes: tuple[str, ...] = ()) -> Table:
    """The card of a file, one row per thing that it says."""
    points = f"{len(card.skeleton)} x {card.keypoint_dims}: {_listed(card.skeleton.names)}"
    size = "x".join(map(str, card.imgsz))
    rows = {
        "file": f"{path} ({path.stat().st_size / 1e6:.1f} MB)",
        "network": card.architecture,
        "classes": f"{len(card.names)}: {_listed(card.names)}",
        "keypoints": points,
        **_points_of_classes(card),
        "input": f"{size}, "
        + ("any multiple of " + str(card.stride) if card.dynamic else f"fixed, batch {card.batch}"),
        "output": card.contract,
        "precision": card.precision,
        "data": card.data,
        "licence": card.licence or "not stated",
        "made": card.provenance,
        **card.facts,
    }
    rows |= {f"note {i}": note for i, note in enumerate(notes, start=1)}
    table = Table(show_header=False, box=None)
    for name, value in rows.items():
        if value:
            table.add_row(Text(name, style="bold"), Text(value))
    return table


def _points_of_classes(card: ModelCard) -> dict[str, str]:
    """A row for each class that has keypoints of its own."""
    own = zip(card.names, card.skeleton.classes or (), strict=False)
    return {f"of {name}": f"{len(points)}: {_listed(_named(card, points))}" for name, points in own}


def _named(card: ModelCard, points: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(card.skeleton.names[k] for k in points)


def _cost_tables(net: PoseNet, *, imgsz: tuple[int, int], stages: bool) -> list[Table]:
    from pose_nn import fuse, profile

    table = Table(title=f"{net.name} at {imgsz[0]}x{imgsz[1]}", title_justify="left")
    for column in ("", "parameters", "GFLOPs", "weights MB", "activations MB"):
        table.add_column(column, justify="right" if column else "left")
    costs = [profile(net, imgsz), profile(fuse(net), imgsz)]
    for name, cost in zip(("as trained", "fused for use"), costs, strict=True):
        memory = (f"{cost.weight_bytes / 1e6:.1f}", f"{cost.activation_bytes / 1e6:.1f}")
        table.add_row(name, f"{cost.parameters:,}", f"{cost.gflops:.4f}", *memory)
    if not stages:
        return [table]
    rows = Table("stage", "from", "block", "output", "parameters", "GFLOPs")
    for stage in costs[0].stages:
        sources, size = ", ".join(map(str, stage.sources)), "x".join(map(str, stage.size))
        rows.add_row(str(stage.index), sources, stage.block, size, f"{stage.parameters:,}", f"{stage.gflops:.4f}")
    return [table, rows]


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _LONGEST_LIST} more" if len(names) > _LONGEST_LIST else ""
    return ", ".join(names[:_LONGEST_LIST]) + more
