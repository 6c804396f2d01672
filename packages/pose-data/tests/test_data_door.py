"""The package's door: what it shows, and what importing it does."""

import importlib
import pkgutil
import subprocess
import sys

import pose_data
import pytest


@pytest.mark.parametrize("name", pose_data.__all__)
def test_every_name_at_the_door_is_there(name):
    value = getattr(pose_data, name)
    assert getattr(value, "__name__", name) in (name, "Union")


def test_all_is_the_door():
    assert dir(pose_data) == sorted(pose_data.__all__)
    homes = {name for names in pose_data._HOMES.values() for name in names}
    assert homes | {"__version__"} == set(pose_data.__all__)


def test_no_module_hides_a_name_of_the_door():
    assert not {module.name for module in pkgutil.iter_modules(pose_data.__path__)} & set(pose_data.__all__)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'pose_data' has no attribute 'oops'"):
        pose_data.oops  # noqa: B018


def test_every_module_can_be_imported_first():
    for module in pkgutil.walk_packages(pose_data.__path__, "pose_data."):
        assert importlib.import_module(module.name).__doc__


def modules_after(code: str) -> set[str]:
    print_modules = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", print_modules], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_import_alone_needs_nothing_from_outside():
    new = modules_after("import pose_data; pose_data.SettingsError; pose_data.make_settings")
    assert not new & {"numpy", "cv2", "yaml"}


def test_result_types_need_numpy_alone():
    new = modules_after("import pose_data; pose_data.Poses; pose_data.ModelCard; pose_data.setting")
    assert not new & {"cv2", "yaml"}
