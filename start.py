"""Sets everything up in .venv and runs a session of noxfile.py: `python3 start.py tests`. Needs Python 3.10+ only."""

import sys

VERSION = "{}.{}".format(*sys.version_info)
if sys.version_info < (3, 10):  # noqa: UP036 - it is this line that tells people with an older Python
    sys.exit(f"start.py must be run by Python 3.10 or newer; got {VERSION}. Name one, as in: python3.12 start.py tests")

import importlib.util
import os
import subprocess
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
SCRIPTS = ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin")
PYTHON = SCRIPTS / ("python.exe" if os.name == "nt" else "python")


def main(arguments: list[str]) -> int:
    """Make .venv with nox in it unless it is there, then run the sessions named in `arguments`."""
    try:
        set_up()
    except subprocess.CalledProcessError as error:
        print(f"start.py: this command failed: {' '.join(error.cmd)}", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"start.py: {error}", file=sys.stderr)
        return 1
    chosen = ["-s", *arguments] if arguments and not arguments[0].startswith("-") else arguments or ["--list"]
    command = [str(PYTHON), "-m", "nox", "-f", str(ROOT / "noxfile.py"), *chosen]
    try:
        return subprocess.call(command)
    except KeyboardInterrupt:
        return 130


def set_up() -> None:
    """Make .venv and install nox there; the system's Python is left as it is."""
    if not importable("pip"):
        say(f"making {ENVIRONMENT} with Python {VERSION}")
        make_environment()
    if not importable("nox"):
        say("installing nox, which runs the sessions")
        run(PYTHON, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", "nox")


def importable(module: str) -> bool:
    """Whether .venv is there and has a module."""
    command = [str(PYTHON), "-c", f"import {module}"]
    return PYTHON.exists() and subprocess.call(command, stderr=subprocess.DEVNULL) == 0


def make_environment() -> None:
    """Make .venv with pip in it.

    Raises:
        OSError: where this Python can't, as on Debian without the package python3-venv.
    """
    if importlib.util.find_spec("ensurepip") is None:
        raise OSError(
            "this Python can't make an environment with pip in it (it has no ensurepip); install what does "
            "(Debian, Ubuntu: apt install python3-venv) or name another one, as in: python3.12 start.py tests"
        )
    venv.create(ENVIRONMENT, with_pip=True)


def run(*command: object) -> None:
    """Run a command and raise where it fails."""
    subprocess.run([str(word) for word in command], check=True)


def say(text: str) -> None:
    """Print what is done now."""
    print(f"start.py: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
