"""What pose_nn shows."""

import types

import pose_nn


def test_all_is_the_door():
    shown = {
        name
        for name, value in vars(pose_nn).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert set(pose_nn.__all__) == shown | {"__version__"}
    assert sorted(pose_nn.__all__) == sorted(set(pose_nn.__all__))
