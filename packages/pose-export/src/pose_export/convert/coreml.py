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

import torch
from pose_data import ExportError, ModelCard
from pose_nn import PoseNet

from pose_export.card import make_metadata
from pose_export.contracts import output_shapes
from pose_export.convert.network import INPUT_NAME, ExportedNet, list_outputs, make_example, quiet_tracing
from pose_export.options import ConvertOptions

if TYPE_CHECKING:
    from coremltools.models import MLModel


def convert(net: PoseNet, card: ModelCard, target: Path, options: ConvertOptions) -> ModelCard:
    """Write a network as an mlpackage that takes an RGB picture and scales it to [0, 1] itself.

    Args:
        net: in eval mode on the CPU, float32; it is left as it is.
        card: with the size, contract and precision that the file will have; the batch is 1.
        target: an empty folder.
        options: `half`, `int8` (weights only: Core ML measures activations on macOS) and `contract` are read.

    Returns:
        The card with the tools' versions among its facts.

    Raises:
        ExportError: coremltools can't convert it, or wrote something else than was asked for.
    """
    with quiet_tracing():
        module = ExportedNet(net, replace(options, half=False))
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

            settings = optimize.OptimizationConfig(optimize.OpLinearQuantizerConfig(mode="linear_symmetric"))
            model = optimize.linear_quantize_weights(model, settings)
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

    precision = ct.precision.FLOAT16 if card.precision == "float16" else ct.precision.FLOAT32
    picture = ct.ImageType(name=INPUT_NAME, shape=(1, 3, *card.imgsz), scale=1 / 255, color_layout=ct.colorlayout.RGB)
    return ct.convert(
        traced,
        inputs=[picture],
        outputs=[ct.TensorType(name=name) for name in list_outputs(card)],
        convert_to="mlprogram",
        minimum_deployment_target=ct.target.iOS16,
        compute_precision=precision,
        skip_model_load=True,
    )


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
    found = (INPUT_NAME, picture.height, picture.width)
    asked = (description.input[0].name, *card.imgsz)
    if found != asked or len(description.input) != 1:
        raise ExportError(f"{path}: its input must be an image {asked}; coremltools wrote {found}")
    promised = output_shapes(card, batch=1, size=card.imgsz)
    outputs = {output.name: tuple(output.type.multiArrayType.shape) for output in description.output}
    if list(outputs) != list(promised) or any(outputs[name] not in ((), promised[name]) for name in promised):
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
