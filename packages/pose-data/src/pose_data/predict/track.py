"""Following people from frame to frame: who is who, by keypoints and boxes, surest people first."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from pose_data.errors import DataError, SettingsError
from pose_data.field import setting
from pose_data.poses import Index, Poses, concatenate
from pose_data.predict.assign import assign_pairs
from pose_data.predict.similarity import displacements, pose_similarity
from pose_data.skeleton import Skeleton

UNFOLLOWED = -1  # in place of an id
_NEWEST = 0.15  # share of the newest step in a velocity; with more, a box that shrinks behind a post sets the course

_Rows = NDArray[np.int64]
_Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class TrackSettings:
    """How people are followed.

    Args:
        sure: score from which somebody is found for sure. Only these begin tracks, and they choose first.
        match: least similarity, above 0, of somebody sure to the track that they continue.
        match_unsure: the same for the others.
        oks: share of OKS in the similarity; the rest is the IoU of the boxes, which holds for rough keypoints, too.
        begin: frames in a row in which somebody must be sure to get an id; in the very first frame one is enough.
        keep: frames for which the id of somebody who can't be seen is kept.

    Raises:
        SettingsError: a share or similarity out of range, begin below 1, or keep below 0.
    """

    sure: float = setting(0.5, "score from which somebody begins a track", least=0, most=1)
    match: float = setting(0.2, "least similarity of somebody to their track", least=0.01, most=1)
    match_unsure: float = setting(0.5, "the same for those who score less than sure", least=0.01, most=1)
    oks: float = setting(0.3, "share of OKS in the similarity; the rest is IoU", least=0, most=1)
    begin: int = setting(2, "sure frames in a row before an id is given", least=1)
    keep: int = setting(30, "frames for which an id is kept while nobody sees its person", least=0)

    def __post_init__(self) -> None:
        for field in fields(self):
            value, low, high = getattr(self, field.name), field.metadata["min"], field.metadata.get("max")
            if not low <= value or (high is not None and not value <= high):
                wanted = f"at least {low}" if high is None else f"from {low} to {high}"
                raise SettingsError(f"tracking: {field.name} must be {wanted}; got {value}")


class PoseTracker:
    """Gives everybody in a row of frames an id, and keeps it.

        tracker = PoseTracker(predictor.card.skeleton)
        for frame in open_video(Path("clip.mp4")):
            poses = predictor(frame.image)
            ids = tracker.update(poses)

    Tracks move on with constant velocity and meet the people of the next frame in stages, as in ByteTrack (Zhang et
    al., ECCV 2022). First who is sure, with all tracks, also those of people out of sight. Then who is unsure, with
    tracks that were there a frame ago: somebody half hidden scores low, but isn't new. Last who is sure and left over,
    with tracks that have no id yet; whoever is left then begins one. Both people of a pair are of one class, and the
    pairs of a stage are those that are best together.

    Args:
        skeleton: of the poses; its sigmas say how far each point may be off.
        settings: thresholds and lengths of time.

    Raises:
        SettingsError: a skeleton without sigmas.
    """

    def __init__(self, skeleton: Skeleton, settings: TrackSettings | None = None) -> None:
        if skeleton.sigmas is None:
            raise SettingsError(
                f"tracking: the skeleton must have an OKS sigma for each of its {len(skeleton)} keypoints, how far one "
                "may be off; got none; add them to the data YAML (skeleton: sigmas) that the network is trained with, "
                "or track with a skeleton that has them"
            )
        self.skeleton = skeleton
        self.settings = TrackSettings() if settings is None else settings
        self._sigmas = np.array(skeleton.sigmas, np.float64)
        self._tracks = _begun(Poses.empty(len(skeleton)), frame=0)
        self._frame = 0
        self._given = 0  # ids

    def update(self, poses: Poses) -> NDArray[np.int64]:
        """Go on by one frame.

        Args:
            poses: N people found in it, in pixels of the image, those of low scores too; nobody is normal. Keypoints
                that aren't finite count for nothing.

        Returns:
            (N,) ids, parallel to the poses: 1, 2, ... as people come, each for one person only; -1 for somebody who
            isn't followed yet or is too unsure.

        Raises:
            DataError: poses of another number of keypoints, or a box that isn't finite.
        """
        self._check(poses)
        self._frame += 1
        partners = self._match(poses)
        old = np.flatnonzero(partners >= 0)
        new = np.flatnonzero((partners < 0) & (poses.scores >= self.settings.sure))
        going_on = _continued(self._tracks[partners[old]], poses[old], frame=self._frame, sure=self.settings.sure)
        here = self._with_ids(_join([going_on, _begun(poses[new], frame=self._frame)]))
        self._tracks = _join([here, self._hidden(partners)])
        ids = np.full(len(poses), UNFOLLOWED, np.int64)
        ids[np.concatenate([old, new])] = here.ids
        return ids

    def _check(self, poses: Poses) -> None:
        if poses.keypoints.shape[1] != len(self.skeleton):
            raise DataError(
                f"tracking: poses must have the {len(self.skeleton)} keypoints of the skeleton; "
                f"got {poses.keypoints.shape[1]}; give PoseTracker the skeleton of the network"
            )
        if not np.isfinite(poses.boxes).all():
            raise DataError("tracking: boxes must be finite; got nan or inf; leave these people out")

    def _match(self, poses: Poses) -> _Rows:
        """The track of each of the N people, (N,); -1 for those without."""
        settings, tracks = self.settings, self._tracks
        similarity = pose_similarity(tracks.moved_to(self._frame), poses, sigmas=self._sigmas, oks=settings.oks)
        sure, known = poses.scores >= settings.sure, tracks.ids != UNFOLLOWED
        just_seen = known & (tracks.seen == self._frame - 1)
        stages = (
            (known, sure, settings.match),
            (just_seen, ~sure, settings.match_unsure),
            (~known, sure, settings.match),
        )
        partners = np.full(len(poses), -1, np.int64)
        for of_tracks, of_people, least in stages:
            rows = np.setdiff1d(np.flatnonzero(of_tracks), partners)
            columns = np.flatnonzero(of_people & (partners < 0))
            pairs = assign_pairs(similarity[np.ix_(rows, columns)], least=least)
            partners[columns[pairs[:, 1]]] = rows[pairs[:, 0]]
        return partners

    def _with_ids(self, here: _Tracks) -> _Tracks:
        """Give an id to everybody who has none and has been there for long enough."""
        needed = 1 if self._frame == 1 else self.settings.begin
        named = np.flatnonzero((here.ids == UNFOLLOWED) & (here.frames >= needed))
        ids = here.ids.copy()
        ids[named] = self._given + 1 + np.arange(len(named))
        self._given += len(named)
        return replace(here, ids=ids)

    def _hidden(self, partners: _Rows) -> _Tracks:
        """The tracks that nobody continued and that are kept; those without an id aren't."""
        lost = self._tracks[np.setdiff1d(np.arange(len(self._tracks)), partners)]
        return lost[(lost.ids != UNFOLLOWED) & (self._frame - lost.seen <= self.settings.keep)]


