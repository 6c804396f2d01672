"""The checks of the house find what they are for: each gets a small checkout with one fault planted in it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pose_export import FORMATS, get_format

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import check_doors  # noqa: E402 - lies in tools/
import check_imports  # noqa: E402
import try_extra  # noqa: E402
from format_table import Row, make_cases, make_whole_case, read_rows  # noqa: E402
from package_info import (  # noqa: E402
    CONVERTING,
    OWN_SESSION,
    PACKAGES,
    declared,
    extra_steps,
    needs_torch,
    outside_requirements,
    siblings,
)

BY_NAME = {package.name: package for package in PACKAGES}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Two packages: pose-a, which declares PyYAML and the extra onnx, and pose-b, which declares pose-a."""
    declares = {
        "pose-a": 'dependencies = ["pyyaml>=6"]\n[project.optional-dependencies]\nx = ["onnx"]\n',
        "pose-b": 'dependencies = ["pose-a>=0.1,<0.2"]\n',
    }
    for name, words in declares.items():
        module = name.replace("-", "_")
        source = tmp_path / "packages" / name / "src" / module
        source.mkdir(parents=True)
        (source / "__init__.py").write_text("__all__ = ['shown']\nshown = 1\n", encoding="utf-8")
        (source / "inner.py").write_text("import os\nimport " + module + "\n", encoding="utf-8")
        (tmp_path / "packages" / name / "pyproject.toml").write_text(
            f'[project]\nname = "{name}"\n{words}', encoding="utf-8"
        )
    return tmp_path


def write(checkout: Path, text: str, *, name: str = "pose-b") -> None:
    """Add a module to one of the two packages."""
    (checkout / "packages" / name / "src" / name.replace("-", "_") / "more.py").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    "text", ["import yaml", "import onnx.helper", "from onnx import helper", "from . import inner"]
)
def test_declared_imports_pass(checkout, text):
    write(checkout, text, name="pose-a")
    assert check_imports.main(checkout) == 0


@pytest.mark.parametrize(
    "text",
    [
        "import numpy",
        "from numpy.linalg import norm",
        "def f():\n    import numpy",
        "if False:\n    import numpy",
        "import importlib\nimportlib.import_module('numpy.linalg')",
    ],
)
def test_an_undeclared_import_is_found_lazy_or_not(checkout, text, capsys):
    write(checkout, text)
    assert check_imports.main(checkout) == 1
    assert (
        f"more.py:{len(text.splitlines())}: pose-b must declare what it imports; got 'numpy'" in capsys.readouterr().out
    )


def test_what_a_sibling_declares_must_be_declared_again(checkout, capsys):
    write(checkout, "import yaml")
    assert check_imports.main(checkout) == 1
    assert "pose-b must declare what it imports; got 'yaml'" in capsys.readouterr().out


@pytest.mark.parametrize("place", ["tools", "packages/pose-a/tests", "benchmarks"])
def test_an_agpl_import_is_found_anywhere(checkout, place, capsys):
    folder = checkout / place
    folder.mkdir(parents=True)
    (folder / "peer.py").write_text("def f():\n    import ultralytics.nn\n", encoding="utf-8")
    assert check_imports.main(checkout) == 1
    assert "peer.py:2: this project is Apache-2.0 and must not import 'ultralytics'" in capsys.readouterr().out


def test_an_agpl_requirement_is_found(checkout, capsys):
    file = checkout / "packages" / "pose-b" / "pyproject.toml"
    file.write_text(file.read_text(encoding="utf-8").replace('["', '["ultralytics>=8", "'), encoding="utf-8")
    assert check_imports.main(checkout) == 1
    assert "must not require 'ultralytics'" in capsys.readouterr().out


