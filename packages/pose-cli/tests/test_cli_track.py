"""`pose track` from a folder of frames or a video to drawn frames, label text and tracks, each with ids."""

from __future__ import annotations

import inspect
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from pose_cli import Pose, models
from pose_cli.commands.track import TrackWords
from pose_cli.following import follow_people, open_frames
from pose_cli.run_folder import whole_run_folder
from pose_data import (
    DataError,
    DrawnPeople,
    ModelCard,
    PoseError,
    PoseTracker,
    Predictor,
    SettingsError,
    Skeleton,
    open_video,
    read_image,
    video_writer,
    write_image,
)

FRAMES = 14
STEP = 6  # pixels from frame to frame
TONES = (250, 200)  # the red of each of the two people


class Finder:
    """A runtime that finds each person by their tone of pure red: the box, and its corners and centre as points."""

    def __init__(self, *, sigmas: tuple[float, ...] | None = (0.1, 0.1, 0.1)) -> None:
        self.card = ModelCard("finder", ("person",), Skeleton(("a", "b", "c"), sigmas=sigmas), imgsz=(96, 160))

    def __call__(self, images: np.ndarray) -> np.ndarray:
        raw = np.zeros((len(images), self.card.channels, len(TONES)), np.float32)
        for image, out in zip(images.astype(int), raw, strict=True):
            for i, tone in enumerate(TONES):
                near = (abs(image[..., 0] - tone) < 20) & (image[..., 1:] < 70).all(axis=2)
                rows, columns = np.nonzero(near)
                if len(rows) < 100:
                    continue
                x, y, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
                out[:5, i] = (x + right) / 2, (y + bottom) / 2, right - x, bottom - y, 0.9
                out[5:, i] = x, y, 0.9, (x + right) / 2, (y + bottom) / 2, 0.9, right, bottom, 0.9
        return raw


def scene(t: int) -> np.ndarray:
    """Two people, 20 x 60 px, who walk towards each other and pass; the first is behind a post in frames 5 to 7."""
    image = np.full((96, 160, 3), 128, np.uint8)
    image[10:70, 10 + STEP * t : 30 + STEP * t] = TONES[0], 0, 0
    if 5 <= t <= 7:
        image[10:70, 30:90] = 128
    image[30:90, 130 - STEP * t : 150 - STEP * t] = TONES[1], 0, 0
    return image


@pytest.fixture
def finder(monkeypatch: pytest.MonkeyPatch) -> Finder:
    """The runtime that the command opens, whatever file is named."""
    found = Finder()
    monkeypatch.setattr(models, "open_runtime", lambda model, *, device, threads, providers: found)
    return found


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """A folder of frames 0.png, 1.png, ..., 13.png."""
    for t in range(FRAMES):
        write_image(tmp_path / "frames" / f"{t}.png", scene(t))
    return tmp_path / "frames"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """The same as a video of 10 frames per second."""
    with video_writer(tmp_path / "clip.mp4", fps=10) as write:
        for t in range(FRAMES):
            write(scene(t))
    return tmp_path / "clip.mp4"


def ids_of(lines: list[str]) -> list[str]:
    return [line.partition(";")[0].partition(": ")[2] for line in lines]


# Frames in a folder


def test_each_frame_has_a_line_with_the_ids_and_a_drawing(run, finder, frames, in_empty_folder) -> None:
    outcome = run("track", frames)
    about, *lines = outcome.out.splitlines()
    both, second = "2 person (#1 #2)", "1 person (#2)"
    assert outcome.status == 0, outcome.err
    assert about == "people-n.safetensors: Finder"
    assert lines[-1] == f"{FRAMES} frames, 2 people followed, saved in runs/track"
    assert [line.split()[1] for line in lines[:-1]] == [f"{t}.png" for t in range(FRAMES)]
    assert ids_of(lines[:5]) == [both] * 5
    assert ids_of(lines[8:-1]) == [both] * 6
    assert both not in ids_of(lines[5:8])
    drawn = in_empty_folder / "runs" / "track"
    assert sorted(path.name for path in drawn.iterdir()) == sorted(f"{t}.jpg" for t in range(FRAMES))
    assert (read_image(drawn / "0.jpg") != scene(0)).any()
    assert second in ids_of(lines)