@dataclass(frozen=True)
class _Tracks:
    """T people as they were seen last.

    Args:
        poses: T, pixels of the image.
        ids: (T,) int64; -1 for those who have none yet.
        velocities: (T, 2) float64, xy pixels per frame.
        seen: (T,) int64, the number of the frame.
        frames: (T,) int64, in how many frames they were seen.
    """

    poses: Poses
    ids: _Rows
    velocities: NDArray[np.float64]
    seen: _Rows
    frames: _Rows

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: Index) -> _Tracks:
        return _Tracks(*(getattr(self, field.name)[index] for field in fields(self)))

    def moved_to(self, frame: int) -> Poses:
        """Where they should be in a frame: each person as a whole, moved with constant velocity."""
        steps = (self.velocities * (frame - self.seen)[:, None]).astype(np.float32)
        boxes = self.poses.boxes + np.tile(steps, 2)
        return replace(self.poses, boxes=boxes, keypoints=self.poses.keypoints + steps[:, None])


def _begun(poses: Poses, *, frame: int) -> _Tracks:
    """Tracks of people who are seen for the first time; they stand still until they are seen again."""
    count = len(poses)
    ids, ones = np.full(count, UNFOLLOWED, np.int64), np.ones(count, np.int64)
    return _Tracks(poses, ids, np.zeros((count, 2)), frame * ones, ones)


def _continued(tracks: _Tracks, poses: Poses, *, frame: int, sure: float) -> _Tracks:
    """The same T people, now where they were found in this frame; who is unsure there keeps the velocity."""
    newest = displacements(tracks.poses, poses) / (frame - tracks.seen)[:, None]
    share = np.where(tracks.frames == 1, 1.0, _NEWEST) * (poses.scores >= sure)
    velocities = tracks.velocities + share[:, None] * (newest - tracks.velocities)
    return _Tracks(poses, tracks.ids, velocities, np.full(len(poses), frame, np.int64), tracks.frames + 1)


def _join(parts: list[_Tracks]) -> _Tracks:
    poses = concatenate([part.poses for part in parts])
    others = [field.name for field in fields(_Tracks)][1:]
    return _Tracks(poses, *(np.concatenate([getattr(part, name) for part in parts]) for name in others))
