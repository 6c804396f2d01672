"""The door of the package: what it shows, and that the settings cost no torch."""

import subprocess
import sys

import pose_train
import pytest


def test_the_door_shows_exactly_what_it_names():
    assert sorted(pose_train.__all__) == dir(pose_train)
    for name in pose_train.__all__:
        assert getattr(pose_train, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        pose_train.Nothing  # noqa: B018


def test_no_module_has_the_name_of_something_at_the_door():
    modules = {module.rpartition(".")[2] for module in sys.modules if module.startswith("pose_train.")}
    assert modules & set(pose_train.__all__) == set()


LIGHT = "TrainSettings, TrainResult, TrainingError, EpochEvent, REFUSED_SETTINGS, make_train_settings, fitness"


def test_settings_events_and_errors_are_imported_without_torch():
    heavy = "sorted(set(sys.modules) & {'torch', 'accelerate'})"
    code = f"import sys\nfrom pose_train import {LIGHT}\nTrainSettings()\nprint({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_package_alone_is_imported_without_numpy():
    code = "import sys, pose_train\nprint(sorted(set(sys.modules) & {'torch', 'numpy', 'cv2', 'pose_data'}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