def test_tracks_json_has_a_row_for_everybody_in_every_frame(run, finder, frames, in_empty_folder) -> None:
    assert run("track", frames, "save=False", "save_json").status == 0
    rows = json.loads((in_empty_folder / "runs" / "track" / "tracks.json").read_text(encoding="utf-8"))
    assert [path.name for path in (in_empty_folder / "runs" / "track").iterdir()] == ["tracks.json"]
    walker = [row for row in rows if row["track_id"] == 1 and not 5 <= row["frame"] <= 7]
    assert [row["frame"] for row in walker] == [0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 13]
    for row in walker[:4]:
        left = 10 + STEP * row["frame"]
        np.testing.assert_allclose(row["box"], [left, 10, left + 20, 70], atol=1)
        np.testing.assert_allclose(row["keypoints"], [left, 10, 0.9, left + 10, 40, 0.9, left + 20, 70, 0.9], atol=1)
        assert (row["class"], row["score"]) == (0, 0.9)


def test_label_text_ends_with_the_id(run, finder, frames, in_empty_folder) -> None:
    assert run("track", frames, "save=False", "save_txt").status == 0
    rows = (in_empty_folder / "runs" / "track" / "labels" / "13.txt").read_text(encoding="utf-8").splitlines()
    assert sorted(row.split()[-1] for row in rows) == ["1", "2"]
    assert {len(row.split()) for row in rows} == {5 + 9 + 1}
    by_id = {row.split()[-1]: float(row.split()[1]) for row in rows}
    assert by_id["1"] > 0.5 > by_id["2"]  # they have passed each other


def test_nobody_gets_an_id_who_is_never_sure(run, finder, frames, in_empty_folder) -> None:
    outcome = run("track", frames, "sure=0.95", "save=False", "save_json")
    assert outcome.out.splitlines()[-1].startswith(f"{FRAMES} frames, 0 people followed")
    assert json.loads((in_empty_folder / "runs" / "track" / "tracks.json").read_text(encoding="utf-8")) == []


def test_an_id_is_lost_when_it_is_not_kept(run, finder, frames, in_empty_folder) -> None:
    assert "3 people followed" in run("track", frames, "keep=0", "save=False").out
    assert list(in_empty_folder.iterdir()) == []


def test_keypoints_are_steadied_only_when_asked(run, finder, frames, in_empty_folder) -> None:
    for words in ((), ("smooth",)):
        assert run("track", frames, "save=False", "save_json", *words).status == 0
    found, smooth = (
        json.loads((in_empty_folder / "runs" / name / "tracks.json").read_text(encoding="utf-8"))
        for name in ("track", "track2")
    )
    assert [row["box"] for row in found] == [row["box"] for row in smooth]
    late = next(row for row in smooth if row["frame"] == 4 and row["track_id"] == 1)
    assert late["box"][0] - 3 < late["keypoints"][0] < late["box"][0] - 0.1  # it walks to the right and lags a little
    assert all(row["keypoints"][0] == pytest.approx(row["box"][0], abs=0.01) for row in found)


# Videos


def test_a_video_becomes_a_drawn_video(run, finder, clip, in_empty_folder) -> None:
    outcome = run("track", clip, "save_txt", "save_json")
    assert outcome.status == 0, outcome.err
    folder = in_empty_folder / "runs" / "track"
    assert sorted(path.name for path in folder.iterdir()) == ["clip.mp4", "labels", "tracks.json"]
    drawn = open_video(folder / "clip.mp4")
    shown = list(drawn)
    assert (drawn.fps, len(shown), shown[0].image.shape) == (10, FRAMES, (96, 160, 3))
    assert abs(shown[3].image.astype(int) - scene(3)).max() > 100
    assert sorted(path.name for path in (folder / "labels").iterdir())[3] == "clip-000003.txt"
    rows = json.loads((folder / "tracks.json").read_text(encoding="utf-8"))
    assert {row["track_id"] for row in rows if row["frame"] == 0} == {1, 2}
    assert {row["track_id"] for row in rows if row["frame"] == 13} == {1, 2}


