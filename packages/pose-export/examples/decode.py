"""From the output of an exported file to people, with NumPy alone: copy it into a client.

card = json.loads(session.get_modelmeta().custom_metadata_map["pose_card"])
people = decode(session.run(None, {"images": planes}), card, size=(640, 640))
"""

from __future__ import annotations

import numpy as np


def decode(
    outputs: list[np.ndarray], card: dict, *, size: tuple[int, int], conf: float = 0.25, iou: float = 0.7
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Find the people in one image.

    Args:
        outputs: of one call with one image, in the order of the file.
        card: its model card, the JSON under "pose_card" in the file's metadata.
        size: (height, width) of the input.
        conf: people must score more than this.
        iou: overlap from which on two boxes are one person.

    Returns:
        boxes (N, 4) xyxy, scores (N,), classes (N,) and keypoints (N, K, 2 or 3), pixels of the input.
    """
    classes, dims, contract = len(card["names"]), card["keypoint_dims"], card["contract"]
    if contract == "nms":
        rows = outputs[0][0]
        rows = rows[rows[:, 4] > conf]
        return rows[:, :4], rows[:, 4], rows[:, 5].astype(int), rows[:, 6:].reshape(len(rows), -1, dims)
    if contract == "heads":
        rows = np.concatenate(
            [decode_level(*outputs[i : i + 3], size=size, dims=dims) for i in range(0, len(outputs), 3)]
        )
    elif contract == "rows":
        rows = outputs[0][0].copy()
    else:
        rows = outputs[0][0].T.copy()
        if contract == "normalised":
            rows[:, [0, 2]] *= size[1]
            rows[:, [1, 3]] *= size[0]
            rows[:, 4 + classes :: dims] *= size[1]
            rows[:, 5 + classes :: dims] *= size[0]
        rows[:, :2], rows[:, 2:4] = rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2
    scores = rows[:, 4 : 4 + classes].max(axis=1)
    rows = rows[scores > conf]
    rows = rows[np.argsort(-rows[:, 4 : 4 + classes].max(axis=1), kind="stable")]
    labels = rows[:, 4 : 4 + classes].argmax(axis=1)
    kept = keep_best(rows[:, :4], labels, iou)
    keypoints = rows[kept, 4 + classes :].reshape(len(kept), -1, dims)
    return rows[kept, :4], rows[kept, 4 : 4 + classes].max(axis=1), labels[kept], keypoints


def keep_best(boxes: np.ndarray, labels: np.ndarray, iou: float) -> np.ndarray:
    """Indices of the boxes, best first, that no better one of their class covers."""
    kept, waiting = [], np.arange(len(boxes))
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        kept.append(best)
        low, high = np.maximum(boxes[best, :2], boxes[waiting, :2]), np.minimum(boxes[best, 2:], boxes[waiting, 2:])
        shared = np.prod(np.clip(high - low, 0, None), axis=1)
        areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
        covered = shared > iou * (areas[best] + areas[waiting] - shared)
        waiting = waiting[~(covered & (labels[waiting] == labels[best]))]
    return np.array(kept, dtype=int)


def decode_level(
    boxes: np.ndarray, scores: np.ndarray, keypoints: np.ndarray, *, size: tuple[int, int], dims: int
) -> np.ndarray:
    """Logits of one level, (1, rows, h, w) each, to (h w, 4 + C + D K): boxes xyxy, scores, keypoints."""
    height, width = boxes.shape[2:]
    stride = size[0] // height
    y, x = np.divmod(np.arange(height * width), width)
    bins = np.exp(boxes.reshape(4, 16, -1) - boxes.reshape(4, 16, -1).max(axis=1, keepdims=True))
    left, top, right, bottom = (bins * np.arange(16)[:, None]).sum(axis=1) / bins.sum(axis=1)
    corners = np.stack([x + 0.5 - left, y + 0.5 - top, x + 0.5 + right, y + 0.5 + bottom]) * stride
    points = keypoints.reshape(-1, dims, height * width).copy()
    points[:, 0] = (points[:, 0] * 2 + x) * stride
    points[:, 1] = (points[:, 1] * 2 + y) * stride
    points[:, 2:] = 1 / (1 + np.exp(-points[:, 2:]))
    likely = 1 / (1 + np.exp(-scores.reshape(-1, height * width)))
    return np.concatenate([corners, likely, points.reshape(-1, height * width)]).T.astype(np.float32)
