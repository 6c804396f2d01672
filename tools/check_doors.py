"""Fails where a package or its tests use anything of another package but a name shown at its door."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from package_info import ROOT, read_packages


def main(root: Path = ROOT) -> int:
    """Print one line per fault and return 1 where there is one."""
    packages = read_packages(root)
    doors = {package.module: door_names(package.source / "__init__.py") for package in packages}
    faults = []
    for package in packages:
        siblings = {module: names for module, names in doors.items() if module != package.module}
        for file in sorted(package.folder.rglob("*.py")):
            faults += faults_in(file, siblings)
    for fault in faults:
        print(fault)
    print(f"doors: {len(packages)} packages, {len(faults)} faults")
    return 1 if faults else 0


def faults_in(file: Path, doors: Mapping[str, frozenset[str]]) -> list[str]:
    """One line per import in a file that takes anything but a name shown at one of the doors."""
    lines = []
    for line, module, name in imported_names(file):
        package, _, inner = module.partition(".")
        if package not in doors or (not inner and (name is None or name in doors[package])):
            continue
        seen = f"{module}.{name}" if name else module
        lines.append(
            f"{file}:{line}: {package} must be used through its door; got {seen}. Show it in {package}.__all__"
        )
    return lines


def imported_names(file: Path) -> Iterator[tuple[int, str, str | None]]:
    """Line, module and name of each import in a file; the name is None for `import module`."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), str(file))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield from ((node.lineno, node.module, alias.name) for alias in node.names)


def door_names(file: Path) -> frozenset[str]:
    """The names in `__all__` of a package's `__init__.py`; raises ValueError where it isn't a plain list of words."""
    for node in ast.parse(file.read_text(encoding="utf-8"), str(file)).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            assert isinstance(node, ast.Assign)
            return frozenset(ast.literal_eval(node.value))
    raise ValueError(f"{file} must assign a list of words to __all__; got none")


if __name__ == "__main__":
    sys.exit(main())
