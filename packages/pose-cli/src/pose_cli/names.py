"""Lists of names that are typed as one word, with commas."""

from __future__ import annotations


def split_names(text: str) -> tuple[str, ...]:
    """Split at commas; brackets around a list, quotes around names and spaces are let go.

    Args:
        text: such as "a,b" or "[a, b]"; "" has no names.
    """
    names = (name.strip(" '\"") for name in text.strip(" []()").split(","))
    return tuple(name for name in names if name)
