"""Fails where an installed package lacks something: run inside its bare environment, with the standard library only.

`python check_installed.py pose-export onnxruntime` checks pose-export, installed with the extra onnxruntime.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from module_names import modules_of, normalise


def main(name: str, extras: frozenset[str]) -> int:
    """Print one line per fault, then one on what was imported; return 1 where there is a fault."""
    requirements = declared(distribution(name))
    siblings = {normalise(word) for word, _ in requirements if normalise(word).startswith("pose-")}
    faults = [fault for sibling in sorted({name, *siblings}) for fault in foreign_origin(sibling)]
    installed = {word for word, extra in requirements if not extra or extra in extras}
    waited_for = {module for word, _ in requirements if word not in installed for module in modules_of(word)}
    waiting = []
    modules = own_modules(name.replace("-", "_"))
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            missing = (error.name or "").split(".")[0]
            if isinstance(error, ModuleNotFoundError) and missing in waited_for:
                waiting.append(f"{module} (needs {missing})")
                continue
            faults.append(f"{module} must be importable with what {name} declares; got: {error}")
            break  # the modules that import this one would all say it again
    for fault in faults:
        print(fault)
    for line in waiting:
        print(f"left for an extra that isn't here: {line}")
    if not faults:
        print(f"{name}[{','.join(sorted(extras))}]: {len(modules) - len(waiting)} of {len(modules)} modules imported")
    return 1 if faults else 0


def declared(package: Distribution) -> list[tuple[str, str]]:
    """Each requirement of a distribution: its name, and the extra that it belongs to or ''."""
    found = []
    for line in package.requires or []:
        name = re.match(r"[A-Za-z0-9._-]+", line)
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", line)
        if name:
            found.append((name.group(), extra.group(1) if extra else ""))
    return found


def foreign_origin(name: str) -> list[str]:
    """One line where a package of ours came from an index: only a file given to pip has a direct_url.json (PEP 610)."""
    try:
        record = distribution(name).read_text("direct_url.json")
    except PackageNotFoundError:
        return []  # a sibling that only an extra brings
    if record and json.loads(record)["url"].startswith("file:"):
        return []
    return [f"{name} must be installed from a file of this project; got one from an index"]


def own_modules(package: str) -> list[str]:
    """The name of every module of an installed package; raises ValueError where it isn't installed here."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ValueError(f"{package} must be installed; got nothing of that name")
    folder = Path(spec.origin).parent
    if not folder.is_relative_to(Path(sys.prefix).resolve()) and not folder.is_relative_to(sys.prefix):
        raise ValueError(f"{package} must be installed in {sys.prefix}; got {folder}")
    names = []
    for file in sorted(folder.rglob("*.py")):
        parts = file.relative_to(folder).with_suffix("").parts
        if parts[-1] != "__main__":
            names.append(".".join((package, *(part for part in parts if part != "__init__"))))
    return names


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], frozenset(sys.argv[2:])))
