"""A data set on disk: images by index, with their labels."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pose_data.datasets.cache import cached_index
from pose_data.datasets.coco import read_coco_keypoints
from pose_data.datasets.coco_categories import read_categories
from pose_data.datasets.description import DataSettings
from pose_data.datasets.fault import Fault, list_faults
from pose_data.datasets.images import read_image
from pose_data.datasets.index import Index, describe_label_place, index_coco, index_labels, label_paths, take_images
from pose_data.datasets.label_rows import LabelForm
from pose_data.datasets.people import DrawnPeople
from pose_data.datasets.sample import Sample
from pose_data.datasets.shrink import resize_to, shrunk_place
from pose_data.datasets.split import CocoSource, DrawnSource, ImageSource, find_images, images_below
from pose_data.errors import DataError, SettingsError
from pose_data.poses import PoseTargets
from pose_data.predict.letterbox import Letterbox
from pose_data.skeleton import Skeleton

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PoseDataset:
    """Annotated image files, read one at a time; it costs little to send to a worker process.

    Args:
        names: C class names.
        skeleton: the K keypoints of every object.
        keypoint_dims: 3 when visibility is labelled, 2 when it isn't.
        index: files, sizes and labels of all images.
        category_ids: the COCO id of each class; 1 to C where there is no COCO file.
        longest: larger images are made to have this many pixels on their longer side, and their labels with them;
            None leaves them as they are.
    """

    names: tuple[str, ...]
    skeleton: Skeleton
    keypoint_dims: int
    index: Index
    category_ids: tuple[int, ...]
    longest: int | None = None

    def __len__(self) -> int:
        return len(self.index.paths)

    def __getitem__(self, index: int) -> Sample:
        """Read one image and its labels.

        Raises:
            DataError: the image can't be read, or has changed its size since the labels were read.
        """
        path = self.image_path(index)
        image = read_image(path, longest=self.longest)
        place = self._place(index)
        if not _is_whole_or_reduced(image.shape, place.image_size, reduced=self.longest is not None):
            height, width = place.image_size
            raise DataError(
                f"{path}: must be {width} x {height} pixels, as it was when the data set was opened; "
                f"got {image.shape[1]} x {image.shape[0]}; open the data set again"
            )
        return Sample(resize_to(image, place.resized), self.targets(index), path.name)

    def targets(self, index: int) -> PoseTargets:
        """The labels of one image alone, without reading its pixels."""
        i = self._checked(index)
        targets = self.index.targets[int(self.index.offsets[i]) : int(self.index.offsets[i + 1])]
        return targets if self.longest is None else self._place(i).to_input(targets)

    def image_path(self, index: int) -> Path:
        """The file of one image."""
        return self.index.paths[self._checked(index)]

    def size(self, index: int) -> tuple[int, int]:
        """(height, width) of one image as it is handed out, without reading its pixels."""
        return self._place(index).resized

    def image_id(self, index: int) -> int:
        """The COCO id of one image; its index where there is no COCO file."""
        return int(self.index.image_ids[self._checked(index)])

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Rows and images that were left out because they can't be used."""
        return self.index.faults

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out or made up by rule, with counts."""
        return self.index.notes

    def shrunk(self, longest: int) -> PoseDataset:
        """Return the same data set with larger images made smaller as they are read, which is faster and takes less.

        Args:
            longest: pixels of the longer side.
        """
        return replace(self, longest=longest)

    def _place(self, index: int) -> Letterbox:
        """Say what becomes of the pixels of an image file."""
        height, width = self.index.sizes[self._checked(index)].tolist()
        return shrunk_place((height, width), self.longest or max(height, width))

    def _checked(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f"image {index} of a data set of {len(self)}")
        return index % len(self)


def open_dataset(
    settings: DataSettings, split: str, *, cache_dir: Path | None = None, skip_bad: bool = False
) -> PoseDataset | DrawnPeople:
    """Open one split of a data set.

    An image without a label file is background: nobody is in it.

    Args:
        settings: the data set, as `read_data_settings` gives it.
        split: 'train', 'val' or 'test'.
        cache_dir: where to keep the index for the next time; None to read all labels every time.
        skip_bad: leave out rows and images that can't be used, rather than stopping. How many is logged and
            in `notes`.

    Returns:
        The images with their labels; for the built-in data set 'people', a set that is drawn in memory.

    Raises:
        SettingsError: no such split, or no images in it.
        DataError: labels or images that can't be used, each as file:line with its reason.
    """
    source = _source(settings, split)
    if isinstance(source, DrawnSource):
        return DrawnPeople(source.count, seed=source.seed)
    try:
        dataset = _opened(settings, source, cache_dir)
    except SettingsError as error:
        raise SettingsError(f"{settings.file}: {split}: {error}{_download_hint(settings)}") from error
    return _without_faults(dataset, f"{settings.file}: {split}", skip_bad=skip_bad)


def _is_whole_or_reduced(shape: tuple[int, ...], size: tuple[int, int], *, reduced: bool) -> bool:
    """Whether an image (H, W, 3) is one of (height, width), or that at a half, a quarter or an eighth."""
    parts = (1, 2, 4, 8) if reduced else (1,)
    return any(shape[:2] == (-(-size[0] // part), -(-size[1] // part)) for part in parts)


def index_split(settings: DataSettings, source: ImageSource | CocoSource, cache_dir: Path | None = None) -> Index:
    """Read the labels of a split, faults and all.

    Raises:
        SettingsError: no images.
        DataError: a COCO file that can't be read at all.
    """
    if isinstance(source, CocoSource):
        return _index_coco(settings, source, cache_dir)
    images = find_images(source)
    skeleton = settings.skeleton
    form = LabelForm(len(settings.names), len(skeleton), settings.keypoint_dims, skeleton.classes)
    files = images if cache_dir is None else [*images, *label_paths(images)]
    return cached_index(cache_dir, files, form=str(form), build=lambda: index_labels(images, form))


def _index_coco(settings: DataSettings, source: CocoSource, cache_dir: Path | None) -> Index:
    def build() -> Index:
        """Read the annotations, which takes long where there are many."""
        annotated = read_coco_keypoints(source.annotations, names=settings.names, skeleton=settings.skeleton)
        return index_coco(annotated, source.images)

    files = [str(source.annotations)]
    if cache_dir is not None:
        files += sorted(images_below(str(source.images)))
    form = f"{settings.names} {settings.skeleton.names} {settings.skeleton.classes}"
    index = cached_index(cache_dir, files, form=form, build=build)
    return index if source.background else take_images(index, np.flatnonzero(np.diff(index.offsets)))


def _opened(settings: DataSettings, source: ImageSource | CocoSource, cache_dir: Path | None) -> PoseDataset:
    index = index_split(settings, source, cache_dir)
    ids = tuple(range(1, len(settings.names) + 1))
    if isinstance(source, CocoSource):
        ids = read_categories(source.annotations, names=settings.names).ids
    if index.label_files == 0:
        where = describe_label_place(str(index.paths[0])) if len(index.paths) else "labels"
        raise DataError(
            f"{settings.file}: must have labels; got none for {len(index.paths)} images; the first was looked for at "
            f"{where}"
        )
    return PoseDataset(settings.names, settings.skeleton, settings.keypoint_dims, index, ids)


def _without_faults(dataset: PoseDataset, what: str, *, skip_bad: bool) -> PoseDataset:
    faults = dataset.faults
    if faults and not skip_bad:
        raise DataError(
            f"{what}: must have labels and images without faults; got {len(faults)}; "
            f"correct them, or skip them (skip_bad)\n{list_faults(faults)}"
        )
    if len(dataset) == 0:
        raise SettingsError(f"{what}: must have at least one image that can be used; got none\n{list_faults(faults)}")
    if faults:
        note = f"{what}: {len(faults)} bad rows and images were left out"
        dataset = replace(dataset, index=replace(dataset.index, notes=(*dataset.notes, note)))
    for note in dataset.notes:
        _log.warning("%s", note)
    return dataset


def _source(settings: DataSettings, split: str) -> ImageSource | CocoSource | DrawnSource:
    if split not in settings.splits:
        way_out = settings.download if settings.file.is_dir() else f"add '{split}: folder'"
        raise SettingsError(
            f"{settings.file}: must name the images of '{split}'; got only {', '.join(settings.splits)}; {way_out}"
        )
    return settings.splits[split]


def _download_hint(settings: DataSettings) -> str:
    if settings.download is None:
        return ""
    return f"; the YAML says where the data come from, which is not run for you: {settings.download[:200]!r}"
