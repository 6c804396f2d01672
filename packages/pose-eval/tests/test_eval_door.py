"""The package's door: what it shows, and what importing it does."""

import importlib
import pkgutil
import subprocess
import sys

import pose_eval
import pytest


@pytest.mark.parametrize("name", pose_eval.__all__)
def test_every_name_at_the_door_is_there(name):
    value = getattr(pose_eval, name)
    assert getattr(value, "__name__", name) in (name, "ndarray")


def test_all_is_the_door():
    assert dir(pose_eval) == sorted(pose_eval.__all__)
    homes = {name for names in pose_eval._HOMES.values() for name in names}
    assert homes | {"__version__"} == set(pose_eval.__all__)


def test_no_module_hides_a_name_of_the_door():
    assert not {module.name for module in pkgutil.iter_modules(pose_eval.__path__)} & set(pose_eval.__all__)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'pose_eval' has no attribute 'oops'"):
        pose_eval.oops  # noqa: B018


def test_every_module_can_be_imported_first():
    for module in pkgutil.iter_modules(pose_eval.__path__):
        assert importlib.import_module(f"pose_eval.{module.name}").__doc__


def test_import_needs_numpy_and_nothing_else():
    code = (
        "import sys, numpy; before = set(sys.modules); from pose_eval import *;"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before};"
        "print(sorted(new - sys.stdlib_module_names - {'numpy'}))"
    )
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert seen.strip() == "['pose_eval']"
