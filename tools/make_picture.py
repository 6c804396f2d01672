"""Makes the picture of the README: drawn people of the embedded data set with their labels.

`.venv/bin/python tools/make_picture.py`
"""

from __future__ import annotations

from pathlib import Path

from pose_data import DrawnPeople, contact_sheet, draw_targets, write_image

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "people.jpg"
SEED = 90_000  # far from the seeds that anything is trained or measured on
IMAGES = 4
SIZE = 320


def main() -> None:
    """Write docs/images/people.jpg."""
    samples = DrawnPeople(IMAGES, size=SIZE, seed=SEED)
    scenes = [samples[index] for index in range(IMAGES)]
    drawn = [draw_targets(scene.image, scene.targets, samples.skeleton) for scene in scenes]
    write_image(PICTURE, contact_sheet(drawn, columns=4))
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
