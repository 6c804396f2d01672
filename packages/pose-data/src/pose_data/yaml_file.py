"""Reading a YAML file as a mapping, with the line of whatever is wrong in it."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path

import yaml

from pose_data.errors import SettingsError
from pose_data.values import seen


def read_yaml(path: Path) -> dict[str, object]:
    """Read the mapping that a YAML file holds.

    Raises:
        SettingsError: no such file, not UTF-8, not YAML (with the line), a key given twice, or no mapping.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_UniqueKeys)
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: no such file; give the path of a YAML file") from error
    except OSError as error:
        raise SettingsError(f"{path}: can't be read ({error.strerror}); give the path of a YAML file") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: must be UTF-8 text; got other bytes; is this a YAML file?") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}{_where(error)}: must be YAML; got {_problem(error)}; correct that line") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: must hold 'key: value' lines; got {seen(content)}")
    for key in content:
        if not isinstance(key, str):
            raise SettingsError(f"{path}: keys must be text; got {seen(key)}; put it in quotes")
    return content


class _UniqueKeys(yaml.SafeLoader):
    """YAML's safe loader, refusing a key that is given twice: one of the two values would be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        """Make the dict of a mapping whose keys are all different."""
        keys: set[object] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable):
                if key in keys:
                    problem = f"the key '{key}' twice"
                    raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
                keys.add(key)
        return super().construct_mapping(node, deep)


def _where(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return "" if mark is None else f":{mark.line + 1}"


def _problem(error: yaml.YAMLError) -> str:
    problem = getattr(error, "problem", None)
    return str(problem or error).splitlines()[0]
