"""The command itself: fast help, nothing heavy imported, one line per error."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version

import click
import pytest
from pose_cli import main as front
from pose_cli.command import WordsCommand
from pose_cli.main import COMMANDS, LazyGroup, main
from pose_data import DataError
from pose_eval import EvalError

HEAVY = ("torch", "numpy", "cv2", "rich", "onnxruntime", "pose_data", "pose_train")


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_help_imports_nothing_heavy() -> None:
    done = python(
        f"import sys\nfrom pose_cli.main import main\nmain(['--help'])\nprint([m for m in {HEAVY} if m in sys.modules])"
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert "train" in done.stdout


def test_importing_the_package_imports_nothing_heavy() -> None:
    done = python(f"import sys, pose_cli\nprint([m for m in (*{HEAVY}, 'click') if m in sys.modules])")
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(os.name == "nt", reason="processor time is read with the resource module, which Windows lacks")
def test_help_answers_in_0_15_seconds_of_processor_time() -> None:
    # Processor time, the best of five: the clock on the wall also counts whoever else runs on this machine.
    code = """
import resource
from pose_cli.main import main
main(['--help'])
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime)
"""
    assert min(float(python(code).stdout.splitlines()[-1]) for _ in range(5)) < 0.15


def test_version_is_that_of_the_package(run) -> None:
    assert run("--version").out == f"pose {version('pose-cli')}\n"


def test_no_command_shows_the_help(run) -> None:
    outcome = run()
    assert "predict" in outcome.out
    assert outcome.status == 2


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_listed_with_the_first_line_of_its_own_help(name: str) -> None:
    sentence = COMMANDS[name][1]
    command = LazyGroup("pose", COMMANDS, help="").get_command(click.Context(click.Command("pose")), name)
    assert command is not None
    assert (command.help or "").splitlines()[0] == sentence


@pytest.mark.parametrize("name", ["train", "tune", "val", "predict", "track", "export", "info", "download", "demo"])
def test_help_of_a_command_lists_all_its_words(name: str, run) -> None:
    command = LazyGroup("pose", COMMANDS, help="").get_command(click.Context(click.Command("pose")), name)
    assert isinstance(command, WordsCommand)
    shown = run(name, "--help").out
    assert [key for key in command.settings().__dataclass_fields__ if f"\n  {key}=" not in shown] == []


def test_an_unknown_command_gets_the_nearest_right_one(run) -> None:
    outcome = run("trian")
    assert (outcome.status, outcome.err) == (2, "pose: no command 'trian' in 'pose'; did you mean 'train'?\n")


def test_words_without_a_command_are_told_that_it_comes_first(run) -> None:
    assert "the command comes first" in run("task=pose", "mode=train").err


def test_an_unknown_word_is_one_line_and_exit_2(run) -> None:
    outcome = run("predict", "sorce=a.jpg")
    assert (outcome.status, outcome.err) == (2, "pose: predict: no setting 'sorce'; did you mean 'source'?\n")


def test_a_value_out_of_range_is_one_line_and_exit_2(run) -> None:
    outcome = run("predict", "a.jpg", "conf=7")
    assert (outcome.status, outcome.err) == (2, "pose: predict: conf must be from 0 to 1; got 7.0\n")


@pytest.mark.parametrize("error", [DataError("a.jpg: no\nsuch image"), EvalError("a.jpg: no such image")])
def test_errors_of_the_packages_are_one_line_and_exit_2(error: Exception, monkeypatch, capsys) -> None:
    monkeypatch.setattr(front, "_run", lambda arguments: (_ for _ in ()).throw(error))
    assert main(["val"]) == 2
    assert capsys.readouterr().err == "pose: a.jpg: no such image\n"


def test_a_full_disk_is_one_line(monkeypatch, capsys) -> None:
    error = OSError(28, "No space left on device", "runs/predict/a.jpg")
    monkeypatch.setattr(front, "_run", lambda arguments: (_ for _ in ()).throw(error))
    assert main(["predict"]) == 2
    assert capsys.readouterr().err == "pose: runs/predict/a.jpg: No space left on device\n"


def test_verbose_lets_the_traceback_through(monkeypatch) -> None:
    monkeypatch.setattr(front, "_run", lambda arguments: (_ for _ in ()).throw(DataError("bad")))
    with pytest.raises(DataError):
        main(["-v", "val"])


def test_an_error_of_ours_is_not_passed_off_as_the_users(monkeypatch) -> None:
    monkeypatch.setattr(front, "_run", lambda arguments: (_ for _ in ()).throw(TypeError("a bug")))
    with pytest.raises(TypeError):
        main(["val"])


def test_an_interrupt_is_one_line_and_exit_130(monkeypatch, capsys) -> None:
    monkeypatch.setattr(front, "_run", lambda arguments: (_ for _ in ()).throw(KeyboardInterrupt()))
    assert main(["train"]) == 130
    assert capsys.readouterr().err == "pose: interrupted\n"


def test_a_reader_that_goes_away_is_no_error() -> None:
    code = "import sys\nfrom pose_cli.main import main\nsys.exit(main(['--help']))"
    reader = subprocess.Popen(
        [sys.executable, "-u", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert reader.stdout is not None
    reader.stdout.close()
    assert reader.wait(timeout=60) == 141
    assert reader.stderr is not None
    assert reader.stderr.read() == ""
    reader.stderr.close()