def test_names_at_the_door_pass(checkout):
    write(checkout, "import pose_a\nfrom pose_a import shown")
    assert check_doors.main(checkout) == 0


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("from pose_a import hidden", "pose_a.hidden"),
        ("from pose_a.inner import os", "pose_a.inner.os"),
        ("import pose_a.inner", "pose_a.inner"),
    ],
)
def test_a_sibling_entered_past_its_door_is_found(checkout, text, seen, capsys):
    write(checkout, text)
    assert check_doors.main(checkout) == 1
    assert f"more.py:1: pose_a must be used through its door; got {seen}." in capsys.readouterr().out


def test_torch_is_needed_through_siblings():
    assert needs_torch(BY_NAME["pose-cli"])
    assert not needs_torch(BY_NAME["pose-data"])


def test_an_exported_file_runs_without_torch_or_the_network_package():
    assert not needs_torch(BY_NAME["pose-export"], ["onnxruntime"])
    assert siblings(BY_NAME["pose-export"], ["onnxruntime"]) == (BY_NAME["pose-data"],)


def test_metrics_alone_need_numpy_and_nothing_else():
    assert [word.name for word in declared(BY_NAME["pose-eval"])] == ["numpy"]


def test_no_index_is_asked_for_a_sibling():
    asked = " ".join(outside_requirements(BY_NAME["pose-cli"]))
    assert "accelerate" in asked
    assert "onnxruntime" in asked
    assert "pose" not in asked


def test_extras_are_tried_from_none_to_all_but_those_with_a_session_of_their_own():
    steps = extra_steps(BY_NAME["pose-export"])
    assert steps[0] == ()
    assert "onnxruntime" in steps[1]
    assert not {"convert", *CONVERTING} & set(steps[1])
    assert set(steps[2]) == set(BY_NAME["pose-export"].extras) - OWN_SESSION


def test_the_table_of_formats_is_read_without_importing_it():
    assert read_rows() == tuple(Row(row.name, tuple(row.extra.split(",")), row.run_extra) for row in FORMATS)


def test_every_extra_of_pose_export_is_tried():
    cases = make_cases(read_rows())
    tried = {extra for case in cases for extras in (case.making, *case.running) for extra in extras}
    assert tried == BY_NAME["pose-export"].extras.keys()
    assert sorted(name for case in cases for name in case.formats) == sorted(row.name for row in FORMATS)


def test_formats_are_tried_under_the_extra_that_is_there_for_them():
    rows = (
        Row("onnx", ("convert",), "onnxruntime"),
        Row("pb", ("convert", "tensorflow"), "tensorflow"),
        Row("tfjs", ("convert", "tensorflow"), ""),
    )
    runtime, tensorflow = make_cases(rows)
    assert (runtime.extra, runtime.making) == ("onnxruntime", ("convert",))
    assert runtime.running == {("onnxruntime",): ("onnx",)}
    assert (tensorflow.extra, tensorflow.formats) == ("tensorflow", ("pb", "tfjs"))
    assert tensorflow.running == {("tensorflow",): ("pb",), (): ("tfjs",)}


def test_all_extras_together_are_those_that_need_no_gpu():
    rows = (Row("onnx", ("convert",), "onnxruntime"), Row("engine", ("convert", "tensorrt"), "tensorrt"))
    whole = make_whole_case(rows)
    assert whole.making == ("convert", "onnxruntime")
    assert whole.running == {whole.making: ("onnx",)}


def test_what_only_making_takes_is_found_where_files_are_run():
    assert try_extra.list_leftovers([get_format("torchscript")]) == [
        "pose_nn must not be installed where files are only run; it is"
    ]


def test_a_requirement_that_no_format_uses_is_found(monkeypatch):
    wanted = [("openvino", "openvino"), ("nncf", "openvino"), ("no-such-package", "openvino"), ("none", "paddle")]
    monkeypatch.setattr(try_extra, "declared", lambda _: wanted)
    (fault,) = try_extra.list_needless([get_format("openvino")])
    assert fault.startswith("no-such-package must be used by a format")
