"""What a user may point at, and what each of them gives."""

import http.server
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from pose_data import DataError, open_source, read_url


def _write(path, value, *, size=(12, 16)):
    """Save an image of one brightness and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = cv2.imencode(path.suffix, np.full((*size, 3), value, np.uint8))[1]
    path.write_bytes(encoded.tobytes())
    return path


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for name, value in (("b.png", 20), ("a.png", 10), ("c d.PNG", 30)):
        _write(folder / name, value)
    _write(folder / "more" / "e.png", 40)
    (folder / "notes.md").write_text("no image", encoding="utf-8")
    return folder


def _values(source):
    return [int(frame.image[0, 0, 0]) for frame in source]


def test_a_file_is_one_frame(photos):
    source = open_source(photos / "a.png")
    (frame,) = source
    assert source.len_hint == 1
    assert frame.image.shape == (12, 16, 3)
    assert (frame.name, frame.path, frame.index, frame.time) == ("a.png", photos / "a.png", 0, None)


def test_colours_are_red_first(tmp_path):
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 2] = 255  # cv2 writes blue first
    cv2.imwrite(str(tmp_path / "red.png"), red)
    (frame,) = open_source(tmp_path / "red.png")
    assert frame.image[0, 0].tolist() == [255, 0, 0]


def test_a_folder_is_sorted_and_only_images(photos):
    frames = list(open_source(str(photos)))
    assert [frame.name for frame in frames] == ["a.png", "b.png", "c d.PNG"]
    assert [frame.index for frame in frames] == [0, 1, 2]


def test_numbered_images_come_in_the_order_of_their_numbers(tmp_path):
    for number in (10, 9, 100, 1):
        _write(tmp_path / f"frame{number}.png", number)
    assert _values(open_source(tmp_path)) == [1, 9, 10, 100]
    assert _values(open_source(f"{tmp_path}/frame*.png")) == [1, 9, 10, 100]


@pytest.mark.parametrize("name", ["clips", "clips/*"])
def test_where_there_are_only_videos_that_is_said(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("clips").mkdir()
    Path("clips/a.mp4").write_bytes(b"0")
    with pytest.raises(DataError, match="1 video files; name one video at a time"):
        open_source(name)


def test_a_folder_is_looked_into_when_asked(photos):
    source = open_source(photos, recursive=True)
    assert source.len_hint == 4
    assert sorted(_values(source)) == [10, 20, 30, 40]


def test_a_glob_matches_files(photos):
    assert _values(open_source(f"{photos}/[ab].png")) == [10, 20]
    assert sorted(_values(open_source(f"{photos}/**/*.png"))) == [10, 20, 40]


def test_a_path_with_brackets_is_taken_literally(tmp_path):
    path = _write(tmp_path / "a[1].png", 77)
    assert _values(open_source(str(path))) == [77]


def test_a_list_file_starts_where_it_lies(photos):
    listing = photos / "list.txt"
    listing.write_text(f"./b.png\n\n  a.png \n{photos / 'more'}\n", encoding="utf-8-sig")
    assert _values(open_source(listing)) == [20, 10, 40]


def test_a_list_holds_anything(photos):
    array = np.full((4, 4, 3), 99, np.uint8)
    frames = list(open_source([photos / "b.png", array, str(photos / "more"), (array, array)]))
    assert [frame.name for frame in frames] == ["b.png", "image1", "e.png", "image3", "image4"]
    assert [frame.path is None for frame in frames] == [False, True, False, True, True]


def test_an_iterator_is_read_as_it_goes():
    asked = []

    def images():
        for value in (1, 2, 3):
            asked.append(value)
            yield np.full((2, 2, 3), value, np.uint8)

    source = open_source(images())
    assert source.len_hint is None
    first = next(iter(source))
    assert first.image[0, 0, 0] == 1
    assert asked == [1]


def test_an_array_is_handed_on_itself():
    array = np.zeros((5, 6, 3), np.uint8)
    (frame,) = open_source(array)
    assert frame.image is array
    assert frame.name == "image0"


def test_a_pil_image_needs_no_pil():
    class Picture:
        size = (3, 2)

        def convert(self, mode):
            assert mode == "RGB"
            return np.full((2, 3, 3), 8, np.uint8)

    (frame,) = open_source(Picture())
    assert frame.image.shape == (2, 3, 3)


def test_images_are_read_only_when_asked_for(photos):
    (photos / "b.png").write_bytes(b"not an image")
    frames = iter(open_source(photos))
    assert next(frames).name == "a.png"
    with pytest.raises(DataError, match=r"b\.png"):
        next(frames)


def test_a_source_can_be_gone_through_twice(photos):
    source = open_source(photos)
    assert _values(source) == _values(source) == [10, 20, 30]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.jpg", "missing.jpg: no such file or folder"),
        ("photos/notes.md", r"notes.md: must be an image \(.*jpg.*\); got '.md'"),
        ("photos/*.jpg", "must match images"),
        ("clip.mp4", "clip.mp4: must be an image; got a video; .*`pose track`.*open_video"),
        ("empty", r"empty: a folder must hold images .* got none; folders inside .*, name them or take 'empty.\*\*'"),
    ],
)
def test_a_wrong_path_is_refused_in_one_line(photos, monkeypatch, name, message):
    monkeypatch.chdir(photos.parent)
    Path("empty").mkdir()
    Path("clip.mp4").write_bytes(b"0")
    with pytest.raises(DataError, match=message) as caught:
        open_source(name)
    assert "\n" not in str(caught.value)


def test_a_wrong_line_of_a_list_is_named(photos):
    (photos / "list.txt").write_text("a.png\nlost.png\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"list\.txt:2: .*lost\.png: no such file"):
        open_source(photos / "list.txt")


@pytest.mark.parametrize("text", ["", "list.txt\n"])
def test_a_list_must_name_images(photos, text):
    (photos / "list.txt").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"list\.txt.*: a list must name"):
        open_source(photos / "list.txt")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (0, "got camera 0; cameras and streams can't be read yet; save their frames"),
        (None, "got NoneType"),
        (b"bytes", "got bytes"),
        ("rtsp://host/stream", "rtsp://host/stream: an address must be http"),
        ("http://host/clip.mp4?x=1", "an address must be http.s. and of an image"),
        ("file:///etc/passwd", "an address must be http"),
    ],
)
def test_what_is_no_source_is_refused(source, message):
    with pytest.raises(DataError, match=message):
        open_source(source)


def test_an_array_of_another_kind_is_refused():
    with pytest.raises(DataError, match=r"source must be .* got float64"):
        list(open_source(np.zeros((4, 4, 3))))


@pytest.fixture
def server(photos):
    """A web server on this machine that knows a picture, a redirect to it, and one away from http."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            places = {"/again": "/a.png", "/elsewhere": "ftp://localhost/a.png"}
            if self.path in places:
                self.send_response(302)
                self.send_header("Location", places[self.path])
                self.end_headers()
            elif self.path.startswith("/a.png"):
                self.send_response(200)
                self.end_headers()
                self.wfile.write((photos / "a.png").read_bytes())
            else:
                self.send_error(404)

        def log_message(self, *_):
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("address", ["/a.png", "/a.png?size=2", "/again"])
def test_an_image_is_fetched_from_its_address(server, address):
    (frame,) = open_source(server + address)
    assert frame.image[0, 0].tolist() == [10, 10, 10]
    assert frame.path is None


