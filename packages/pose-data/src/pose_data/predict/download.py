"""Fetch one image from the web address that a user named."""

from __future__ import annotations

from pose_data.errors import DataError
from pose_data.web import AGENT, make_opener

TIMEOUT = 15.0  # seconds without an answer
MAX_BYTES = 64 * 2**20  # more than any photo


def read_url(url: str, *, timeout: float = TIMEOUT, max_bytes: int = MAX_BYTES) -> bytes:
    """Read the bytes at an http or https address.

    Args:
        url: the address.
        timeout: seconds to wait for an answer.
        max_bytes: larger answers are refused.

    Raises:
        DataError: no answer, an error in answer, or too large a one.
    """
    # imported here: HTTP and TLS take longer to import than all the rest of this package
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import Request

    try:
        request = Request(url, headers={"User-Agent": AGENT})
        with make_opener().open(request, timeout=timeout) as answer:
            data: bytes = answer.read(max_bytes + 1)
    except HTTPError as error:
        raise DataError(f"{url}: can't be fetched (HTTP {error.code} {error.reason}); check the address") from error
    except URLError as error:
        raise DataError(f"{url}: can't be fetched ({error.reason}); check the address and the connection") from error
    except (OSError, HTTPException, ValueError) as error:
        raise DataError(f"{url}: can't be fetched ({type(error).__name__}: {error}); check the address") from error
    if len(data) > max_bytes:
        raise DataError(f"{url}: must be at most {max_bytes // 2**20} MiB; got more; save it and name the file")
    return data
