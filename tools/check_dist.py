"""Fails where a built file lacks something: modules, py.typed, the licence, or the tests in an sdist."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from pathlib import Path

PACKAGES = Path(__file__).resolve().parents[1] / "packages"


def main(dist: Path) -> int:
    """Print one line per package and return 1 where something is missing."""
    faults = []
    for folder in sorted(file.parent for file in PACKAGES.glob("*/pyproject.toml")):
        module = folder.name.replace("-", "_")
        wheel = one_file(dist, f"{module}-*.whl")
        sdist = one_file(dist, f"{module}-*.tar.gz")
        missing = missing_in_wheel(folder, wheel) + missing_in_sdist(folder, sdist)
        faults += missing
        size = f"{wheel.stat().st_size / 1000:,.0f} kB"
        print(f"{wheel.name}: {size}" + "".join(f"\n  {line}" for line in missing))
    return 1 if faults else 0


def one_file(dist: Path, pattern: str) -> Path:
    """The only file of that pattern; raises ValueError where there are more or none."""
    files = sorted(dist.glob(pattern))
    if len(files) != 1:
        raise ValueError(f"{dist} must hold one {pattern}; got {len(files)}. Build into an empty folder")
    return files[0]


def missing_in_wheel(folder: Path, wheel: Path) -> list[str]:
    """One line per module or data file of src/ that isn't in the wheel, and for the licence."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        licences = [archive.read(name) for name in names if name.endswith(".dist-info/licenses/LICENSE")]
    source = folder / "src"
    wanted = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    wanted = {name for name in wanted if "__pycache__" not in name}
    lines = [f"{wheel.name} must hold {name}" for name in sorted(wanted - names)]
    if licences != [(PACKAGES.parent / "LICENSE").read_bytes()]:
        lines.append(f"{wheel.name} must hold the LICENSE of the repository")
    return lines


def missing_in_sdist(folder: Path, sdist: Path) -> list[str]:
    """One line per file of tests/ that isn't in the sdist."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {path.relative_to(folder).as_posix() for path in (folder / "tests").rglob("*") if path.is_file()}
    return [f"{sdist.name} must hold {name}" for name in sorted(wanted - names) if "__pycache__" not in name]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
