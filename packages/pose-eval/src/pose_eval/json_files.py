"""COCO's files: as Python objects, or as columns where all records of the large list are spelled alike."""

from __future__ import annotations

import json
import re
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any, cast

from pose_eval.alike_records import read_columns
from pose_eval.exceptions import EvalError
from pose_eval.records import LateRecords, Record, Records

_ANNOTATIONS = re.compile(rb'"annotations"\s*:\s*(?=\[)')
_LIST_END = re.compile(rb"\}\s*\]")


def read_bytes(path: Path) -> bytes:
    """Read a file that has to hold something.

    Raises:
        EvalError: the file is missing or empty.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EvalError(f"{path} must be a readable JSON file; got {error.strerror}; check the path") from error
    if not content or content.isspace():
        raise EvalError(f"{path} must hold JSON; got an empty file; an empty list of detections is written []")
    return content


def read_json(path: Path) -> object:
    """Read a JSON file, with orjson where it is installed (the extra `fast`).

    Raises:
        EvalError: the file is missing, empty or not JSON.
    """
    return _parsed(path, read_bytes(path))


def read_result_columns(path: Path) -> Records | None:
    """Read a results file as columns; None where that can't be done, see `alike_records`."""
    try:
        with path.open("rb") as file:
            columns = read_columns(file, path.stat().st_size)
    except OSError:
        return None
    if columns is None:
        return None
    items = LateRecords(lambda: cast(list[Record], read_json(path)), columns.count)
    return Records(items, str(path), "detection", columns)


def read_truth_columns(path: Path) -> tuple[object, Records | None]:
    """Read a ground truth file, and its annotations as columns.

    Returns:
        What the file holds, and the annotations if they could be read as columns; the list is then left out of the
        rest.

    Raises:
        EvalError: the file is missing, empty or not JSON.
    """
    content = read_bytes(path)
    key = _ANNOTATIONS.search(content)
    if key and content.count(b'"annotations"') == 1:
        start, end = key.end(), _list_end(content, key.end())
        columns = read_columns(BytesIO(memoryview(content)[start:end]), end - start)
        rest = _without(content, start, end) if columns else None
        if columns and isinstance(rest, dict) and rest.get("annotations") == []:
            items = LateRecords(lambda: cast(dict[str, Any], read_json(path))["annotations"], columns.count)
            return rest, Records(items, str(path), "annotation", columns)
    return _parsed(path, content), None


def _list_end(content: bytes, start: int) -> int:
    """Find the end of a list of objects that hold no lists of objects; the start if there is none."""
    end = content.find(b"}]", start)
    if end >= 0:  # much faster than the expression
        return end + 2
    spaced = _LIST_END.search(content, start)
    return spaced.end() if spaced else start


def _without(content: bytes, start: int, end: int) -> object:
    """Parse a file without the list between two places of it; None if that can't be done."""
    try:
        return _parse(content[:start] + b"[]" + content[end:])
    except ValueError:
        return None


def _parsed(path: Path, content: bytes) -> object:
    try:
        return _parse(content)
    except ValueError as error:
        raise EvalError(f"{path} must hold JSON; got {error}; was it cut off?") from error


def _parse(content: bytes) -> object:
    try:
        loads = import_module("orjson").loads
    except ImportError:
        loads = json.loads
    try:
        return loads(content)
    except ValueError:  # orjson refuses NaN and Infinity; Python reads them, and they are refused by name later
        return json.loads(content)
