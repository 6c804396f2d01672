"""The gate: a converted file runs in its own runtime and must give what the network gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard, Predictor, Runtime

from pose_export.bounds import find_misses, loses_ap
from pose_export.formats import Format
from pose_export.options import RunOptions, count_candidates
from pose_export.parity import Parity, Run, compare_runs, run_images
from pose_export.selecting import SelectingRuntime, read_thresholds

if TYPE_CHECKING:
    from pose_nn import PoseNet

GATE_IMAGES = 4  # drawn, when the caller gives none
GATE_SEED = 20
_GRAPH_ADVICE = {"opset": "another opset", "simplify": "simplify=False"}
_ADVICE_MORE_BITS = {"float16": "Try half=False", "int8": "Try half=True"}
_ADVICE_8_BIT = "Give calibration images like those that it will see"
_ADVICE_KEEP = ", or keep layers in float with keep_float"
_ADVICE_AP = "Let the layers that suffer most go back to float with max_ap_drop=1, which allows one point of AP"


class RefusedError(ExportError):
    """A file that the gate doesn't let through."""


@dataclass(frozen=True)
class Verdict:
    """What the gate says of a file that it lets through.

    Args:
        status: "passed", "refused, handed over by force: ...", "not run: ..." or "not compared: ...".
        parity: its figures; None when its runtime can't run here.
        misses: bounds that it misses, in words.
    """

    status: str
    parity: Parity | None
    misses: tuple[str, ...] = ()

    @property
    def facts(self) -> dict[str, str]:
        """What the card has to say of it, by name."""
        return {"gate": self.status, **({} if self.parity is None else {"parity": self.parity.to_text()})}


class Reference:
    """The network itself in torch, float32, and what it makes of the images; each is worked out once.

    Args:
        net: the network.
        images: (H, W, 3) uint8 RGB each, to compare on; drawn people when None.
        measure_ap: gives the AP of a Predictor on a data set, to be compared as well. For a file that selects people
            itself the network's is measured behind the same selection.
    """

    def __init__(
        self,
        net: PoseNet,
        *,
        images: Sequence[NDArray[np.uint8]] | None = None,
        measure_ap: Callable[[Predictor], float] | None = None,
    ) -> None:
        self._net = net
        self._images = images
        self._measure_ap = measure_ap
        self._runs: dict[str, Run] = {}
        self._ap: float | None = None

    def compare(self, card: ModelCard, candidate: Runtime) -> Parity:
        """Run a file on the images and compare.

        Args:
            card: of the file.
            candidate: the file in its own runtime.
        """
        images = _choose_images(self._images, dynamic=card.dynamic)
        key = _key(card)
        if key not in self._runs:
            self._runs[key] = run_images(self._open(card), images, card)
        parity = compare_runs(self._runs[key], run_images(candidate, images, card), card)
        if self._measure_ap is None:
            return parity
        if self._ap is None:
            self._ap = self._measure_ap(Predictor(self._open_selecting(card)))
        return replace(parity, ap_expected=self._ap, ap=self._measure_ap(Predictor(candidate)))

    def count_candidates(self, card: ModelCard) -> int:
        """Count the anchors above a selecting file's conf in the image, of those compared, that has most of them."""
        conf, _, _ = read_thresholds(card.facts)
        rows = self._runs[_key(card)].rows
        return max(int((image[:, 4 : 4 + len(card.names)].max(axis=1) > conf).sum()) for image in rows)

    def _open_selecting(self, card: ModelCard) -> Runtime:
        """Open the network so that it shows what the file is to show: with its thresholds, if it has some."""
        network = self._open(card)
        return SelectingRuntime(network, card) if card.contract == "nms" else network

    def _open(self, card: ModelCard) -> Runtime:
        from pose_nn import TorchRuntime

        return TorchRuntime(self._net, replace(card, precision="float32", contract="raw"), device="cpu")


def judge(
    reference: Reference,
    card: ModelCard,
    path: Path,
    row: Format,
    *,
    target: Path,
    max_ap_drop: float | None = None,
    force: bool = False,
) -> Verdict:
    """Let a file through, or refuse it.

    Args:
        reference: what it is compared with.
        card: the file's card.
        path: the file.
        row: the file's format.
        target: where it is to go, for the message.
        max_ap_drop: most AP that may be lost, 0 to 1; that of the bounds when None.
        force: whether it goes through all the same.

    Raises:
        RefusedError: it misses a bound and isn't forced; the message has the figures.
    """
    if row.why_not_run:
        return Verdict(f"not run: {row.why_not_run}", None)
    parity = reference.compare(card, row.load_runtime_module().open_runtime(path, RunOptions()))
    misses = find_misses(parity, card.precision, max_ap_drop=max_ap_drop)
    if misses and not force:
        drops = max_ap_drop is None and loses_ap(parity, card.precision)
        raise RefusedError(
            f"{target}: the converted file must give what the network gives; {'; '.join(misses)}; "
            f"nothing was written. {_advise(reference, card, row, drops=drops)}, or take it as it is with force=True"
        )
    return Verdict(_status(parity, misses, card), parity, misses)


def _status(parity: Parity, misses: tuple[str, ...], card: ModelCard) -> str:
    if misses:
        return f"refused, handed over by force: {'; '.join(misses)}"
    if parity.compared:
        return "passed"
    return (
        f"not compared: neither the network nor the file finds anybody in {parity.images} images "
        f"at conf={card.facts.get('conf', '')}; give images with people, or a lower conf"
    )


def _key(card: ModelCard) -> str:
    return f"{card.imgsz} {card.batch} {card.dynamic} {card.contract}"


def _advise(reference: Reference, card: ModelCard, row: Format, *, drops: bool) -> str:
    """Say what may help: of what the format and the contract have, and against lost AP where that is missed."""
    if card.contract == "nms" and (words := _advise_conf(reference, card)):
        return words
    keeps = "keep_float" in row.options
    if card.precision == "int8" and keeps and drops:
        return _ADVICE_AP
    if card.precision == "int8" and not row.weights_only:
        return _ADVICE_8_BIT + (_ADVICE_KEEP if keeps else "")
    if card.precision in _ADVICE_MORE_BITS:
        return _ADVICE_MORE_BITS[card.precision]
    if card.contract == "nms":
        return "Try contract='rows' and select outside"
    graph = [words for option, words in _GRAPH_ADVICE.items() if option in row.options]
    return f"Try {' or '.join(graph or ['other versions of its tools'])}"


def _advise_conf(reference: Reference, card: ModelCard) -> str:
    """Say that more anchors are above conf than the graph looks at; "" where they aren't."""
    most = count_candidates(conf=float(card.facts["conf"]), max_det=int(card.facts["max_det"]))
    count = reference.count_candidates(card)
    if count <= most:
        return ""
    return (
        f"In one image {count} anchors score above conf={card.facts['conf']}, of which the file compares the best "
        f"{most}: take a higher conf, or contract='rows' and select outside"
    )


def _choose_images(images: Sequence[NDArray[np.uint8]] | None, *, dynamic: bool) -> list[NDArray[np.uint8]]:
    """Take the caller's images or draw some; a file of any size is also shown one that isn't square."""
    if images is None:
        from pose_data import DrawnPeople  # a device that only runs files draws nobody

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
