"""The one way to the web: http and https alone, through the proxy that the system names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

AGENT = "pose-data"


def make_opener() -> OpenerDirector:
    """Make an opener for http and https alone: urlopen's own follows redirects to ftp and reads file: addresses."""
    # imported here: HTTP and TLS take longer to import than all the rest of this package
    from urllib import request

    opener = request.OpenerDirector()
    for handler in (
        *(request.ProxyHandler, request.HTTPHandler, request.HTTPSHandler, request.HTTPDefaultErrorHandler),
        *(request.HTTPRedirectHandler, request.HTTPErrorProcessor, request.UnknownHandler),
    ):
        opener.add_handler(handler())
    return opener
