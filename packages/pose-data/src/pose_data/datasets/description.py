"""What a data set is: the YAML that names its images, its classes and its keypoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pose_data.datasets.coco_categories import CocoCategories, read_categories
from pose_data.datasets.coco_pose import COCO_POSE, COCO_POSE_FOLDER, coco_pose_splits, no_coco_pose
from pose_data.datasets.description_skeleton import SkeletonKeys, make_described_skeleton
from pose_data.datasets.split import CocoSource, DrawnSource, ImageSource, Source, is_pattern
from pose_data.errors import SettingsError
from pose_data.settings import make_settings
from pose_data.skeleton import COCO_PERSON, Skeleton
from pose_data.yaml_file import read_yaml

DRAWN_PEOPLE = "people"
"""The data set that needs no files: give this name in place of a path."""

_DRAWN_SPLITS = {"train": DrawnSource(2000, seed=0), "val": DrawnSource(200, seed=1)}
# What other tools and sites leave in their YAML files, and what has no bearing on the data.
_IGNORED = frozenset({"author", "date", "description", "info", "licence", "license", "roboflow", "url", "version"})

_FETCH_COCO = "fetch it with: pose download coco-pose"

_Places = tuple[str, ...] | Mapping[str, str] | None


@dataclass(frozen=True)
class DataSettings:
    """A data set as its YAML describes it.

    Args:
        path: the folder that everything else is relative to.
        file: the YAML itself.
        names: C class names.
        skeleton: the K keypoints of every object, and which of them each class has.
        keypoint_dims: 3 when the labels hold visibility, 2 when they don't.
        splits: where the images of 'train', 'val', 'test' come from; those that the YAML names.
        download: what the YAML says about getting the data. It is shown where data are missing, never run.
    """

    path: Path
    file: Path
    names: tuple[str, ...]
    skeleton: Skeleton
    keypoint_dims: int
    splits: Mapping[str, Source]
    download: str | None = None


@dataclass(frozen=True)
class _Keys:
    """The keys of the file."""

    path: Path | None = None
    train: _Places = None
    val: _Places = None
    validation: _Places = None
    test: _Places = None
    minival: _Places = None
    names: tuple[str, ...] | Mapping[int, str] | None = None
    nc: int | None = field(default=None, metadata={"min": 1})
    channels: int = field(default=3, metadata={"choices": (3,)})
    kpt_shape: tuple[int, int] | None = None
    flip_idx: tuple[int, ...] | None = None
    kpt_names: tuple[str, ...] | Mapping[str, tuple[str, ...]] | None = None
    kpt_oks_sigmas: tuple[float, ...] | None = None
    skeleton: SkeletonKeys | None = None
    download: str | tuple[str, ...] | None = None


def read_data_settings(path: Path | str) -> DataSettings:
    """Read the YAML of a data set, or take a built-in one: 'people', or 'coco-pose' in `COCO_POSE_FOLDER`.

    Keys: `path` (relative to the YAML's folder), `train`, `val`, `test` (a folder, a .txt list, a glob
    pattern, a list of these, or `{images: folder, annotations: COCO keypoint JSON}`), `names`, `nc`,
    `kpt_shape` ([K, 2] or [K, 3]), and either `flip_idx`, `kpt_names` and `kpt_oks_sigmas`, or `skeleton`
    with `names`, `mirror` and `edges` (pairs of names), `sigmas` (K numbers, or one for each name) and `classes`
    (the keypoint names of each class, where not every class has all).
    Names and keypoints may be left to the COCO file. `download` is read and never run.

    Args:
        path: the file, a folder that holds data.yaml or one other YAML, a folder with COCO's own files and no YAML,
            or the name of a built-in data set.

    Raises:
        SettingsError: an unknown key, a wrong value, keys that disagree, or COCO isn't there.
        DataError: a COCO file whose names are needed and can't be read.
    """
    path = Path(path)
    if not path.is_file() and not _yaml_files(path):
        if str(path) == DRAWN_PEOPLE:
            return DataSettings(path, path, ("person",), COCO_PERSON, 3, dict(_DRAWN_SPLITS))
        folder = COCO_POSE_FOLDER if str(path) == COCO_POSE and not path.is_dir() else path
        coco = coco_pose_splits(folder)
        if coco:
            return DataSettings(folder, folder, ("person",), COCO_PERSON, 3, coco, _FETCH_COCO)
        if str(path) == COCO_POSE:
            raise no_coco_pose(folder)
    file = _the_yaml_in(path) if path.is_dir() else path
    content = {key: value for key, value in read_yaml(file).items() if key not in _IGNORED}
    keys = make_settings(_Keys, content, source=str(file))
    try:
        return _described(keys, file)
    except SettingsError as error:
        raise SettingsError(f"{file}: {error}") from error


def whole_data_path(name: str) -> str:
    """Write the file or folder that `read_data_settings` would read as an absolute path.

    Args:
        name: as it is given there.

    Returns:
        The path; the name as it is where nothing is there, or where the data set is drawn and lies nowhere.
    """
    path = Path(name)
    if not path.is_file() and not _yaml_files(path):
        if name == DRAWN_PEOPLE:
            return name
        path = COCO_POSE_FOLDER if name == COCO_POSE and not path.is_dir() else path
    return str(path.absolute()) if path.exists() else name


def _described(keys: _Keys, file: Path) -> DataSettings:
    root = _root(keys, file)
    splits = _splits(keys, root, file.absolute().parent)
    if not splits:
        raise SettingsError("must name its images; add 'train: folder' and 'val: folder'")
    skeleton_keys = keys.skeleton or _public_skeleton(keys)
    coco = None
    if keys.names is None or not skeleton_keys.names:
        coco = _categories(splits, _listed_names(keys))
    class_names = _class_names(keys, coco)
    skeleton, dims = make_described_skeleton(
        keys.skeleton,
        _public_skeleton(keys),
        class_names=class_names,
        flip_idx=keys.flip_idx,
        shape=keys.kpt_shape,
        coco=coco,
    )
    download = keys.download if keys.download is None or isinstance(keys.download, str) else ", ".join(keys.download)
    return DataSettings(root, file, class_names, skeleton, dims, splits, download)


def _the_yaml_in(folder: Path) -> Path:
    files = _yaml_files(folder)
    if folder / "data.yaml" in files:
        return folder / "data.yaml"
    if len(files) != 1:
        names = ", ".join(p.name for p in files) or "none"
        raise SettingsError(f"{folder}: must hold one YAML file; got {names}; give the path of the file itself")
    return files[0]


def _yaml_files(folder: Path) -> list[Path]:
    return sorted(p for pattern in ("*.yaml", "*.yml") for p in folder.glob(pattern))


def _root(keys: _Keys, file: Path) -> Path:
    beside = file.absolute().parent
    if keys.path is None:
        return beside
    here = keys.path.absolute()
    return here if not (beside / keys.path).exists() and here.exists() else beside / keys.path


def _splits(keys: _Keys, root: Path, beside: Path) -> dict[str, Source]:
    if keys.val is not None and keys.validation is not None:
        raise SettingsError("must name its validation images once; got 'val' and 'validation'; drop one")
    named = {"train": keys.train, "val": keys.val or keys.validation, "test": keys.test, "minival": keys.minival}
    return {name: _source(places, name, root, beside) for name, places in named.items() if places}


def _source(places: tuple[str, ...] | Mapping[str, str], split: str, root: Path, beside: Path) -> Source:
    if not isinstance(places, Mapping):
        return ImageSource(tuple(_place(place, root, beside) for place in places), root)
    if set(places) != {"images", "annotations"}:
        raise SettingsError(
            f"{split} must have the keys 'images' (a folder) and 'annotations' (a COCO JSON); got {', '.join(places)}"
        )
    return CocoSource(_place(places["images"], root, beside), _place(places["annotations"], root, beside))


def _place(place: str, root: Path, beside: Path) -> Path:
    """Find what a place is relative to: the root, the YAML, or neither; some sites write one '../' too many."""
    near = place
    while near.startswith("../"):
        near = near[3:]
    candidates = [root / place, beside / place, root / near]
    return next((c for c in candidates if c.exists() or is_pattern(c)), candidates[0])


def _public_skeleton(keys: _Keys) -> SkeletonKeys:
    """Gather the keys that other tools have for what `skeleton` says in one block."""
    names = keys.kpt_names
    if isinstance(names, Mapping):
        lists = set(names.values())
        if len(lists) != 1:
            raise SettingsError(
                f"kpt_names must be the same list for every class; got {len(lists)} different ones; "
                "name all keypoints there, and those of each class in 'skeleton: {classes: ...}'"
            )
        names = lists.pop()
    return SkeletonKeys(names=names or (), sigmas=keys.kpt_oks_sigmas)


def _categories(splits: Mapping[str, Source], names: tuple[str, ...]) -> CocoCategories | None:
    sources = [s for s in splits.values() if isinstance(s, CocoSource)]
    # The validation file is the small one.
    sources.sort(key=lambda s: s.annotations.stat().st_size if s.annotations.exists() else 1 << 62)
    return read_categories(sources[0].annotations, names=names) if sources else None


def _listed_names(keys: _Keys) -> tuple[str, ...]:
    names = keys.names or ()
    if not isinstance(names, Mapping):
        return names
    if sorted(names) != list(range(len(names))):
        raise SettingsError(f"names must be numbered from 0 to {len(names) - 1}; got {sorted(names)}")
    return tuple(names[i] for i in range(len(names)))


def _class_names(keys: _Keys, coco: CocoCategories | None) -> tuple[str, ...]:
    names = _listed_names(keys)
    if not names and coco is not None:
        names = coco.names
    if not names and keys.nc is not None:
        names = tuple(f"class_{i}" for i in range(keys.nc))
    if not names:
        raise SettingsError("must name its classes; add 'names: [person]'")
    if keys.nc is not None and keys.nc != len(names):
        raise SettingsError(f"nc must be the number of names, {len(names)}; got {keys.nc}; correct it, or leave nc out")
    return names
