"""pycocotools' own names over this package: change one import, and keep the code, the numbers and the printed text.

    from pose_eval.compat import COCO, COCOeval

Numbers are those of the strict mode. Masks ("segm"), drawing and downloads are not here.
"""

# ruff: noqa: N802, N803, N815 (the names are pycocotools')

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np

from pose_eval.coco_columns import Identity, TruthFile, open_results, open_truth, read_problem
from pose_eval.compat_images import ImageResult, image_results, pair_similarities
from pose_eval.evaluation import Evaluation, evaluate
from pose_eval.exceptions import EvalError
from pose_eval.json_files import read_json
from pose_eval.problem import Floats, box_areas, corners_to_boxes, keypoint_extents
from pose_eval.records import Record, Records
from pose_eval.rules import COCO_SIGMAS, AreaRange, IouType, Rules, box_rules, keypoint_rules
from pose_eval.summary import Line, average, summary_lines

Dataset: TypeAlias = dict[str, list[dict[str, object]]]
_Few: TypeAlias = Identity | Sequence[Identity]


class COCO:
    """A COCO ground truth, or results on one, with pycocotools' attributes and lookups.

    Args:
        annotation_file: path of a ground truth; None makes an empty one, to be filled through `dataset`.
    """

    def __init__(self, annotation_file: str | None = None) -> None:
        self.dataset: Dataset = {}
        self.anns: dict[Identity, dict[str, object]] = {}
        self.cats: dict[Identity, dict[str, object]] = {}
        self.imgs: dict[Identity, dict[str, object]] = {}
        self.imgToAnns: dict[Identity, list[dict[str, object]]] = defaultdict(list)
        self.catToImgs: dict[Identity, list[Identity]] = defaultdict(list)
        if annotation_file is not None:
            print("loading annotations into memory...")
            started = time.time()
            content = read_json(Path(annotation_file))
            open_truth(cast(Mapping[str, object], content))
            self.dataset = cast(Dataset, content)
            print(f"Done (t={time.time() - started:0.2f}s)")
            self.createIndex()

    def createIndex(self) -> None:
        """Build the lookups after `dataset` was changed."""
        print("creating index...")
        self.imgToAnns, self.catToImgs = defaultdict(list), defaultdict(list)
        annotations = self.dataset.get("annotations", [])
        for annotation in annotations:
            self.imgToAnns[_id(annotation, "image_id")].append(annotation)
            self.catToImgs[_id(annotation, "category_id")].append(_id(annotation, "image_id"))
        self.anns = {_id(item): item for item in annotations}
        self.imgs = {_id(item): item for item in self.dataset.get("images", [])}
        self.cats = {_id(item): item for item in self.dataset.get("categories", [])}
        print("index created!")

    def getAnnIds(
        self,
        imgIds: _Few = (),
        catIds: _Few = (),
        areaRng: Sequence[float] = (),
        iscrowd: bool | None = None,
    ) -> list[Identity]:
        """List annotation ids of some images and categories, areas strictly between two bounds, crowds or not."""
        images, categories = _listed(imgIds), set(_listed(catIds))
        found: Iterable[dict[str, object]] = self.dataset["annotations"]
        if images:
            found = (item for image in images if image in self.imgToAnns for item in self.imgToAnns[image])
        return [
            _id(item)
            for item in found
            if (not categories or item["category_id"] in categories)
            and (not len(areaRng) or areaRng[0] < cast(float, item["area"]) < areaRng[1])
            and (iscrowd is None or item["iscrowd"] == iscrowd)
        ]

    def getCatIds(self, catNms: _Few = (), supNms: _Few = (), catIds: _Few = ()) -> list[Identity]:
        """List category ids by name, supercategory or id."""
        wanted = {"name": _listed(catNms), "supercategory": _listed(supNms), "id": _listed(catIds)}
        return [
            _id(item)
            for item in self.dataset["categories"]
            if all(item.get(key) in values for key, values in wanted.items() if values)
        ]

    def getImgIds(self, imgIds: _Few = (), catIds: _Few = ()) -> list[Identity]:
        """List image ids; with categories, those of images that hold all of them."""
        images, categories = _listed(imgIds), _listed(catIds)
        if not images and not categories:
            return list(self.imgs)
        found = set(images) if images else set(self.catToImgs[categories[0]])
        for category in categories:
            found &= set(self.catToImgs[category])
        return list(found)

    def loadAnns(self, ids: _Few = ()) -> list[dict[str, object]]:
        """Look annotations up by id."""
        return [self.anns[identity] for identity in _listed(ids)]

    def loadCats(self, ids: _Few = ()) -> list[dict[str, object]]:
        """Look categories up by id."""
        return [self.cats[identity] for identity in _listed(ids)]

    def loadImgs(self, ids: _Few = ()) -> list[dict[str, object]]:
        """Look images up by id."""
        return [self.imgs[identity] for identity in _listed(ids)]

    def loadRes(self, resFile: str | Sequence[Record]) -> COCO:
        """Read results on these images: a file or a list of records, which is left as it is.

        Raises:
            EvalError: they are not a list, or name an image that isn't here.
        """
        print("Loading and preparing results...")
        started = time.time()
        results = open_results(resFile, plain=True)
        images = results.values("image_id", way_out="name the image of each result")
        for row, image in enumerate(images):
            if image not in self.imgs:
                raise EvalError(
                    f"{results.name(row)}: 'image_id' must be in the ground truth; got {image!r}; "
                    "load the ground truth of these results"
                )
        found = COCO()
        found.dataset = {**self.dataset, "annotations": _with_areas(results)}
        print(f"DONE (t={time.time() - started:0.2f}s)")
        found.createIndex()
        return found


