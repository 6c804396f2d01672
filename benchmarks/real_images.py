"""Train on real images and report keypoint AP.

python benchmarks/real_images.py coco COCO_FOLDER OUTPUT     # sixteen images of COCO, learnt by heart from scratch
python benchmarks/real_images.py lspet LSPET_FOLDER OUTPUT   # 1,600 photos of sports people, 400 to validate
python benchmarks/real_images.py mouse MOUSE_FOLDER OUTPUT   # 70 frames of a mouse, 20 to validate

COCO has its own layout (annotations/, train2017/), the photos images/ with lspet2000_keypoints.json, the mouse
DeepLabCut's CollectedData.csv. The words of `pose train` may follow (epochs=30 seed=1 recipe=published); the photos are
learnt with its defaults, the mouse with recipe=few.

Prints a line per validated epoch, and at the end, of the last weights, the AP twice: with images padded to whole
strides, as they are validated otherwise, and to the square that training saw, whose borders a network that knows its
images by heart knows too. Then for the best-scored find of each image the mean OKS, and the share of keypoints within
12 % of the diagonal of the person's box.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pose_cli.models import shipped_weights
from pose_data import COCO_PERSON, Predictor, Samples, image_size, open_dataset, read_data_settings
from pose_nn import TorchRuntime, load_checkpoint
from pose_train import EpochEvent, TrainEvent, make_train_settings, train, validate

Document = dict[str, Any]

COCO_IMAGES = 16
LSPET_TRAIN = 1600
MOUSE_TRAIN = 70
MOUSE_SIGMA = 0.05
NEAR = 0.12  # of the diagonal of a person's box
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


def mouse(folder: Path, output: Path) -> Path:
    """Describe the frames of a mouse: by file name, the first 70 train and the rest validate."""
    with (folder / "CollectedData.csv").open(encoding="utf-8", newline="") as file:
        _, points, _, *rows = csv.reader(file)
    names = points[1::2]
    document: Document = {
        "images": [],
        "annotations": [],
        "categories": [{"id": 1, "name": "mouse", "keypoints": names}],
    }
    for number, row in enumerate(sorted(rows), start=1):
        height, width = image_size(folder / row[0])
        document["images"].append({"id": number, "file_name": Path(row[0]).name, "height": height, "width": width})
        document["annotations"].append(mouse_annotation(row[1:], number))
    for name, part in (("train", slice(MOUSE_TRAIN)), ("val", slice(MOUSE_TRAIN, None))):
        write_part(document, document["images"][part], output / f"{name}.json")
    skeleton = {"names": names, "sigmas": [MOUSE_SIGMA] * len(names)}
    files = {"train_file": output / "train.json", "val_file": output / "val.json"}
    return write_data(output, (folder / "labeled-data").resolve(), skeleton=skeleton, **files)


def mouse_annotation(cells: list[str], number: int) -> Document:
    """Make a COCO annotation of x, y, x, y, ... in which empty cells are points that nobody has seen."""
    points = np.array([float(cell or "nan") for cell in cells]).reshape(-1, 2)
    seen = np.isfinite(points).all(axis=1)
    low, high = points[seen].min(axis=0), points[seen].max(axis=0)
    rows = np.column_stack([np.where(seen[:, None], points, 0), np.where(seen, 2, 0)])
    return {
        "id": number,
        "image_id": number,
        "category_id": 1,
        "iscrowd": 0,
        "keypoints": rows.flatten().tolist(),
        "num_keypoints": int(seen.sum()),
        "bbox": [*low.tolist(), *(high - low).tolist()],
        "area": float((high - low).prod()),
    }


def named_pairs(pairs: tuple[tuple[int, int], ...] | None, names: tuple[str, ...]) -> list[list[str]]:
    """Write mirror pairs by name."""
    return [[names[a], names[b]] for a, b in pairs or ()]


def by_heart(data: Path) -> Document:
    """Words to learn a few images by heart: no augmentation, a step per batch, a validation per 100 steps."""
    still = {"mosaic": 0.0, "scale": 0.0, "translate": 0.0, "fliplr": 0.0, "hsv_h": 0.0, "hsv_s": 0.0, "hsv_v": 0.0}
    steps = {"epochs": 20, "images_per_epoch": 100 * COCO_IMAGES, "batch": COCO_IMAGES, "nbs": COCO_IMAGES}
    rate = {"optimizer": "AdamW", "lr0": 0.002, "momentum": 0.9, "warmup_epochs": 1, "warmup_bias_lr": 0.0}
    return {"data": str(data), "model": "yolov8n-pose", "imgsz": 320, **steps, **rate, **still}


def report(event: TrainEvent) -> None:
    """Print the figures of an epoch."""
    if isinstance(event, EpochEvent) and event.metrics is not None:
        keypoints = event.metrics.keypoints
        losses = " ".join(f"{name} {value:.3f}" for name, value in event.losses.items())
        print(f"epoch {event.epoch}: AP {keypoints.ap:.4f} AP50 {keypoints.ap50:.4f} {losses}", flush=True)


def nearness(runtime: TorchRuntime, samples: Samples, imgsz: int) -> tuple[float, float]:
    """Mean OKS of the best-scored find of each image, and the share of its keypoints that are near their place."""
    predictor = Predictor(runtime, conf=0.001, imgsz=imgsz)
    spread = 2 * samples.skeleton.require_sigmas()
    similarities, near = [], []
    for i in range(len(samples)):
        sample = samples[i]
        person, found = sample.targets, predictor(sample.image)
        labelled = person.visibility[0] > 0
        if not len(found.scores):
            similarities.append(0.0)
            near.append(0.0)
            continue
        distances = np.linalg.norm(found.keypoints[0] - person.keypoints[0], axis=1)[labelled]
        similarities.append(np.exp(-((distances / spread[labelled]) ** 2) / 2 / person.areas[0]).mean())
        diagonal = np.linalg.norm(person.boxes[0, 2:] - person.boxes[0, :2])
        near.append((distances < NEAR * diagonal).mean())
    return float(np.mean(similarities)), float(np.mean(near))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=("coco", "lspet", "mouse"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("words", nargs="*", help="words of `pose train`")
    chosen = parser.parse_args()
    output = chosen.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    words = {word.partition("=")[0]: yaml.safe_load(word.partition("=")[2]) for word in chosen.words}
    words = {"project": str(output / "run"), "cache": "ram"} | words
    if chosen.job == "coco":
        words = by_heart(first_labelled(chosen.folder, output)) | words
    elif chosen.job == "lspet":
        words = {"data": str(leeds(chosen.folder, output)), "imgsz": 192, "epochs": 10} | words
    else:
        words = {"data": str(mouse(chosen.folder, output)), "imgsz": 256, "recipe": "few"} | words
    settings = make_train_settings(words, source=chosen.job, defaults={"model": str(shipped_weights())})
    result = train(settings, on_event=report)
    checkpoint = load_checkpoint(result.last)
    samples = open_dataset(read_data_settings(settings.data), "val")
    runtime = TorchRuntime(checkpoint.net, checkpoint.card)
    for rect in (True, False):
        found = validate(runtime, samples, rect=rect).metrics.keypoints
        print(f"rect={rect}: AP {found.ap:.4f} AP50 {found.ap50:.4f}")
    if chosen.job != "coco":
        similarity, near = nearness(runtime, samples, settings.imgsz)
        share = f"{near:.1%} of its keypoints within {NEAR:.0%} of the diagonal"
        print(f"best-scored find: mean OKS {similarity:.3f}, {share}")
    print(f"{result.epochs} epochs in {result.seconds / 60:.1f} minutes; weights in {result.run_folder / 'weights'}")


if __name__ == "__main__":
    main()
