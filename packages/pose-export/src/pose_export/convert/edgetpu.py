"""Write TFLite files for the Edge TPU: all in 8-bit integers, of operations that it has, compiled where that can be."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

from ai_edge_litert import schema_py_generated as schema
from pose_data import ExportError, ModelCard
from pose_nn import PoseNet

from pose_export.card import COMPILED
from pose_export.convert import tflite
from pose_export.options import ConvertOptions
from pose_export.zipped import write_zipped

COMPILER = "edgetpu_compiler"
COMMAND = f"{COMPILER} --show_operations --out_dir compiled"

# "Supported operations" of the Edge TPU's documentation (coral.ai/docs/edgetpu/models-intro), as TFLite names them.
_OPERATIONS = """
    ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D EXPAND_DIMS FULLY_CONNECTED L2_NORMALIZATION LOGISTIC
    LSTM MAXIMUM MAX_POOL_2D MEAN MINIMUM MUL PACK PAD PRELU QUANTIZE REDUCE_MAX REDUCE_MIN RELU RELU6 RELU_N1_TO_1
    RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR RSQRT SLICE SOFTMAX SPACE_TO_DEPTH SPLIT SQUARED_DIFFERENCE SQUEEZE
    STRIDED_SLICE SUB SUM TANH TRANSPOSE TRANSPOSE_CONV
"""
OPERATIONS = frozenset(_OPERATIONS.split())
TYPES = frozenset({"INT8", "UINT8", "INT32"})  # numbers, and the biases and shapes of operations


def convert(net: PoseNet, card: ModelCard, target: Path, options: ConvertOptions) -> ModelCard:
    """Write a network as a TFLite file of integers only, and check that the Edge TPU has all of it.

    Args:
        net: in eval mode on the CPU, float32; it is left as it is.
        card: with the size, contract and precision that the file will have.
        options: `contract` and `calibration` are read.

    Returns:
        The card with the tools' versions among its facts, and what is left to do.

    Raises:
        ExportError: an operation or a type of numbers that the Edge TPU doesn't have.
    """
    card = tflite.convert(net, card, target, options)
    check_operations(target)
    compiler = shutil.which(COMPILER)
    fact = {COMPILED: _version(compiler)} if compiler else {"to_do": f"compile it for the Edge TPU: {COMMAND} FILE"}
    return replace(card, facts={**card.facts, **fact})


def write_card(path: Path, card: ModelCard) -> None:
    """Compile a file that has passed its gate, where the compiler is on the PATH, and put the card into it.

    The gate comes first: what the compiler makes runs on an Edge TPU only.

    Raises:
        ExportError: the compiler refuses the file.
    """
    compiler = shutil.which(COMPILER)
    if compiler and COMPILED in card.facts:
        _compile(compiler, path)
    write_zipped(path, card)


def check_operations(path: Path) -> Counter[str]:
    """Count the operations of a TFLite file.

    Raises:
        ExportError: one that the Edge TPU doesn't have, or numbers that aren't integers of at most 32 bit.
    """
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
    (graph,) = model.subgraphs
    kinds = _names(schema.BuiltinOperator)
    codes = [model.operatorCodes[operator.opcodeIndex] for operator in graph.operators]
    found = Counter(kinds[max(code.builtinCode, code.deprecatedBuiltinCode)] for code in codes)
    types = {_names(schema.TensorType)[tensor.type] for tensor in graph.tensors}
    if strange := sorted(set(found) - OPERATIONS):
        raise ExportError(f"{path}: the Edge TPU has no {', '.join(strange)}; export it with contract='heads'")
    if strange := sorted(types - TYPES):
        raise ExportError(f"{path}: the Edge TPU calculates in integers; got {', '.join(strange)}; export it again")
    return found


def _names(enumeration: type) -> dict[int, str]:
    return {number: name for name, number in vars(enumeration).items() if isinstance(number, int)}


def _compile(compiler: str, path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="pose-export-") as folder:
        source = Path(folder) / "model.tflite"
        shutil.copyfile(path, source)
        command = [compiler, "--out_dir", folder, str(source)]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False)
        made = Path(folder) / "model_edgetpu.tflite"
        if done.returncode or not made.is_file():
            lines = (done.stderr or done.stdout).strip().splitlines()
            raise ExportError(
                f"{path}: {COMPILER} must compile the file; it says: {lines[-1] if lines else 'nothing'}; "
                "try a smaller imgsz, or take the compiler off the PATH to get the file as it is"
            )
        shutil.copyfile(made, path)


def _version(compiler: str) -> str:
    done = subprocess.run([compiler, "--version"], capture_output=True, text=True, errors="replace", check=False)
    return (done.stdout.strip().splitlines() or [COMPILER])[0]
