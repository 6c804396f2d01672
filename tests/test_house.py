"""What makes six folders one house: the same licence, doors that show what they say, versions kept in one place."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

from package_info import PACKAGES, Package  # noqa: E402 - lies in tools/

FOLDERS = sorted(file.parent for file in ROOT.glob("packages/*/pyproject.toml"))
MODULES = [package.module for package in PACKAGES]
NAMES = [package.name for package in PACKAGES]
NEED_TORCH = {"pose_nn", "pose_train"}
HEAVY = ("torch", "accelerate", "onnx", "onnxruntime", "matplotlib")

each_folder = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
each_package = pytest.mark.parametrize("package", PACKAGES, ids=str)
each_module = pytest.mark.parametrize("name", MODULES)


def test_there_are_six_packages():
    assert NAMES == ["pose-cli", "pose-data", "pose-eval", "pose-export", "pose-nn", "pose-train"]


@each_folder
def test_every_package_has_the_same_rooms(folder):
    module = folder / "src" / folder.name.replace("-", "_")
    wanted = [folder / name for name in ("README.md", "CHANGELOG.md", "LICENSE", "tests")]
    wanted += [module / name for name in ("__init__.py", "_version.py", "py.typed")]
    assert [path.name for path in wanted if not path.exists()] == []


@each_folder
def test_every_package_carries_the_licence_of_the_repository(folder):
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@each_package
def test_releases_are_pinned_in_constraints_and_not_in_packages(package):
    assert [str(word) for word in requirements_of(package) if "==" in str(word.specifier)] == []


def test_versions_of_other_programs_in_the_guide_are_those_that_are_tested():
    guide = (ROOT / "docs" / "export.md").read_text(encoding="utf-8").partition("## Programs that read our files")[2]
    pins = re.findall(r"^([\w-]+)==([\w.]+)", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    tried = {"fiftyone", "onnxsim", "onnxslim", "opencv-python-headless", "openvino", "supervision"}
    versions = [version for name, version in pins if name in tried]
    versions += re.findall(r'"@[\w/-]+@([\d.]+)"', (ROOT / "noxfile.py").read_text(encoding="utf-8"))
    assert len(versions) == 9
    assert [version for version in versions if version not in guide] == []


@each_package
def test_siblings_are_asked_for_by_a_range_that_holds_their_version(package):
    for requirement in requirements_of(package):
        if requirement.name in NAMES:
            assert requirement.specifier.contains(version(requirement.name))
            assert sorted(word.operator for word in requirement.specifier) == ["<", ">="]


@each_module
def test_a_door_shows_exactly_its_all(name):
    door = importlib.import_module(name)
    assert [word for word in door.__all__ if not hasattr(door, word)] == []
    assert public_names(door) - set(door.__all__) == set()


@each_module
def test_a_door_lists_each_name_once(name):
    door = importlib.import_module(name)
    assert len(door.__all__) == len(set(door.__all__))


@each_module
def test_importing_a_package_prints_nothing_and_writes_nothing(name, tmp_path):
    done = subprocess.run([sys.executable, "-B", "-c", f"import {name}"], cwd=tmp_path, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", sorted(set(MODULES) - NEED_TORCH))
def test_packages_for_small_devices_import_nothing_heavy(name):
    code = f"import sys, {name}; print(*[word for word in {HEAVY} if word in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    "page",
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted(ROOT.glob("docs/**/*.md")),
        *sorted(ROOT.glob("packages/*/README.md")),
    ],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_links_of_a_page_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    assert [link for link in targets if "://" not in link and not (page.parent / link).exists()] == []


def public_names(door: ModuleType) -> set[str]:
    """What a door shows beside its inner modules and what it needs itself: all from its own package."""
    names = set()
    for node in ast.parse(Path(str(door.__file__)).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == door.__name__:
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return {name for name in names if not name.startswith("_")}


def requirements_of(package: Package) -> list[Requirement]:
    """Everything that a package declares, extras included."""
    return [*package.requirements, *(word for words in package.extras.values() for word in words)]
