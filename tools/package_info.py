"""What the pyproject.toml of each package says: its name, its siblings, what it declares."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from module_names import normalise

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
# Extras of pose-export that are too large for the environment of all checks; a nox session tries each. TensorRT's
# needs a GPU and its vendor's own index, and no session tries it.
OWN_SESSION = frozenset({"tensorflow", "tflite", "litert", "paddle", "tensorrt"})
# Extras of pose-export that only help to convert, beside the extra `convert`: what they install brings torch by itself.
CONVERTING = frozenset({"openvino", "coreml", "ncnn"})


@dataclass(frozen=True)
class Package:
    """One folder under packages/."""

    folder: Path
    name: str
    requirements: tuple[Requirement, ...]
    extras: Mapping[str, tuple[Requirement, ...]]
    test_requirements: tuple[str, ...]

    @property
    def module(self) -> str:
        """The package's own import name."""
        return self.name.replace("-", "_")

    @property
    def source(self) -> Path:
        """The folder with the package's modules."""
        return self.folder / "src" / self.module

    def __str__(self) -> str:
        return self.name


def read_package(file: Path) -> Package:
    """Read one pyproject.toml."""
    content: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    project = content["project"]
    extras = project.get("optional-dependencies", {})
    return Package(
        folder=file.parent,
        name=normalise(project["name"]),
        requirements=tuple(map(Requirement, project.get("dependencies", []))),
        extras={name: tuple(map(Requirement, words)) for name, words in sorted(extras.items())},
        test_requirements=tuple(content.get("dependency-groups", {}).get("test", [])),
    )


def read_packages(root: Path) -> tuple[Package, ...]:
    """Read every package of a checkout, by name."""
    return tuple(read_package(file) for file in sorted(root.glob("packages/*/pyproject.toml")))


PACKAGES = read_packages(ROOT)
_BY_NAME = {package.name: package for package in PACKAGES}


def declared(package: Package, extras: Iterable[str] = ()) -> tuple[Requirement, ...]:
    """Everything that a package declares, itself and through its siblings, whose requirements are among it.

    Args:
        package: where to begin.
        extras: the extras of that package to install.
    """
    found: dict[str, Requirement] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(package, extra) for extra in ("", *extras)]
    while waiting:
        sibling, extra = waiting.pop()
        if (sibling.name, extra) in seen:
            continue
        seen.add((sibling.name, extra))
        for requirement in sibling.extras[extra] if extra else sibling.requirements:
            found[str(requirement)] = requirement
            inner = _BY_NAME.get(normalise(requirement.name))
            waiting += [(inner, word) for word in ("", *requirement.extras)] if inner else []
    return tuple(found[word] for word in sorted(found))


def outside_requirements(package: Package, extras: Iterable[str] = ()) -> tuple[str, ...]:
    """What an index is asked for when a package is installed: everything it declares but its siblings."""
    return tuple(str(word) for word in declared(package, extras) if normalise(word.name) not in _BY_NAME)


def needs_torch(package: Package, extras: Iterable[str] = ()) -> bool:
    """Whether torch is installed with a package."""
    return any(word.name == "torch" for word in declared(package, extras))


def siblings(package: Package, extras: Iterable[str] = ()) -> tuple[Package, ...]:
    """The packages of this project that are installed with a package, itself left out."""
    names = {normalise(word.name) for word in declared(package, extras)} - {package.name}
    return tuple(sibling for sibling in PACKAGES if sibling.name in names)


def usual_extras(package: Package) -> tuple[str, ...]:
    """The extras of a package that have no session of their own."""
    return tuple(extra for extra in package.extras if extra not in OWN_SESSION)


def extra_steps(package: Package) -> tuple[tuple[str, ...], ...]:
    """The sets of extras to try a package with, smallest first: none, those without torch, all the usual ones."""
    usual = usual_extras(package)
    torchless = (extra for extra in usual if needs_torch(package) or not needs_torch(package, [extra]))
    light = tuple(extra for extra in torchless if package.name != "pose-export" or extra not in CONVERTING)
    steps = [(), light, usual]
    return tuple(step for i, step in enumerate(steps) if step not in steps[:i])
