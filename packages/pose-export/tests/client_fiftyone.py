"""Reads a COCO result file by FiftyOne, in a process of its own, and prints the labels that it made as JSON.

python client_fiftyone.py RESULTS WIDTH HEIGHT
"""

import json
import sys

import fiftyone.utils.coco


class OneImage:
    """What FiftyOne's converter asks of a collection of samples. FiftyOne's own needs a database server."""

    def __init__(self, width, height):
        self._sizes = [width], [height]
        self.labels = {}

    def __len__(self):
        return 1

    def compute_metadata(self):
        pass

    def values(self, names):
        assert names == ["metadata.width", "metadata.height"]
        return self._sizes

    def set_values(self, name, labels):
        (self.labels[name],) = labels


def main(path, width, height):
    image = OneImage(int(width), int(height))
    for kind in ("keypoints", "detections"):
        fiftyone.utils.coco.add_coco_labels(image, kind, path, ["person"], label_type=kind)
    found = {"version": fiftyone.__version__}
    found["keypoints"] = [
        {"label": one.label, "points": one.points, "visible": one.visible}
        for one in image.labels["keypoints"].keypoints
    ]
    found["detections"] = [
        {"label": one.label, "box": one.bounding_box, "score": one.confidence}
        for one in image.labels["detections"].detections
    ]
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
