"""Input sizes as people write them: one side, or height and width."""

from __future__ import annotations

from collections.abc import Sequence

from pose_data import SettingsError


def input_size(imgsz: int | Sequence[int] | None) -> tuple[int, int] | None:
    """Read (height, width) from one side, a pair, or nothing.

    Raises:
        SettingsError: more than two numbers.
    """
    if imgsz is None or isinstance(imgsz, int):
        return None if imgsz is None else (imgsz, imgsz)
    if len(imgsz) not in (1, 2):
        raise SettingsError(f"imgsz must be one side or [height,width], pixels; got {list(imgsz)}")
    return imgsz[0], imgsz[-1]
