"""Write Core ML packages: coremltools on a traced network, its description read back and checked."""

from __future__ import annotations

import io
import json
import logging
import shutil
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import torch
from pose_data import ExportError, ModelCard
from pose_nn import PoseNet

from pose_export.card import make_metadata
from pose_export.contracts import output_shapes, shapes_agree
from pose_export.convert.network import INPUT_NAME, ExportedNet, list_outputs, make_example, quiet_tracing
from pose_export.options import ConvertOptions

if TYPE_CHECKING:
    import coremltools as ct
    from coremltools.converters.mil.mil import Operation
    from coremltools.models import MLModel

MOST_TIMES = 2  # of the size asked for, up to which a file of any size takes pictures: Core ML wants to know a limit


def convert(net: PoseNet, card: ModelCard, target: Path, options: ConvertOptions) -> ModelCard:
    """Write a network as an mlpackage that takes an RGB picture and scales it to [0, 1] itself.

    Args:
        net: in eval mode on the CPU, float32; it is left as it is.
        card: with the size, contract and precision that the file will have; the batch is 1, also where it is dynamic.
        target: an empty folder.
        options: `dynamic`, `half` (the decode and the selection stay in 32 bit), `int8` (weights only: Core ML
            measures activations on macOS) and `contract` are read.

    Returns:
        The card with the tools' versions among its facts.

    Raises:
        ExportError: coremltools can't convert it, or wrote something else than was asked for.
    """
    with quiet_tracing():
        module = ExportedNet(net, replace(options, half=False), batch=1)
        traced = torch.jit.trace(module, make_example(card), check_trace=False)  # type: ignore[no-untyped-call]
    with _quiet():
        import coremltools as ct  # says much while it is imported

        try:
            model = _convert_trace(traced, card)
        except (RuntimeError, ValueError, NotImplementedError) as error:
            reason = (str(error).strip().splitlines() or ["nothing"])[0]
            raise ExportError(f"coremltools {ct.__version__} can't convert the network: {reason}") from error
        if options.int8:
            from coremltools.optimize import coreml as optimize

            settings = optimize.OpLinearQuantizerConfig(mode="linear_symmetric")
            of_layers = optimize.OptimizationConfig(op_type_configs={"conv": settings})  # and not of the anchors
            model = optimize.linear_quantize_weights(model, of_layers)
    card = replace(card, facts={**card.facts, "tools": f"torch {torch.__version__}, coremltools {ct.__version__}"})
    with _quiet():
        _save(model, card, target)
        _check_package(target, card)
    return card


def write_card(path: Path, card: ModelCard) -> None:
    """Put another card into a package that `convert` made."""
    with _quiet():
        import coremltools as ct

        _save(ct.models.MLModel(str(path), skip_model_load=True), card, path)


def _convert_trace(traced: torch.jit.ScriptModule, card: ModelCard) -> MLModel:
    import coremltools as ct

    halved = ct.transform.FP16ComputePrecision(op_selector=_is_in_network)
    picture = ct.ImageType(name=INPUT_NAME, shape=_make_shape(card), scale=1 / 255, color_layout=ct.colorlayout.RGB)
    return ct.convert(
        traced,
        inputs=[picture],
        outputs=[ct.TensorType(name=name, dtype=np.float32) for name in list_outputs(card)],
        convert_to="mlprogram",
        minimum_deployment_target=ct.target.iOS16,
        compute_precision=halved if card.precision == "float16" else ct.precision.FLOAT32,
        skip_model_load=True,
    )


def _make_shape(card: ModelCard) -> tuple[int, ...] | ct.Shape:
    """(1, 3, H, W); with a range for each side where any size will do."""
    import coremltools as ct

    if not card.dynamic:
        return (1, 3, *card.imgsz)
    return ct.Shape((1, 3, *(ct.RangeDim(*_limits(side, card), default=side) for side in card.imgsz)))


def _limits(side: int, card: ModelCard) -> tuple[int, int]:
    """Least and most pixels of a side."""
    return card.stride, MOST_TIMES * side


def _is_in_network(operation: Operation) -> bool:
    """Whether an operation is of a numbered layer of the network, and not of the decode or of the selection."""
    from coremltools.converters.mil.mil.scope import ScopeSource

    names = operation.scopes.get(ScopeSource.TORCHSCRIPT_MODULE_NAME, [])
    return len(names) > 1 and names[0].isdecimal()


def _save(model: MLModel, card: ModelCard, target: Path) -> None:
    model.short_description = f"{card.architecture}: people and their keypoints"
    model.license = card.licence
    model.user_defined_metadata.update(make_metadata(card))
    with TemporaryDirectory(prefix="pose-export-") as name:
        saved = Path(name) / "model.mlpackage"
        model.save(str(saved))
        _make_repeatable(saved, model)
        for part in target.iterdir():
            shutil.rmtree(part) if part.is_dir() else part.unlink()
        shutil.copytree(saved, target, dirs_exist_ok=True)


def _make_repeatable(package: Path, model: MLModel) -> None:
    """Give the same network the same bytes: keys in their order, and names of parts that aren't drawn at random."""
    next(package.rglob("model.mlmodel")).write_bytes(model.get_spec().SerializeToString(deterministic=True))
    manifest = package / "Manifest.json"
    text = manifest.read_text(encoding="utf-8")
    for name, part in sorted(json.loads(text)["itemInfoEntries"].items()):
        text = text.replace(name, str(uuid.uuid5(uuid.NAMESPACE_OID, part["path"])))
    manifest.write_text(json.dumps(json.loads(text), indent=4, sort_keys=True) + "\n", encoding="utf-8")


def _check_package(path: Path, card: ModelCard) -> None:
    """Read the description back and hold it against the card.

    Raises:
        ExportError: another input, another output, or no card.
    """
    import coremltools as ct

    description = ct.utils.load_spec(str(path)).description
    picture = description.input[0].type.imageType
    ranges = picture.imageSizeRange.heightRange, picture.imageSizeRange.widthRange
    limits = [(ends.lowerBound, ends.upperBound) for ends in ranges if picture.HasField("imageSizeRange")]
    found = (description.input[0].name, picture.height, picture.width, *limits)
    asked = (INPUT_NAME, *card.imgsz, *(_limits(side, card) for side in card.imgsz if card.dynamic))
    if found != asked or len(description.input) != 1:
        raise ExportError(f"{path}: its input must be an image {asked}; coremltools wrote {found}")
    promised = output_shapes(card, batch=1, size=(None, None) if card.dynamic else card.imgsz)
    outputs = {output.name: tuple(output.type.multiArrayType.shape) for output in description.output}
    known = {name: shape or promised.get(name, ()) for name, shape in outputs.items()}  # it needn't say any
    if list(known) != list(promised) or not shapes_agree(tuple(promised.values()), tuple(known.values())):
        raise ExportError(f"{path}: its outputs must be {promised}; coremltools wrote {outputs}")
    if description.metadata.userDefined.get("pose_card") != card.to_json():
        raise ExportError(f"{path}: its card must be the one that was written; got another")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep advice about versions and about macOS, and progress bars, from the user."""
    logger = logging.getLogger("coremltools")
    before = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):  # where its progress bars go
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.setLevel(before)
