"""The built-in data set 'coco-pose': COCO 2017's people, in COCO's own folders and files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pose_data.datasets.download import RemoteFile, fetch_file
from pose_data.datasets.split import CocoSource
from pose_data.datasets.unpack import unpack_zip
from pose_data.errors import PoseError, SettingsError

COCO_POSE = "coco-pose"
"""Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014; keypoints of 2017."""

COCO_POSE_FOLDER = Path("datasets") / COCO_POSE
"""Where `coco-pose` is looked for and downloaded to, unless another folder is named."""

COCO_SITE = "http://images.cocodataset.org"  # its certificate is another host's, hence http and digests
SPLITS = ("train", "val")


@dataclass(frozen=True)
class _Archive:
    """A zip file of COCO's site: where it is, what of it is used, and how many files that leaves in a folder."""

    path: str
    size: int
    sha256: str
    folder: str
    files: int
    only: tuple[str, ...] = ()


def _keypoints(split: str) -> str:
    return f"annotations/person_keypoints_{split}2017.json"


ANNOTATIONS = _Archive(
    path="annotations/annotations_trainval2017.zip",
    size=252_907_541,
    sha256="113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
    folder="annotations",
    files=2,
    only=tuple(_keypoints(split) for split in SPLITS),
)
IMAGES = {
    "train": _Archive(
        path="zips/train2017.zip",
        size=19_336_861_798,
        sha256="69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
        folder="train2017",
        files=118_287,
    ),
    "val": _Archive(
        path="zips/val2017.zip",
        size=815_585_330,
        sha256="4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
        folder="val2017",
        files=5_000,
    ),
}

StepProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class CocoPosePlan:
    """What `download_coco_pose` has to do.

    Args:
        folder: where the data set will be.
        files: web addresses of what isn't there yet.
        megabytes: size of these files, millions of bytes.
    """

    folder: Path
    files: tuple[str, ...]
    megabytes: float


def plan_coco_pose(folder: Path, *, splits: Sequence[str] = SPLITS, site: str = COCO_SITE) -> CocoPosePlan:
    """Say what of COCO isn't in a folder yet.

    Raises:
        SettingsError: a split that COCO doesn't have keypoints for, a site that isn't on the web, or no folder.
    """
    _check_site(site)
    _check_folder(folder)
    waiting = _waiting(folder, splits)
    addresses = tuple(f"{site.rstrip('/')}/{archive.path}" for archive in waiting)
    return CocoPosePlan(folder, addresses, sum(archive.size for archive in waiting) / 1e6)


def download_coco_pose(
    folder: Path,
    *,
    splits: Sequence[str] = SPLITS,
    site: str = COCO_SITE,
    keep: bool = False,
    progress: StepProgress | None = None,
) -> None:
    """Download COCO 2017's images and keypoints from COCO's site, and unpack them.

    An interrupted call is repeated: what was fetched is kept, to the byte, and what was unpacked too.

    Args:
        folder: gets `annotations/`, `train2017/` and `val2017/`.
        splits: of 'train' (19.3 GB) and 'val' (0.8 GB).
        site: another address that has COCO's `zips/` and `annotations/`.
        keep: whether the zip files stay after they were unpacked; those that were there before stay anyway.
        progress: called with what is being done, how much of it and of how much.

    Raises:
        DataError: no connection, or another file than COCO's.
        PoseError: the folder can't be written, or the disk is too small.
        SettingsError: an unknown split, a site that isn't on the web, or no folder.
    """
    _check_site(site)
    _check_folder(folder)
    say = progress or (lambda _what, _done, _total: None)
    waiting = _waiting(folder, splits)
    _check_space(folder, waiting)
    for archive in waiting:
        given = folder / Path(archive.path).name
        # One that lies there is its owner's; what is fetched has another name until it is unpacked.
        file = given if given.exists() else given.with_name(f".{given.name}")
        remote = RemoteFile(f"{site.rstrip('/')}/{archive.path}", archive.size, archive.sha256)
        fetch_file(remote, file, progress=_named(say, f"fetching {given.name}"))
        unpack_zip(file, folder, only=archive.only, progress=_named(say, f"unpacking {given.name}"))
        if keep:
            file.replace(given)
        elif file != given:
            file.unlink()


def coco_pose_splits(folder: Path) -> dict[str, CocoSource]:
    """Find the splits of COCO that are in a folder, images and keypoints both; none for any other folder.

    Images without people are left out of training, as the published recipe does; validation keeps all of them, as
    COCO's own evaluation does.
    """
    return {
        split: CocoSource(folder / f"{split}2017", folder / _keypoints(split), background=split != "train")
        for split in SPLITS
        if (folder / f"{split}2017").is_dir() and (folder / _keypoints(split)).is_file()
    }


def no_coco_pose(folder: Path) -> SettingsError:
    """The error for a folder without COCO."""
    return SettingsError(
        f"{COCO_POSE}: must be in the folder '{folder}', with annotations/, train2017/ and val2017/; got none of them. "
        f"Fetch it (20 GB) with: pose download {COCO_POSE}, or name the folder of a copy: data=FOLDER"
    )


def _check_site(site: str) -> None:
    if not site.lower().startswith(("http://", "https://")):
        raise SettingsError(f"site must be an http or https address; got '{site}'; leave it out for {COCO_SITE}")


def _check_folder(folder: Path) -> None:
    """Check that no file is in the place of a folder or above it."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir():
        raise SettingsError(f"folder must be a folder to write to; got the file '{nearest}'; name another")


def _waiting(folder: Path, splits: Sequence[str]) -> list[_Archive]:
    for split in splits:
        if split not in SPLITS:
            raise SettingsError(
                f"split must be one of {', '.join(SPLITS)}; got '{split}'; COCO has keypoints for these"
            )
    archives = (ANNOTATIONS, *(IMAGES[split] for split in SPLITS if split in splits))
    return [archive for archive in archives if not _is_there(archive, folder)]


def _is_there(archive: _Archive, folder: Path) -> bool:
    if archive.only:
        return all((folder / name).is_file() for name in archive.only)
    inside = folder / archive.folder
    return inside.is_dir() and sum(1 for path in inside.iterdir() if not path.name.startswith(".")) >= archive.files


def _check_space(folder: Path, archives: Sequence[_Archive]) -> None:
    """Zip files go one by one, so the largest is there beside what was unpacked of all."""
    import shutil

    if not archives:
        return
    sizes = [archive.size for archive in archives]
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.is_dir())
    begun = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0
    needed, free = sum(sizes) + max(sizes) - begun, shutil.disk_usage(there).free
    if free < needed:
        raise PoseError(
            f"{folder}: must have {needed / 1e9:.1f} GB free for the zip files and what is in them; "
            f"got {free / 1e9:.1f} GB; free some space, or name another folder"
        )


def _named(say: StepProgress, what: str) -> Callable[[int, int], None]:
    return lambda done, total: say(what, done, total)
