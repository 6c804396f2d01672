"""Makes the picture of the README: drawn people that no weights were trained on, and what a network finds on them.

`.venv/bin/python tools/make_picture.py` takes the weights that come with pose-cli; name a file to take others.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pose_cli import Pose
from pose_data import DrawnPeople, contact_sheet, draw_poses, write_image

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "people.jpg"
SEED = 90_000  # far from the seeds that anything is trained or measured on
IMAGES = 4
SIZE = 320


def main(model: str) -> None:
    """Write docs/images/people.jpg."""
    samples = DrawnPeople(IMAGES, size=SIZE, seed=SEED)
    images = [samples[index].image for index in range(IMAGES)]
    found = Pose(model)(images, conf=0.4)
    drawn = [draw_poses(image, result.poses, samples.skeleton) for image, result in zip(images, found, strict=True)]
    write_image(PICTURE, contact_sheet(drawn, columns=4))
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} kB, {sum(map(len, found))} people found")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
