"""`pose track`: follow people through a video or a folder of frames, and save them with the ids that stay theirs."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pose_data import setting

from pose_cli.command import WordsCommand
from pose_cli.finding import FindSettings, make_predictor

if TYPE_CHECKING:
    from pose_data import FrameSource, Video

    from pose_cli.track_saving import TrackSaver

HELP = """Follow people and their keypoints through a video or a folder of frames.

\b
  pose track clip.mp4
  pose track best.onnx frames/ save_txt=True save_json=True
  pose track model=best.safetensors source='frames/*.jpg' sure=0.6 keep=60 smooth=True
"""


@dataclass(frozen=True)
class TrackWords(FindSettings):
    """What to look at, with which network, how to follow people, and what to keep."""

    source: tuple[str, ...] = setting((), "one video, or images in their order: files, folders, globs, lists (.txt)")
    conf: float = setting(0.1, "lowest score that is looked at; below sure it only continues a track", least=0, most=1)
    sure: float = setting(0.5, "score from which somebody begins a track", least=0, most=1)
    match: float = setting(0.2, "least similarity (OKS and IoU) of somebody to their track", least=0.01, most=1)
    begin: int = setting(2, "sure frames in a row before an id is given", least=1)
    keep: int = setting(30, "frames for which an id is kept while nobody sees its person", least=0)
    smooth: bool = setting(False, "steady the keypoints (One-Euro filter); otherwise they stay as they were found")
    save: bool = setting(True, "save the frames with people drawn, those of a video as a video")
    save_txt: bool = setting(False, "save label text, labels/NAME.txt, with the id at the end of each row")
    save_json: bool = setting(False, "save all tracks, tracks.json")
    kpt_conf: float = setting(0.25, "lowest score of a keypoint that is drawn; saved results keep all", least=0, most=1)
    project: str = setting("runs/track", "folder of the results, numbered when it is taken")
    name: str = setting("", "folder inside project; empty numbers the project folder itself")
    exist_ok: bool = setting(False, "write into an existing folder")


def _run(settings: TrackWords) -> int:
    import click
    from pose_data import PoseTracker, SettingsError, TrackSettings

    from pose_cli.following import follow_people, make_smoother, open_frames
    from pose_cli.models import runtime_line

    if not settings.source:
        raise SettingsError("track: nothing to look at; add source=VIDEO, a folder of frames or a glob")
    frames = open_frames(settings.source)
    predictor = make_predictor(settings)
    wanted = TrackSettings(sure=settings.sure, match=settings.match, begin=settings.begin, keep=settings.keep)
    tracker = PoseTracker(predictor.card.skeleton, wanted)
    smoother = make_smoother(frames) if settings.smooth else None
    click.echo(runtime_line(settings.model, predictor.runtime))
    people: set[int] = set()
    number = 0
    with ExitStack() as files:
        saver = _open_saver(settings, frames, files)
        for number, result in enumerate(follow_people(predictor, frames, tracker=tracker, smoother=smoother), start=1):
            if saver is not None:
                saver.write(result)
            click.echo(result.line(number))
            people.update(result.ids.tolist())
    where = f", saved in {saver.folder.parent}" if saver is not None else ""
    click.echo(f"{number} frames, {len(people)} people followed{where}")
    return 0


def _open_saver(settings: TrackWords, frames: Video | FrameSource, files: ExitStack) -> TrackSaver | None:
    from pose_data import Video

    from pose_cli.run_folder import whole_run_folder
    from pose_cli.track_saving import TrackSaver

    if not (settings.save or settings.save_txt or settings.save_json):
        return None
    folder = whole_run_folder(settings.project, name=settings.name, exist_ok=settings.exist_ok)
    saver = TrackSaver(
        files.enter_context(folder),
        video=frames if isinstance(frames, Video) else None,
        drawn=settings.save,
        text=settings.save_txt,
        rows=settings.save_json,
        keypoint_threshold=settings.kpt_conf,
    )
    return files.enter_context(saver)


command = WordsCommand(
    "track", settings=lambda: TrackWords, run=_run, help=HELP, places=("model", "source"), many="source"
)
