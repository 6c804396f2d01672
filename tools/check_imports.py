"""Fails where a module of a package imports what that package doesn't declare, or anything imports an AGPL program."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from module_names import FORBIDDEN, modules_of
from package_info import ROOT, Package, read_packages

NEVER_READ = frozenset({".venv", ".nox", "dist", "build"})
IMPORTING_CALLS = frozenset({"__import__", "import_module", "importorskip"})


def main(root: Path = ROOT) -> int:
    """Print one line per fault and return 1 where there is one."""
    packages = read_packages(root)
    faults = [fault for package in packages for fault in undeclared_imports(package)]
    faults += [fault for package in packages for fault in forbidden_requirements(package)]
    faults += forbidden_imports(root)
    for fault in faults:
        print(fault)
    files = sum(1 for package in packages for _ in package.source.rglob("*.py"))
    print(f"imports: {files} modules of {len(packages)} packages read, {len(faults)} faults")
    return 1 if faults else 0


def undeclared_imports(package: Package) -> list[str]:
    """One line per import in src/, lazy ones too, that the package's own pyproject.toml doesn't declare."""
    declared = {package.module}
    for requirement in (*package.requirements, *(word for words in package.extras.values() for word in words)):
        declared.update(modules_of(requirement.name))
    return [
        f"{file}:{line}: {package.name} must declare what it imports; got '{module}'. "
        f"Add its distribution to {package.folder / 'pyproject.toml'}"
        for file in sorted(package.source.rglob("*.py"))
        for line, module in imported_modules(file)
        if module not in declared and module not in sys.stdlib_module_names
    ]


def forbidden_imports(root: Path) -> list[str]:
    """One line per import of an AGPL program anywhere: tests, tools and benchmarks too."""
    files = sorted(file for file in root.rglob("*.py") if not NEVER_READ & set(file.relative_to(root).parts))
    return [
        f"{file}:{line}: this project is Apache-2.0 and must not import '{module}', which is AGPL or GPL"
        for file in files
        for line, module in imported_modules(file)
        if module in FORBIDDEN
    ]


def forbidden_requirements(package: Package) -> list[str]:
    """One line per AGPL program among what a package declares."""
    names = [requirement.name for requirement in package.requirements]
    names += [requirement.name for words in package.extras.values() for requirement in words]
    return [
        f"{package.folder / 'pyproject.toml'}: this project is Apache-2.0 and must not require '{name}'"
        for name in names
        if FORBIDDEN.intersection(modules_of(name))
    ]


def imported_modules(file: Path) -> Iterator[tuple[int, str]]:
    """Line and top-level module of every import in a file, at the top or inside a function, by statement or by call."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), str(file))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name.split(".")[0]) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.lineno, node.module.split(".")[0]
        elif isinstance(node, ast.Call) and node.args and _called_name(node) in IMPORTING_CALLS:
            word = node.args[0]
            if isinstance(word, ast.Constant) and isinstance(word.value, str) and not word.value.startswith("."):
                yield node.lineno, word.value.split(".")[0]


def _called_name(node: ast.Call) -> str:
    """The last name of what is called: 'import_module' for importlib.import_module(...)."""
    return ast.unparse(node.func).rsplit(".", 1)[-1]


if __name__ == "__main__":
    sys.exit(main())