def test_an_address_gives_its_last_part_as_the_name(server):
    (frame,) = open_source(f"{server}/a.png?size=2")
    assert frame.name == "a.png"


@pytest.mark.parametrize(("address", "message"), [("/lost.png", "HTTP 404"), ("/elsewhere", "ftp")])
def test_an_address_that_fails_is_named(server, address, message):
    with pytest.raises(DataError, match=message) as caught:
        list(open_source(server + address))
    assert str(caught.value).startswith(server)
    assert "\n" not in str(caught.value)


def test_a_server_that_is_not_there_is_named():
    with pytest.raises(DataError, match=r"http://127\.0\.0\.1:9/a\.png: can't be fetched"):
        read_url("http://127.0.0.1:9/a.png", timeout=2)


def test_too_large_an_answer_is_refused(server):
    with pytest.raises(DataError, match="must be at most 0 MiB; got more"):
        read_url(f"{server}/a.png", max_bytes=10)


def test_spread_frames_are_read_and_the_others_are_not(photos: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    source = open_source([photos / "a.png", broken, photos / "a.png"]).spread(2)
    assert source.len_hint == 2
    assert [(frame.index, frame.name) for frame in source] == [(0, "a.png"), (1, "a.png")]


def test_spread_keeps_all_frames_where_there_are_fewer(photos: Path) -> None:
    assert [frame.name for frame in open_source(photos / "a.png").spread(9)] == ["a.png"]
