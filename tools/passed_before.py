"""A plugin of pytest for a folder of tests that is run in larger and larger environments: what passed isn't run again.

Run pytest with `-p passed_before --passed FILE`: tests whose names are in the file are left out, and those that pass
are added to it.
"""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the file."""
    parser.addoption("--passed", type=Path, required=True, help="names of the tests that passed, a line each")


def pytest_configure(config: pytest.Config) -> None:
    """Begin."""
    config.pluginmanager.register(_PassedBefore(config))


class _PassedBefore:
    """Leaves out what passed before, and notes what passes; with several processes the first one notes."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._file: Path = config.getoption("passed")
        self._passed: list[str] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        before = set(self._file.read_text(encoding="utf-8").splitlines()) if self._file.exists() else set()
        self._config.hook.pytest_deselected(items=[item for item in items if item.nodeid in before])
        items[:] = [item for item in items if item.nodeid not in before]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self._passed.append(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        if not hasattr(self._config, "workerinput"):
            with self._file.open("a", encoding="utf-8", newline="\n") as file:
                file.writelines(f"{name}\n" for name in self._passed)