@dataclass
class Params:
    """The settings of an evaluation, under pycocotools' names."""

    iouType: str
    imgIds: Sequence[Identity]
    catIds: Sequence[Identity]
    iouThrs: Floats
    recThrs: Floats
    maxDets: list[int]
    areaRng: list[list[float]]
    areaRngLbl: list[str]
    useCats: int
    kpt_oks_sigmas: Floats
    useSegm: int | None = None


class COCOeval:
    """Evaluate results against a ground truth.

    Args:
        cocoGt: the ground truth; a COCO object of this module or of pycocotools.
        cocoDt: the results, from `cocoGt.loadRes`.
        iouType: "keypoints" or "bbox".

    After evaluate(), accumulate() and summarize() the numbers stand in `stats`, the arrays in `eval`, and what was
    matched in `evalImgs` and `ious`; these two are for reading, accumulate() doesn't look at changes of them.
    """

    def __init__(self, cocoGt: COCO, cocoDt: COCO, iouType: str = "keypoints") -> None:
        self.cocoGt, self.cocoDt = cocoGt, cocoDt
        self.params = _params(cocoGt, iouType)
        self.eval: dict[str, object] = {}
        self.stats: Floats | list[float] = []
        self._evaluation: Evaluation | None = None
        self._image_results: list[ImageResult | None] | None = None

    def evaluate(self) -> None:
        """Compare detections with annotations.

        Raises:
            EvalError: a record is incomplete or wrong, or the sigmas don't fit the keypoints.
        """
        started = time.time()
        print("Running per image evaluation...")
        params = self.params
        print(f"Evaluate annotation type *{params.iouType}*")
        params.imgIds = list(np.unique(np.array(params.imgIds)).tolist())
        if params.useCats:
            params.catIds = list(np.unique(np.array(params.catIds)).tolist())
        params.maxDets = sorted(params.maxDets)
        rules = _rules(params)
        results = Records(self.cocoDt.dataset["annotations"], "detections", "detection")
        problem = read_problem(
            _truth_file(self.cocoGt), results, rules, image_ids=params.imgIds, category_ids=params.catIds
        )
        self._evaluation = evaluate(problem, rules)
        self._image_results = None
        print(f"DONE (t={time.time() - started:0.2f}s).")

    @property
    def evalImgs(self) -> list[ImageResult | None]:
        """What was matched in each category, area range and image, in this order; computed when first asked for."""
        if self._evaluation is None:
            return []
        if self._image_results is None:
            images, categories = set(self.params.imgIds), list(self.params.catIds)
            used = [
                item
                for item in self.cocoDt.dataset["annotations"]
                if item["image_id"] in images and item["category_id"] in categories
            ]
            self._image_results = image_results(
                self._evaluation,
                [item["id"] for item in used],
                category_ids=categories if self.params.useCats else [-1],
                areas=self.params.areaRng,
            )
        return self._image_results

    @property
    def ious(self) -> dict[tuple[object, object], Floats | list[float]]:
        """OKS or IoU of each image and category, (D, G), best detection first; computed when asked for."""
        if self._evaluation is None:
            return {}
        return pair_similarities(
            self._evaluation, category_ids=list(self.params.catIds) if self.params.useCats else [-1]
        )

    def accumulate(self) -> None:
        """Put precision, recall and scores into `eval`."""
        print("Accumulating evaluation results...")
        started = time.time()
        if self._evaluation is None:
            raise EvalError("accumulate() must come after evaluate(); got no evaluation; call evaluate() first")
        curves = self._evaluation.curves
        thresholds, recalls, categories, areas, limits = curves.precision.shape
        self.eval = {
            "params": self.params,
            "counts": [thresholds, recalls, categories, areas, limits],
            "date": datetime.now().strftime("%Y-%m-%d %H:%M:%S"),
            "precision": curves.precision,
            "recall": curves.recall,
            "scores": curves.scores,
        }
        print(f"DONE (t={time.time() - started:0.2f}s).")

    def summarize(self) -> None:
        """Print COCO's summary and put its numbers into `stats`."""
        if not self.eval or self._evaluation is None:
            raise EvalError("summarize() must come after accumulate(); got no curves; call accumulate() first")
        rules, curves = self._evaluation.rules, self._evaluation.curves
        numbers = []
        for line in summary_lines(rules):
            numbers.append(average(curves, rules, line))
            print(summary_text(line, numbers[-1], rules))
        self.stats = np.array(numbers)


