"""A plugin of pytest for tests that are run in several environments: what passed in one isn't run again in the next.

Run pytest with `-p passed_before` and any of these: `--leave-out FILE` leaves out the tests whose names are in a file,
where there is one; `--note FILE` adds the names of those that pass to it, with `--slower-than SECONDS` only of those
that took longer.
"""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the files."""
    parser.addoption("--leave-out", type=Path, help="names of tests, a line each")
    parser.addoption("--note", type=Path, help="the file to which names of tests that pass are added")
    parser.addoption("--slower-than", type=float, default=0.0, help="seconds that a noted test takes at least")


def pytest_configure(config: pytest.Config) -> None:
    """Begin."""
    config.pluginmanager.register(_PassedBefore(config))


class _PassedBefore:
    """Leaves out what passed before, and notes what passes; with several processes the first one notes."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._left_out: Path | None = config.getoption("leave_out")
        self._noted: Path | None = config.getoption("note")
        self._least: float = config.getoption("slower_than")
        self._passed: list[str] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        file = self._left_out
        before = set(file.read_text(encoding="utf-8").splitlines()) if file and file.exists() else set()
        self._config.hook.pytest_deselected(items=[item for item in items if item.nodeid in before])
        items[:] = [item for item in items if item.nodeid not in before]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed and report.duration >= self._least:
            self._passed.append(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        if self._noted and not hasattr(self._config, "workerinput"):
            with self._noted.open("a", encoding="utf-8", newline="\n") as file:
                file.writelines(f"{name}\n" for name in self._passed)
