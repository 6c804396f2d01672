"""Follows each page of the guide, top to bottom, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGES = [page for page in sorted(Path(__file__).parent.glob("*.md")) if page.name != "README.md"]
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^```(.*)$", re.MULTILINE)
RUN_OR_EXPLAINED = re.compile(r"bash|python|yaml|console \w.*")

# Only sizes: what is run is what the page says otherwise.
SMALLER = {
    "epochs=100": "epochs=1",
    "imgsz=640": "imgsz=64",
    "time=0.5": "time=0.0005",
    "train=400": "train=16",
    "train=24": "train=4",
    "val=100": "val=8",
    "overfit 8": "overfit 2 --steps 10",
    "|| echo": "|| test $? = 1 && echo",  # 1 says that something was found; anything else is a failure
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_block_that_is_not_run_says_why(page):
    opening = FENCE.findall(page.read_text(encoding="utf-8"))[::2]
    assert [words for words in opening if not RUN_OR_EXPLAINED.fullmatch(words)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_can_be_followed(page, tmp_path):
    scripts = str(Path(sys.executable).parent)
    environment = os.environ | {"PATH": os.pathsep.join((scripts, os.environ["PATH"]))}
    shells = {"bash": ("bash", "-euc"), "python": (sys.executable, "-c")}
    for language, code in BLOCK.findall(page.read_text(encoding="utf-8")):
        for said, run in SMALLER.items():
            code = code.replace(said, run)
        done = subprocess.run([*shells[language], code], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{page.name}:\n{code}\n{done.stdout}\n{done.stderr}"
