"""Video files: what is read back, and what is refused."""

import os
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
from pose_data import DataError, PoseError, open_video, video_writer


def _write(path, *, frames=20, noise=0, codec="mp4v"):
    """A video of 64 x 48 pixels at 10 frames per second whose frame t has the brightness 5 t."""
    height, width = 48, 64
    generator = np.random.default_rng(0)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 10.0, (width, height))
    for t in range(frames):
        pixels = 5 * t + generator.integers(0, noise + 1, (height, width, 3))
        writer.write(pixels.astype(np.uint8))
    writer.release()
    return path


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "mp4v"), ("a.avi", "MJPG"), ("a.mkv", "mp4v")])
def test_frames_come_one_by_one_with_number_time_and_name(tmp_path, name, codec):
    video = open_video(_write(tmp_path / name, codec=codec))
    frames = list(video)
    assert (video.fps, video.len_hint) == (10, 20)
    assert [frame.index for frame in frames] == list(range(20))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(20) / 10, atol=0.002)
    np.testing.assert_allclose([frame.image.mean() for frame in frames], np.arange(20) * 5, atol=4)
    assert (frames[3].name, frames[3].path) == ("a-000003.png", tmp_path / name)
    assert frames[0].image.shape == (48, 64, 3)


def test_a_video_can_be_gone_through_twice(tmp_path):
    video = open_video(_write(tmp_path / "a.mp4", frames=3))
    assert [frame.index for frame in video] == [frame.index for frame in video] == [0, 1, 2]


def test_what_is_written_can_be_read_and_odd_sides_lose_nothing(tmp_path):
    image = np.zeros((33, 41, 3), np.uint8)
    image[:, 30:] = 250, 10, 10
    with video_writer(tmp_path / "new" / "b.mp4", fps=5) as write:
        for _ in range(4):
            write(image)
        assert not (tmp_path / "new" / "b.mp4").exists()
    video = open_video(tmp_path / "new" / "b.mp4")
    frames = list(video)
    assert (video.fps, len(frames), frames[0].image.shape) == (5, 4, (34, 42, 3))
    red, _, blue = frames[0].image[32, 40].tolist()
    assert red > 200
    assert blue < 60
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["b.mp4"]


def _write_shapes(path, *shapes, stop=False):
    with video_writer(path, fps=5) as write:
        for shape in shapes:
            write(np.zeros((*shape, 3), np.uint8))
        if stop:
            raise KeyboardInterrupt


def test_nothing_stays_of_a_video_that_was_not_finished(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        _write_shapes(tmp_path / "b.mp4", (32, 32), stop=True)
    assert list(tmp_path.iterdir()) == []


def test_images_of_a_video_have_one_size(tmp_path):
    with pytest.raises(PoseError, match=r"one shape, \(32, 32, 3\); got \(32, 34, 3\)"):
        _write_shapes(tmp_path / "b.mp4", (32, 32), (32, 34))
    assert list(tmp_path.iterdir()) == []


def test_a_video_without_images_is_refused(tmp_path):
    with pytest.raises(PoseError, match="at least one image; got none"):
        _write_shapes(tmp_path / "b.mp4")


@pytest.mark.parametrize(("name", "fps"), [("b.avi", 5), ("b.mp4", 0), ("b.mp4", float("nan"))])
def test_a_video_that_can_not_be_written_is_refused(tmp_path, name, fps):
    with pytest.raises(PoseError, match=r"must end in \.mp4 and have fps above 0"):
        video_writer(tmp_path / name, fps=fps).__enter__()


@pytest.mark.parametrize("name", ["a.avi", "a.mkv"])
def test_a_video_that_is_cut_off_is_refused_where_it_ends(tmp_path, name):
    data = _write(tmp_path / name, frames=40, noise=50).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    message = rf"{name}: a video must be whole; it promises 40 frames and ends after"
    with pytest.raises(DataError, match=message) as caught:
        list(open_video(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_a_header_that_overrates_its_video_a_little_is_believed(tmp_path):
    video = replace(open_video(_write(tmp_path / "a.mp4")), len_hint=24)
    assert len(list(video)) == 20
    with pytest.raises(DataError, match="promises 27 frames and ends after 20"):
        list(replace(video, len_hint=27))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.mp4", None, "none.mp4: no such video"),
        ("text.mp4", b"this is text", "text.mp4: must be a video that OpenCV reads; got one that is cut off, damaged"),
        ("empty.avi", b"", "empty.avi: must be a video that OpenCV reads"),
        ("photo.jpg", b"\xff\xd8", r"photo.jpg: must be a video \(.*mp4.*\); got '.jpg'"),
    ],
)
def test_what_is_no_video_is_refused_in_one_line(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        open_video(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_ffmpeg_prints_nothing(tmp_path):
    (tmp_path / "text.mp4").write_bytes(b"this is text" * 100)
    lines = (
        "import os, pathlib, pose_data",
        "try: pose_data.open_video(pathlib.Path('text.mp4'))",
        "except pose_data.DataError: print('OPENCV_FFMPEG_LOGLEVEL' in os.environ)",
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=tmp_path, capture_output=True, text=True, env=os.environ.copy()
    )
    assert (done.stdout, done.stderr) == ("False\n", "")
