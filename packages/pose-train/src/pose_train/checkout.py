"""The commit that a folder is at, and whether something in it was changed since."""

from __future__ import annotations

import subprocess
from pathlib import Path

GIT_SECONDS = 10.0  # a large repository on a slow disk is not waited for

Checkout = dict[str, str | bool | None]


def describe_checkout(folder: Path) -> Checkout | None:
    """Describe the repository that a folder lies in.

    Returns:
        `commit`, and under `uncommitted_changes` whether files that it tracks differ from it, None where git can't
        tell; None outside a repository.
    """
    commit = git_commit(folder)
    if commit is None:
        return None
    changes = _ask_git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "uncommitted_changes": None if changes is None else bool(changes)}


def describe_code(source: Path) -> Checkout | None:
    """Describe the repository that tracks a file of code; None where none does, as of an installed package."""
    if _ask_git(source.parent, "ls-files", "--error-unmatch", source.name) is None:
        return None
    return describe_checkout(source.parent)


def git_commit(folder: Path) -> str | None:
    """Find the commit that is checked out in a folder or around it; None outside a repository that can be read."""
    try:
        return _find_commit(folder)
    except (OSError, UnicodeDecodeError):
        return None


def _find_commit(folder: Path) -> str | None:
    for place in (folder, *folder.parents):
        git = place / ".git"
        if git.is_file():  # a worktree or a submodule
            git = place / git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
        if (git / "HEAD").is_file():
            return _head(git)
    return None


def _head(git: Path) -> str | None:
    head = (git / "HEAD").read_text(encoding="utf-8").strip()
    if not head.startswith("ref: "):
        return head
    name = head.removeprefix("ref: ")
    common = git / "commondir"
    shared = git / common.read_text(encoding="utf-8").strip() if common.is_file() else git
    for root in (git, shared):
        if (root / name).is_file():
            return (root / name).read_text(encoding="utf-8").strip()
    packed = shared / "packed-refs"
    lines = packed.read_text(encoding="utf-8").splitlines() if packed.is_file() else []
    return next((line.split()[0] for line in lines if line.endswith(f" {name}")), None)


def _ask_git(folder: Path, *words: str) -> bytes | None:
    """Ask git about a folder, without changing anything; None where it isn't installed, or refuses."""
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", str(folder), *words]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=GIT_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
