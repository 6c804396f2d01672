"""What other people's runtimes write to stderr about themselves doesn't reach the user; all else does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pose_cli.noise import without_noise

NOISE = (
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    "2026-01-30 22:44:42.456316: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.",
    "I0000 00:00:1795932234.364754    6044 port.cc:153] oneDNN custom operations are on.",
    "W0000 00:00:1795932239.655647    6044 tf_tfl_flatbuffer_helpers.cc:364] Ignored output_format.",
    "To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow with them.",
    "fully_quantize: 0, inference_type: 6, input_inference_type: FLOAT32, output_inference_type: FLOAT32",
    "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
)
FAULTS = (
    "E0000 00:00:1795932239.655647    6044 cuda_driver.cc:364] failed call to cuInit",
    "F0000 00:00:1795932239.655647    6044 tensor.cc:10] Check failed",
    "W0000 00:00:1795932239.655647    6044 cpu_allocator_impl.cc:82] Allocation exceeds 10% of free system memory.",
    "warning: something about a file of the user",
)


def run(body: str, after: str = "") -> subprocess.CompletedProcess[str]:
    """Run some lines with the filter in a process of their own."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    start = "import os, sys, subprocess\nfrom pose_cli.noise import without_noise\n"
    code = f"{start}with without_noise():\n{lines}{after}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("line", NOISE)
def test_noise_is_dropped(line: str) -> None:
    done = run(f"os.write(2, {line.encode()!r} + b'\\n')")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("line", FAULTS)
def test_all_else_goes_through(line: str) -> None:
    done = run(f"os.write(2, {line.encode()!r} + b'\\n')")
    assert (done.returncode, done.stderr) == (0, line + "\n")


@pytest.mark.parametrize("end", ["os._exit(3)", "os.abort()"])
def test_last_words_of_a_process_that_ends_at_once_are_shown(end: str) -> None:
    done = run(f"os.write(2, b'last words\\n')\n{end}")
    assert done.returncode != 0
    assert done.stderr == "last words\n"


def test_native_code_that_keeps_python_waiting_can_say_much() -> None:
    line = b"all operations of a graph\\n"
    done = run(f"import ctypes\nctypes.PyDLL(None).write(2, b'{line.decode()}' * 20000, 26 * 20000)")
    assert (done.returncode, len(done.stderr)) == (0, 26 * 20000)


def test_nothing_is_lost_where_the_filter_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise SystemExit(1)", encoding="utf-8")
    code = (
        "import os, pathlib\nfrom pose_cli import noise\n"
        f"noise._FILTER = pathlib.Path({str(tmp_path / 'broken.py')!r})\n"
        f"with noise.without_noise():\n    os.write(2, {NOISE[1].encode() + chr(10).encode()!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, NOISE[1] + "\n")


def test_what_was_made_inside_can_log_afterwards() -> None:
    done = run("import logging\nlogging.getLogger().addHandler(logging.StreamHandler())", "logging.warning('later')")
    assert (done.returncode, done.stderr) == (0, "later\n")


@pytest.mark.parametrize(
    ("words", "seen"), [(["predict"], False), (["-v", "predict"], True), (["info"], True)], ids=lambda case: str(case)
)
def test_commands_that_run_files_are_filtered(words: list[str], seen: bool) -> None:
    code = (
        "import os, sys\nfrom pose_cli import main\n"
        f"main._run = lambda given: os.write(2, {NOISE[2].encode() + chr(10).encode()!r}) * 0\n"
        f"sys.exit(main.main({words!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, NOISE[2] + "\n" if seen else "")


def test_child_processes_are_filtered_and_python_is_not() -> None:
    noise = NOISE[1]
    child = f"import os; os.write(2, {(noise + chr(10) + 'of the child' + chr(10)).encode()!r})"
    done = run(f"subprocess.run([sys.executable, '-c', {child!r}])\nprint({noise!r}, file=sys.stderr)")
    assert sorted(done.stderr.splitlines()) == sorted(["of the child", noise])


def test_an_error_is_shown_and_stderr_is_as_it_was_before() -> None:
    done = run("before = sys.stderr\nraise ValueError('of the work')")
    assert done.returncode == 1
    assert done.stderr.endswith("ValueError: of the work\n")


def test_a_stderr_of_ones_own_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stderr
    with without_noise():
        assert sys.stderr is before
        print("seen", file=sys.stderr)
    assert capsys.readouterr().err == "seen\n"