def summary_text(line: Line, number: float, rules: Rules) -> str:
    """Write one number of the summary as pycocotools prints it."""
    title, short = ("Average Precision", "(AP)") if line.average == "precision" else ("Average Recall", "(AR)")
    span = f"{rules.thresholds[0]:0.2f}:{rules.thresholds[-1]:0.2f}"
    iou = span if line.threshold is None else f"{line.threshold:0.2f}"
    return f" {title:<18} {short} @[ IoU={iou:<9} | area={line.area:>6s} | maxDets={line.most:>3d} ] = {number:0.3f}"


def _params(truth: COCO, iou_type: str) -> Params:
    if iou_type not in ("keypoints", "bbox"):
        raise EvalError(f"iouType must be 'keypoints' or 'bbox'; got {iou_type!r}; use pycocotools for masks")
    rules = keypoint_rules(COCO_SIGMAS) if iou_type == "keypoints" else box_rules()
    return Params(
        iouType=iou_type,
        imgIds=sorted(truth.getImgIds()),
        catIds=sorted(truth.getCatIds()),
        iouThrs=rules.thresholds,
        recThrs=rules.recalls,
        maxDets=list(rules.max_detections),
        areaRng=[[bounds.low, bounds.high] for bounds in rules.area_ranges],
        areaRngLbl=[bounds.name for bounds in rules.area_ranges],
        useCats=1,
        kpt_oks_sigmas=np.array(COCO_SIGMAS),
    )


def _rules(params: Params) -> Rules:
    rules = keypoint_rules(params.kpt_oks_sigmas) if params.iouType == "keypoints" else box_rules()
    ranges = zip(params.areaRngLbl, params.areaRng, strict=True)
    return replace(
        rules,
        iou_type=cast(IouType, params.iouType),
        area_ranges=tuple(AreaRange(name, *map(float, bounds)) for name, bounds in ranges),
        max_detections=tuple(params.maxDets),
        thresholds=np.asarray(params.iouThrs, np.float64),
        recalls=np.asarray(params.recThrs, np.float64),
        by_category=bool(params.useCats),
        strict=True,
    )


def _truth_file(truth: COCO) -> TruthFile:
    return open_truth(cast(Mapping[str, object], truth.dataset))


def _with_areas(results: Records) -> list[dict[str, object]]:
    """Number results and give them the box and area that pycocotools gives them."""
    copies = [dict(item) for item in results.items]
    if copies and not copies[0].get("bbox") and "keypoints" in copies[0]:
        first = copies[0]["keypoints"]
        table = results.lists("keypoints", len(cast(Sequence[float], first)), way_out="x, y, score for each keypoint")
        boxes = corners_to_boxes(keypoint_extents(table.reshape(len(table), -1, 3)[..., :2]))
    else:
        boxes = results.lists("bbox", 4, way_out="a result has 'bbox' or 'keypoints'")
    for row, (item, box, area) in enumerate(zip(copies, boxes.tolist(), box_areas(boxes).tolist(), strict=True)):
        item.update(id=row + 1, bbox=box, area=area, iscrowd=0)
    return copies


def _id(item: Mapping[str, object], key: str = "id") -> Identity:
    return cast(Identity, item[key])


def _listed(ids: _Few) -> list[Identity]:
    return [ids] if isinstance(ids, (int, str)) else list(ids)
