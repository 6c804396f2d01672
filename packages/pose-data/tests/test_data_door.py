import types

import pose_data


def test_the_door_shows_what_it_says():
    shown = {
        name
        for name, value in vars(pose_data).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert shown | {"__version__"} == set(pose_data.__all__)
