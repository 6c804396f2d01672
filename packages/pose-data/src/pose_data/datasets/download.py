"""Fetching a large file so that a broken connection costs nothing: what is there is kept, the rest is asked for."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pose_data.errors import DataError, PoseError
from pose_data.files import way_out
from pose_data.web import AGENT, make_opener

if TYPE_CHECKING:
    from http.client import HTTPResponse

CHUNK = 1 << 20  # bytes read at a time
TIMEOUT = 30.0  # seconds without an answer
TRIES = 5  # connections in a row that bring nothing
BUSY = (408, 425, 429, 500, 502, 503, 504)  # answers after which the same question may well be answered

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class RemoteFile:
    """A file on the web that is known to the byte.

    Args:
        address: http or https.
        size: bytes.
        sha256: of the whole file, in hexadecimal.
    """

    address: str
    size: int
    sha256: str


class _BrokenError(Exception):
    """The connection ended too early, or never began; asking again may help."""


def fetch_file(
    remote: RemoteFile, target: Path, *, progress: Progress | None = None, timeout: float = TIMEOUT, wait: float = 1.0
) -> None:
    """Download a file, going on where an earlier call stopped.

    Until it is whole and its digest is right, it is called TARGET.part. A target that is there already is taken
    as it is when its size and its digest are right.

    Args:
        remote: what to fetch.
        target: the file to write.
        progress: called with the bytes that are there and the bytes of the whole.
        timeout: seconds to wait for an answer.
        wait: seconds before the second try; doubled with every further one that brings nothing.

    Raises:
        DataError: no connection, an error in answer, or another file than the one that is known, also where it was
            there already.
        PoseError: the file can't be written.
    """
    if target.is_file() and target.stat().st_size == remote.size:
        if (found := _digest(target)) != remote.sha256:
            raise DataError(
                f"{target}: must have the SHA-256 digest {remote.sha256}; got {found}; move it away, and the same "
                f"command fetches {remote.address}"
            )
        return
    part = target.with_name(f"{target.name}.part")
    try:
        _fill(part, remote, progress or _say_nothing, timeout=timeout, wait=wait)
        if (found := _digest(part)) != remote.sha256:
            part.unlink()
            raise DataError(
                f"{remote.address}: must have the SHA-256 digest {remote.sha256}; got {found}; it was damaged on its "
                "way and has been removed; run the same command again"
            )
        part.replace(target)
    except OSError as error:
        raise PoseError(
            f"{target}: can't be written ({error.strerror}); {way_out(error)}. What was fetched is kept: the same "
            "command goes on from there"
        ) from error


def _fill(part: Path, remote: RemoteFile, progress: Progress, *, timeout: float, wait: float) -> None:
    """Ask for what is missing until nothing is."""
    failures = 0
    if _size(part) > remote.size:
        part.unlink()
    while (done := _size(part)) < remote.size:
        try:
            _append(part, remote, done, progress, timeout=timeout)
        except _BrokenError as error:
            failures = failures + 1 if _size(part) <= done else 0
            if failures >= TRIES:
                raise DataError(
                    f"{remote.address}: can't be fetched ({error}); check the connection. What was fetched is kept: "
                    "the same command goes on from there"
                ) from error
            time.sleep(wait * 2**failures)


def _append(part: Path, remote: RemoteFile, done: int, progress: Progress, *, timeout: float) -> None:
    with _answer(remote, done, timeout) as answer:
        start = _start_of(answer, remote, done)
        part.parent.mkdir(parents=True, exist_ok=True)  # not before there is something to write
        with part.open("r+b" if part.is_file() else "wb") as file:
            file.truncate(start)
            file.seek(start)
            for chunk in _chunks(answer, at_most=remote.size - start):
                file.write(chunk)
                start += len(chunk)
                progress(start, remote.size)


def _answer(remote: RemoteFile, done: int, timeout: float) -> HTTPResponse:
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import Request

    headers = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
    try:
        request = Request(remote.address, headers=headers | ({"Range": f"bytes={done}-"} if done else {}))
        answer: HTTPResponse = make_opener().open(request, timeout=timeout)
    except HTTPError as error:
        said = f"HTTP {error.code} {error.reason}"
        if error.code in BUSY:
            raise _BrokenError(said) from error
        raise DataError(f"{remote.address}: can't be fetched ({said}); check the address") from error
    except URLError as error:
        raise _BrokenError(str(error.reason)) from error
    except ValueError as error:
        raise DataError(f"{remote.address}: must be an http or https address; got {error}") from error
    except (OSError, HTTPException) as error:
        raise _BrokenError(f"{type(error).__name__}: {error}") from error
    return answer


def _start_of(answer: HTTPResponse, remote: RemoteFile, done: int) -> int:
    """Where in the file an answer begins; a server that knows no ranges sends the whole again."""
    if answer.status != 206:
        start, total = 0, answer.headers.get("Content-Length", str(remote.size))
    else:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if match is None or int(match[1]) != done:
            raise DataError(
                f"{remote.address}: must answer with the bytes from {done} on; got "
                f"'{answer.headers.get('Content-Range')}'; is there a proxy in between?"
            )
        start, total = done, match[2].replace("*", str(remote.size))
    if int(total) != remote.size:
        raise DataError(
            f"{remote.address}: must be {remote.size} bytes; got {total}; that is another file, or a page of some "
            "proxy in its place"
        )
    return start


def _chunks(answer: HTTPResponse, *, at_most: int) -> Iterator[bytes]:
    from http.client import HTTPException

    while at_most > 0:
        try:
            chunk = answer.read(min(CHUNK, at_most))
        except (OSError, HTTPException) as error:
            raise _BrokenError(f"{type(error).__name__}: {error}") from error
        if not chunk:
            return
        at_most -= len(chunk)
        yield chunk


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _say_nothing(_done: int, _total: int) -> None:
    return None
