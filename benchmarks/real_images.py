"""Train on real photos and report keypoint AP: sixteen COCO images learnt by heart, or Leeds Sports Pose from scratch.

python benchmarks/real_images.py coco COCO_FOLDER OUTPUT     # COCO's own layout: annotations/, train2017/
python benchmarks/real_images.py lspet LSPET_FOLDER OUTPUT   # images/, lspet2000_keypoints.json

Prints a line per validated epoch, and at the end the AP of the last weights twice: with images padded to whole
strides, as they are validated otherwise, and to the square that training saw, whose borders a network that knows its
images by heart knows too.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import yaml
from pose_data import COCO_PERSON, open_dataset, read_data_settings
from pose_nn import TorchRuntime, load_checkpoint
from pose_train import EpochEvent, TrainEvent, TrainSettings, train, validate

Document = dict[str, Any]

COCO_IMAGES = 16
LSPET_TRAIN = 1600
LSPET_SIGMAS = [0.089, 0.087, 0.107, 0.107, 0.087, 0.089, 0.062, 0.072, 0.079, 0.079, 0.072, 0.062, 0.079, 0.079]


def write_part(document: Document, images: list[Document], path: Path) -> None:
    """Write the annotations of some images as a COCO file of their own."""
    ids = {image["id"] for image in images}
    annotations = [a for a in document["annotations"] if a["image_id"] in ids]
    path.write_text(json.dumps({**document, "images": images, "annotations": annotations}), encoding="utf-8")


def write_data(folder: Path, images: Path, *, train_file: Path, val_file: Path, skeleton: Document) -> Path:
    """Write the YAML of a data set whose annotations are COCO JSON."""
    splits = {"train": train_file, "val": val_file}
    places = {name: {"images": str(images), "annotations": str(file)} for name, file in splits.items()}
    path = folder / "data.yaml"
    path.write_text(yaml.safe_dump({"path": str(folder), **places, "skeleton": skeleton}), encoding="utf-8")
    return path


def first_labelled(folder: Path, output: Path) -> Path:
    """Describe the first COCO images by file name that have a person with keypoints, to learn and validate on."""
    document: Document = json.loads(
        (folder / "annotations/person_keypoints_train2017.json").read_text(encoding="utf-8")
    )
    labelled = {a["image_id"] for a in document["annotations"] if a["num_keypoints"] > 0}
    images = sorted((i for i in document["images"] if i["id"] in labelled), key=lambda i: str(i["file_name"]))
    part = output / "first16.json"
    write_part(document, images[:COCO_IMAGES], part)
    skeleton = {"names": list(COCO_PERSON.names), "mirror": named_pairs(COCO_PERSON.mirror, COCO_PERSON.names)}
    skeleton["sigmas"] = list(COCO_PERSON.require_sigmas().tolist())
    return write_data(output, (folder / "train2017").resolve(), train_file=part, val_file=part, skeleton=skeleton)


def leeds(folder: Path, output: Path) -> Path:
    """Describe Leeds Sports Pose Extended: by file name, the first 1,600 images train and the rest validate."""
    document: Document = json.loads((folder / "lspet2000_keypoints.json").read_text(encoding="utf-8"))
    images = sorted(document["images"], key=lambda i: str(i["file_name"]))
    for name, part in (("train", images[:LSPET_TRAIN]), ("val", images[LSPET_TRAIN:])):
        write_part(document, part, output / f"{name}.json")
    names = document["categories"][0]["keypoints"]
    pairs = [[name, name.replace("left", "right")] for name in names if name.startswith("left")]
    skeleton = {"names": names, "mirror": pairs, "sigmas": LSPET_SIGMAS}
    files = {"train_file": output / "train.json", "val_file": output / "val.json"}
    return write_data(output, (folder / "images").resolve(), skeleton=skeleton, **files)


def named_pairs(pairs: tuple[tuple[int, int], ...] | None, names: tuple[str, ...]) -> list[list[str]]:
    """Write mirror pairs by name."""
    return [[names[a], names[b]] for a, b in pairs or ()]


def by_heart(data: Path, output: Path) -> TrainSettings:
    """Settings to learn a few images by heart: no augmentation, a step per batch, a validation per 100 steps."""
    still = {"mosaic": 0.0, "scale": 0.0, "translate": 0.0, "fliplr": 0.0, "hsv_h": 0.0, "hsv_s": 0.0, "hsv_v": 0.0}
    return TrainSettings(
        data=str(data),
        project=str(output / "run"),
        imgsz=320,
        epochs=20,
        images_per_epoch=100 * COCO_IMAGES,
        batch=COCO_IMAGES,
        nbs=COCO_IMAGES,
        optimizer="AdamW",
        lr0=0.002,
        momentum=0.9,
        warmup_epochs=1,
        warmup_bias_lr=0.0,
        cache="ram",
        **still,
    )


def report(event: TrainEvent) -> None:
    """Print the figures of an epoch."""
    if isinstance(event, EpochEvent) and event.metrics is not None:
        keypoints = event.metrics.keypoints
        losses = " ".join(f"{name} {value:.3f}" for name, value in event.losses.items())
        print(f"epoch {event.epoch}: AP {keypoints.ap:.4f} AP50 {keypoints.ap50:.4f} {losses}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=("coco", "lspet"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path)
    chosen = parser.parse_args()
    output = chosen.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    if chosen.job == "coco":
        settings = by_heart(first_labelled(chosen.folder, output), output)
    else:
        data = leeds(chosen.folder, output)
        settings = TrainSettings(data=str(data), project=str(output / "run"), imgsz=192, epochs=10, cache="ram")
    result = train(settings, on_event=report)
    checkpoint = load_checkpoint(result.last)
    samples = open_dataset(read_data_settings(Path(settings.data)), "val")
    for rect in (True, False):
        found = validate(TorchRuntime(checkpoint.net, checkpoint.card), samples, rect=rect).metrics.keypoints
        print(f"rect={rect}: AP {found.ap:.4f} AP50 {found.ap50:.4f}")
    print(f"{result.epochs} epochs in {result.seconds / 60:.1f} minutes; weights in {result.run_folder / 'weights'}")


if __name__ == "__main__":
    main()
