"""Files that `pose predict` leaves: drawn images, label text, COCO results and crops."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from pose_data import atomic_path, crop_people, poses_to_coco, poses_to_label_text, write_image

from pose_cli.results import Result


@dataclass
class Saver:
    """Writes what was asked for, image by image, into one folder.

    Args:
        folder: of the run.
        drawn: write each image with its people drawn.
        text: write labels/<stem>.txt.
        scores: end each row of label text with the score.
        crops: write each person's box as an image, under crops/<class>/.
        coco: keep rows for results.json, which `finish` writes.
        keypoint_threshold: points with a lower score aren't drawn.
    """

    folder: Path
    drawn: bool = True
    text: bool = False
    scores: bool = False
    crops: bool = False
    coco: bool = False
    keypoint_threshold: float = 0.25
    _rows: list[object] = field(default_factory=list)
    _stems: Counter[str] = field(default_factory=Counter)

    def write(self, result: Result) -> None:
        """Write the files of one image."""
        stem = free_stem(result.name, self._stems)
        if self.drawn:
            write_image(self.folder / f"{stem}.jpg", result.draw(keypoint_threshold=self.keypoint_threshold))
        if self.text:
            self._write_text(self.folder / "labels" / f"{stem}.txt", result)
        if self.crops:
            self._write_crops(stem, result)
        if self.coco:
            image_id = int(stem) if stem.isdigit() else stem  # COCO names its files by their ids
            self._rows += poses_to_coco(result.poses, image_id=image_id, file_name=result.name)

    def finish(self) -> None:
        """Write what needs all images: results.json."""
        if self.coco:
            with atomic_path(self.folder / "results.json") as temporary:
                temporary.write_text(json.dumps(self._rows), encoding="utf-8")

    def _write_text(self, path: Path, result: Result) -> None:
        height, width = result.image.shape[:2]
        text = poses_to_label_text(
            result.poses, (height, width), keypoint_dims=result.keypoint_dims, with_scores=self.scores
        )
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def _write_crops(self, stem: str, result: Result) -> None:
        crops = crop_people(result.image, result.poses)
        for number, (crop, label) in enumerate(zip(crops, result.poses.labels, strict=True), start=1):
            ending = "" if number == 1 else f"-{number}"
            write_image(self.folder / "crops" / result.names[label] / f"{stem}{ending}.jpg", crop)


def free_stem(name: str, taken: Counter[str]) -> str:
    """The stem of an image's name; images of the same name from several folders are numbered, by what is taken."""
    stem = Path(name).stem or "image"
    taken[stem] += 1
    return stem if taken[stem] == 1 else f"{stem}-{taken[stem]}"
