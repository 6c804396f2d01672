import errno
import shutil
from pathlib import Path

import pytest
from pose_data import PoseError, atomic_folder, atomic_path, write_errors_explained


def write_half(target: Path, error: BaseException) -> None:
    with atomic_path(target) as temporary:
        temporary.write_text("half", encoding="utf-8")
        raise error


def fill_half(target: Path, error: BaseException) -> None:
    with atomic_folder(target) as temporary:
        (temporary / "a.txt").touch()
        raise error


def test_a_file_appears_only_when_the_block_has_ended(tmp_path: Path):
    target = tmp_path / "deep" / "results.csv"
    with atomic_path(target) as temporary:
        temporary.write_text("1", encoding="utf-8")
        assert not target.exists()
    assert target.read_text(encoding="utf-8") == "1"


def test_the_temporary_file_has_the_same_suffix_and_folder(tmp_path: Path):
    with atomic_path(tmp_path / "picture.png") as temporary:
        temporary.touch()
        assert (temporary.suffix, temporary.parent) == (".png", tmp_path)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_error_the_old_file_is_whole_and_nothing_else_is_left(tmp_path: Path, error: type[BaseException]):
    target = tmp_path / "results.csv"
    target.write_text("old", encoding="utf-8")
    with pytest.raises(error):
        write_half(target, error())
    assert target.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_one_line_that_names_the_file(tmp_path: Path):
    target = tmp_path / "last.safetensors"
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(PoseError, match=r"last\.safetensors: can't be written \(No space left") as caught:
        write_half(target, full)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_the_folder_should_be_is_named(tmp_path: Path):
    (tmp_path / "run").touch()
    with pytest.raises(PoseError, match="can't be written"), atomic_path(tmp_path / "run" / "a.txt") as temporary:
        temporary.touch()


def test_a_failed_read_inside_the_block_keeps_its_own_error(tmp_path: Path):
    missing = tmp_path / "elsewhere" / "missing.txt"
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "out" / "a.txt"):
        missing.read_text(encoding="utf-8")


def test_a_folder_appears_whole(tmp_path: Path):
    target = tmp_path / "set"
    with atomic_folder(target) as temporary:
        (temporary / "a.txt").touch()
        assert not target.exists()
    assert [p.name for p in target.iterdir()] == ["a.txt"]


def test_a_folder_with_files_is_left_alone(tmp_path: Path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(PoseError, match="must be a new or empty folder"), atomic_folder(tmp_path):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_is_removed_after_an_error(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt):
        fill_half(tmp_path / "set", KeyboardInterrupt())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "(No space left on device); free some space, or name"),
        (PermissionError(errno.EACCES, "Permission denied"), "(Permission denied); ask for the right to write there"),
        (OSError(errno.EROFS, "Read-only file system"), "(Read-only file system); ask for the right to write there"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory"), "(Not a directory); name another place"),
        (
            shutil.Error([("a", "b", "[Errno 28] No space left on device: 'a' -> 'b'")] * 2),
            "(No space left on device); free some space",
        ),
    ],
    ids=["full", "forbidden", "read-only", "no folder", "copied folder"],
)
def test_a_failed_write_says_why_and_what_helps(tmp_path: Path, error: OSError, words: str):
    with pytest.raises(PoseError) as caught, write_errors_explained(tmp_path / "a"):
        raise error
    assert str(caught.value).startswith(f"{tmp_path / 'a'}: can't be written {words}")
