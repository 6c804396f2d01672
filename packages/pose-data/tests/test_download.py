"""Fetching and unpacking large files, against a real server on this machine."""

import hashlib
import http.server
import stat
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pose_data import DataError, PoseError
from pose_data.datasets import download
from pose_data.datasets.download import RemoteFile, fetch_file
from pose_data.datasets.unpack import unpack_zip

CONTENT = bytes(range(256)) * 40  # 10,240 bytes


@dataclass
class Server:
    """What a server on this machine has, how it behaves, and what it was asked."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    knows_ranges: bool = True
    cut_after: int | None = None  # bytes after which it hangs up, each time
    status: int | None = None
    asked: list[str | None] = field(default_factory=list)

    def remote(self, name: str, content: bytes = CONTENT, **changes) -> RemoteFile:
        self.files[f"/{name}"] = content
        known = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()} | changes
        return RemoteFile(f"{self.address}/{name}", **known)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.asked.append(wanted)
            if state.status or self.path not in state.files:
                self.send_error(state.status or 404)
                return
            whole = state.files[self.path]
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and state.knows_ranges else 0
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
            self.send_header("Content-Length", str(len(whole) - start))
            self.end_headers()
            self.wfile.write(whole[start:][: state.cut_after])

        def log_message(self, *_words: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        state.address = f"http://127.0.0.1:{running.server_address[1]}"
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield state
        running.shutdown()


def test_a_file_is_fetched_whole(server, tmp_path):
    fetch_file(server.remote("a.zip"), tmp_path / "new" / "a.zip")
    assert (tmp_path / "new" / "a.zip").read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.zip"]


def test_what_was_fetched_before_is_not_asked_for_again(server, tmp_path):
    (tmp_path / "a.zip.part").write_bytes(CONTENT[:1000])
    fetch_file(server.remote("a.zip"), tmp_path / "a.zip")
    assert server.asked == ["bytes=1000-"]
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


def test_a_connection_that_breaks_is_taken_up_where_it_broke(server, tmp_path):
    server.cut_after = 4096
    fetch_file(server.remote("a.zip"), tmp_path / "a.zip", wait=0)
    assert server.asked == [None, "bytes=4096-", "bytes=8192-"]
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_again(server, tmp_path):
    server.knows_ranges = False
    (tmp_path / "a.zip.part").write_bytes(b"x" * 1000)
    fetch_file(server.remote("a.zip"), tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


def test_a_file_that_is_there_is_not_fetched(server, tmp_path):
    (tmp_path / "a.zip").write_bytes(CONTENT)
    fetch_file(server.remote("a.zip"), tmp_path / "a.zip")
    assert server.asked == []


def test_a_file_that_is_there_with_another_digest_is_refused_and_left_alone(server, tmp_path):
    (tmp_path / "a.zip").write_bytes(b"x" * len(CONTENT))
    with pytest.raises(DataError, match=r"a\.zip: must have the SHA-256 digest .*; move it away"):
        fetch_file(server.remote("a.zip"), tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == b"x" * len(CONTENT)
    assert server.asked == []


def test_a_file_of_another_size_is_refused_before_it_is_read(server, tmp_path):
    with pytest.raises(DataError, match=r"a\.zip: must be 10241 bytes; got 10240"):
        fetch_file(server.remote("a.zip", size=10241), tmp_path / "a.zip")


def test_a_file_with_another_digest_is_removed(server, tmp_path):
    with pytest.raises(DataError, match="must have the SHA-256 digest 00; got"):
        fetch_file(server.remote("a.zip", sha256="00"), tmp_path / "a.zip")
    assert list(tmp_path.iterdir()) == []


def test_an_address_without_the_file_is_refused_at_once(server, tmp_path):
    with pytest.raises(DataError, match=r"can't be fetched \(HTTP 404 Not Found\); check the address"):
        fetch_file(RemoteFile(f"{server.address}/gone.zip", 1, ""), tmp_path / "gone.zip")
    assert len(server.asked) == 1


def test_a_busy_server_is_asked_again_and_then_given_up(server, tmp_path):
    server.status = 503
    with pytest.raises(DataError, match=r"HTTP 503.*check the connection"):
        fetch_file(server.remote("a.zip"), tmp_path / "a.zip", wait=0)
    assert len(server.asked) == download.TRIES


def test_no_network_is_one_line_that_says_what_to_do(tmp_path):
    nobody = RemoteFile("http://127.0.0.1:9/a.zip", 10, "")
    with pytest.raises(DataError) as refusal:
        fetch_file(nobody, tmp_path / "new" / "a.zip", wait=0)
    assert not (tmp_path / "new").exists()
    assert str(refusal.value).startswith("http://127.0.0.1:9/a.zip: can't be fetched (")
    assert str(refusal.value).endswith("the same command goes on from there")
    assert "\n" not in str(refusal.value)


def test_an_address_that_is_no_web_address_is_refused(tmp_path):
    with pytest.raises(DataError, match="file:"):
        fetch_file(RemoteFile("file:///etc/hosts", 10, ""), tmp_path / "a", wait=0)


def test_a_folder_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "taken").write_text("", encoding="utf-8")
    with pytest.raises(PoseError, match=r"taken.a\.zip: can't be written \(.*\); name another place"):
        fetch_file(server.remote("a.zip"), tmp_path / "taken" / "a.zip")


def make_zip(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, text in files.items():
            file.writestr(name, text)
    return path


def test_a_zip_file_is_unpacked_below_the_folder(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"val/1.txt": "one", "val/2.txt": "two"})
    counts: list[tuple[int, int]] = []
    unpack_zip(archive, tmp_path / "out", progress=lambda done, total: counts.append((done, total)))
    assert (tmp_path / "out" / "val" / "2.txt").read_text(encoding="utf-8") == "two"
    assert counts == [(1, 2), (2, 2)]


def test_only_what_is_asked_for_is_unpacked(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"a/1.txt": "one", "a/2.txt": "two"})
    unpack_zip(archive, tmp_path / "out", only=("a/2.txt",))
    assert [path.name for path in (tmp_path / "out" / "a").iterdir()] == ["2.txt"]


def test_a_name_that_is_missing_from_the_archive_is_said(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"a/1.txt": "one"})
    with pytest.raises(DataError, match=r"must hold a/2\.txt; got 1 other files"):
        unpack_zip(archive, tmp_path / "out", only=("a/2.txt",))


@pytest.mark.parametrize("name", ["../evil.txt", "a/../../evil.txt", "/evil.txt", "C:/evil.txt", "a\\..\\evil.txt"])
def test_a_name_that_leads_out_of_the_folder_stops_everything(name, tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"a/1.txt": "one", name: "evil"})
    with pytest.raises(DataError, match="nothing was unpacked"):
        unpack_zip(archive, tmp_path / "out")
    assert [path.name for path in tmp_path.rglob("*")] == ["a.zip"]


def test_a_link_in_the_archive_stops_everything(tmp_path):
    link = zipfile.ZipInfo("a/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(link, "/etc")
    with pytest.raises(DataError, match="got 'a/link', a link"):
        unpack_zip(tmp_path / "a.zip", tmp_path / "out")


def test_a_damaged_archive_leaves_no_half_file(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"a/1.txt": "one" * 100})
    archive.write_bytes(archive.read_bytes().replace(b"oneone", b"onetwo", 1))
    with pytest.raises(DataError, match="must be a whole zip file"):
        unpack_zip(archive, tmp_path / "out")
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_a_page_in_place_of_the_archive_is_no_zip_file(tmp_path):
    (tmp_path / "a.zip").write_text("<html>log in first</html>", encoding="utf-8")
    with pytest.raises(DataError, match="must be a whole zip file"):
        unpack_zip(tmp_path / "a.zip", tmp_path / "out")


def test_files_that_are_there_whole_are_left_alone(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"a/1.txt": "one", "a/2.txt": "two"})
    (tmp_path / "out" / "a").mkdir(parents=True)
    (tmp_path / "out" / "a" / "1.txt").write_text("own", encoding="utf-8")
    (tmp_path / "out" / "a" / "2.txt").write_text("t", encoding="utf-8")
    unpack_zip(archive, tmp_path / "out")
    assert (tmp_path / "out" / "a" / "1.txt").read_text(encoding="utf-8") == "own"
    assert (tmp_path / "out" / "a" / "2.txt").read_text(encoding="utf-8") == "two"
