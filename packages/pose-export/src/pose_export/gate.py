"""The gate: a converted file runs in its own runtime and must give what the network gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pose_data import DrawnPeople, ExportError, ModelCard, Predictor

from pose_export.bounds import find_misses
from pose_export.formats import Format
from pose_export.options import RunOptions
from pose_export.parity import Parity, compare_runs, run_images

if TYPE_CHECKING:
    from pose_nn import PoseNet

GATE_IMAGES = 4  # drawn, when the caller gives none
GATE_SEED = 20


def measure_parity(
    net: PoseNet,
    card: ModelCard,
    path: Path,
    row: Format,
    *,
    images: Sequence[NDArray[np.uint8]] | None = None,
    measure_ap: Callable[[Predictor], float] | None = None,
) -> Parity:
    """Run a network in torch and a file in its own runtime on the same images.

    Args:
        net: the network, float32.
        card: the file's card.
        path: the file.
        row: the file's format.
        images: (H, W, 3) uint8 RGB each; drawn people when None.
        measure_ap: gives the AP of a Predictor on a data set.
    """
    from pose_nn import TorchRuntime

    reference = TorchRuntime(net, replace(card, precision="float32"), device="cpu")
    candidate = row.load_runtime_module().open_runtime(path, RunOptions())
    chosen = _choose_images(images, dynamic=card.dynamic)
    parity = compare_runs(run_images(reference, chosen), run_images(candidate, chosen), card)
    if measure_ap is None:
        return parity
    return replace(parity, ap_expected=measure_ap(Predictor(reference)), ap=measure_ap(Predictor(candidate)))


def pass_gate(parity: Parity, *, precision: str, target: Path, force: bool) -> tuple[dict[str, str], tuple[str, ...]]:
    """Let a file through, or refuse it.

    Args:
        parity: its figures.
        precision: of its weights; says which bounds hold.
        target: where it was to go, for the message.
        force: whether it goes through all the same.

    Returns:
        What the card has to say of it, by name; and the bounds that it misses, in words.

    Raises:
        ExportError: it misses a bound and isn't forced; the message has the figures.
    """
    misses = find_misses(parity, precision)
    if misses and not force:
        raise ExportError(
            f"{target}: the converted file must give what the network gives; {'; '.join(misses)}; "
            "nothing was written. Try another opset, simplify=False or half=False, "
            "or take it as it is with force=True"
        )
    verdict = f"refused, handed over by force: {'; '.join(misses)}" if misses else "passed"
    return {"gate": verdict, "parity": parity.to_text()}, misses


def _choose_images(images: Sequence[NDArray[np.uint8]] | None, *, dynamic: bool) -> list[NDArray[np.uint8]]:
    """Take the caller's images or draw some; a file of any size is also shown one that isn't square."""
    if images is None:
        people = DrawnPeople(GATE_IMAGES, seed=GATE_SEED)
        chosen = [people[i].image for i in range(len(people))]
    else:
        chosen = list(images)
    if not chosen:
        raise ExportError("images must hold at least one (H, W, 3) uint8 RGB image to compare on; got none")
    if dynamic:
        height = chosen[0].shape[0]
        chosen.append(np.ascontiguousarray(chosen[0][: max(1, height // 2)]))
    return chosen