def test_frames_of_a_video_are_read_one_at_a_time(clip) -> None:
    read = []

    def frames():
        for frame in open_frames(clip):
            read.append(frame.index)
            yield frame

    runtime = Finder()
    results = follow_people(Predictor(runtime, conf=0.1), frames(), tracker=PoseTracker(runtime.card.skeleton))
    assert next(results).index == 0
    assert read == [0]
    assert next(results).time == pytest.approx(0.1)


# Wrong input


def cut(clip: Path) -> Path:
    """The front half of a video whose frames are noise, so that it is long."""
    path = clip.with_name("cut.avi")
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (160, 96))
    for t in range(40):
        writer.write(np.random.default_rng(t).integers(0, 255, (96, 160, 3), np.uint8))
    writer.release()
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cut.avi"], "cut.avi: a video must be whole; it promises 40 frames and ends after"),
        (["text.mp4"], "text.mp4: must be a video that OpenCV reads"),
        (["nowhere.mp4"], "nowhere.mp4: no such video; correct the path"),
        (["clip.mp4", "copy.mp4"], "clip.mp4: a video must be the only source, ids are those of one scene; got 2"),
        (["clip.mp4", "frames"], "clip.mp4: a video must be the only source, ids are those of one scene; got 2"),
        (["*.mp4"], "*.mp4: a glob must match images"),
        (["empty"], "empty: a folder must hold images"),
        (["rtsp://host/a.mp4"], "cameras and streams can't be read yet"),
        ([], "track: nothing to look at; add source=VIDEO"),
        (["frames", "match=0"], "match must be from 0.01 to 1; got 0.0"),
        (["frames", "track_buffer=60"], "use keep=FRAMES"),
        (["frames", "imgsz=50"], "imgsz"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(words, message, run, finder, frames, clip, monkeypatch) -> None:
    monkeypatch.chdir(clip.parent)
    cut(clip)
    shutil.copy(clip, "copy.mp4")
    Path("text.mp4").write_bytes(b"this is text" * 50)
    Path("empty").mkdir()
    outcome = run("track", *words, "save_txt", "save_json")
    assert (outcome.status, outcome.err.count("\n")) == (2, 1), outcome.err
    assert message in outcome.err
    assert not Path("runs").exists()


def test_a_damaged_frame_leaves_nothing_half_written(run, finder, frames, in_empty_folder) -> None:
    (frames / "9.png").write_bytes((frames / "9.png").read_bytes()[:60])
    (in_empty_folder / "mine").mkdir()
    (in_empty_folder / "mine" / "notes.txt").write_text("kept", encoding="utf-8")
    for words in (("project=a/b",), ("project=mine", "exist_ok")):
        outcome = run("track", frames, "save_txt", *words)
        assert (outcome.status, outcome.err.count("\n")) == (2, 1)
        assert "9.png" in outcome.err
    assert [str(path.relative_to(in_empty_folder)) for path in sorted(in_empty_folder.rglob("*"))] == [
        "mine",
        "mine/notes.txt",
    ]


def test_a_network_without_sigmas_is_one_line(run, frames, monkeypatch, in_empty_folder) -> None:
    monkeypatch.setattr(models, "open_runtime", lambda model, *, device, threads, providers: Finder(sigmas=None))
    outcome = run("track", frames)
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert "must have an OKS sigma for each of its 3 keypoints" in outcome.err
    assert list(in_empty_folder.iterdir()) == []


@pytest.mark.parametrize("source", ["clip.mp4", "frames/*.jpg"])
def test_what_is_looked_at_is_never_drawn_over(source, run, finder, frames, clip, monkeypatch) -> None:
    monkeypatch.chdir(clip.parent)
    write_image(Path("frames/a.jpg"), scene(0))
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    outcome = run("track", source, f"project={Path(source).parent}", "exist_ok")
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert "would be drawn over; write elsewhere" in outcome.err
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


def test_results_join_a_folder_that_exists_when_asked(run, finder, frames, in_empty_folder) -> None:
    (in_empty_folder / "mine").mkdir()
    (in_empty_folder / "mine" / "notes.txt").write_text("kept", encoding="utf-8")
    assert "saved in mine" in run("track", frames, "project=mine", "exist_ok", "save=False", "save_json").out
    assert sorted(path.name for path in (in_empty_folder / "mine").iterdir()) == ["notes.txt", "tracks.json"]


def test_an_interrupt_leaves_nothing(in_empty_folder) -> None:
    def stop() -> None:
        with whole_run_folder("runs/track") as folder:
            (folder / "a.txt").write_text("half", encoding="utf-8")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert list(in_empty_folder.iterdir()) == []


# Networks


def test_an_onnx_file_follows_the_same_people_as_its_weights(run, weights, onnx_file, photos, in_empty_folder) -> None:
    for model in (weights, onnx_file):
        words = ("conf=0", "sure=0", "max_det=3", "save=False", "save_json")
        assert run("track", model, photos, *words).status == 0
    torch, onnx = (
        json.loads((in_empty_folder / "runs" / name / "tracks.json").read_text(encoding="utf-8"))
        for name in ("track", "track2")
    )
    assert [(row["frame"], row["track_id"]) for row in onnx] == [(row["frame"], row["track_id"]) for row in torch]
    assert len(onnx) >= 3
    np.testing.assert_allclose([row["box"] for row in onnx], [row["box"] for row in torch], atol=0.05)


def test_an_onnx_file_is_run_without_torch(onnx_file, photos, tmp_path) -> None:
    words = ["track", str(onnx_file), str(photos), f"project={tmp_path / 'out'}"]
    code = f"import sys\nfrom pose_cli.main import main\nstatus = main({words})\nprint(status, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.splitlines()[-1] == "0 False", done.stderr


def test_drawn_people_keep_their_ids_while_the_camera_pans() -> None:
    # The window moves to the right by 8 px per frame, so everybody moves to the left by as much.
    people = DrawnPeople(9, size=(320, 480), seed=5)
    for index in (0, 8):
        image = people[index].image
        results = list(Pose(threads=1).track([image[:, 8 * t : 8 * t + 400] for t in range(8)]))
        stayed = set.intersection(*(set(result.ids.tolist()) for result in results))
        assert len(stayed) >= 1
        boxes = [np.stack([r.poses.boxes[r.ids == number][0] for r in results]) for number in stayed]
        whole = [box for box in boxes if box[:, 0].min() > 1 and box[:, 2].max() < 399]  # the window cuts off nobody
        assert len(whole) >= 2
        for box in boxes:
            np.testing.assert_allclose(np.median(np.diff(box[:, 2])), -8, atol=2.5)
        for box in whole:
            np.testing.assert_allclose(np.diff(box[:, 2]).mean(), -8, atol=2.5)


# The Pose object


def test_the_object_yields_results_with_ids(finder, frames, monkeypatch) -> None:
    model = Pose.__new__(Pose)
    model._runtime = finder
    results = model.track(frames)
    first = next(results)
    assert (first.index, first.ids.tolist(), len(first)) == (0, [1, 2], 2)
    assert first.draw().shape == first.image.shape
    assert first.summary() == "2 person (#1 #2)"
    assert [result.index for result in results] == list(range(1, FRAMES))


def test_wrong_input_of_the_object_is_an_error_at_once(clip) -> None:
    model = Pose.__new__(Pose)
    model._runtime = Finder()
    with pytest.raises(DataError, match="must be the only source"):
        model.track([clip, clip])
    with pytest.raises(SettingsError, match="keep must be at least 0"):
        model.track(clip, keep=-1)
    model._runtime.card = replace(model._runtime.card, skeleton=Skeleton(("a", "b", "c")))
    with pytest.raises(PoseError, match="OKS sigma"):
        model.track(clip)


def test_the_words_of_the_command_are_arguments_of_the_object() -> None:
    arguments = inspect.signature(Pose.track).parameters
    fields = TrackWords.__dataclass_fields__
    assert {name: p.default for name, p in arguments.items() if name not in ("self", "source")} == {
        name: fields[name].default for name in arguments if name not in ("self", "source")
    }
