"""What a device pays to run an exported file: megabytes, import time, and time to the first pose.

A bare virtual environment gets pose-data and pose-export[onnxruntime], as wheels built from this checkout, and
nothing else. In it an exported file is run on an image.

    python benchmarks/runtime_install.py --model best.onnx --image photo.jpg --repeats 9
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = ("pose-data", "pose-export")
BUDGETS = {"venv_mb": 400.0, "import_ms": 150.0, "first_pose_ms": 1500.0}

IMPORT = """
import time
import cv2, numpy
start = time.perf_counter()
import pose_export
print(1000 * (time.perf_counter() - start))
"""

PREDICT = """
import json, sys
import cv2, pose_export
image = cv2.imread(sys.argv[2])[..., ::-1]
poses = pose_export.load(sys.argv[1], conf=float(sys.argv[3]))(image)
print(json.dumps({"people": len(poses), "torch": "torch" in sys.modules}))
"""


def main() -> None:
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        python = make_environment(Path(folder))
        figures = {
            "venv_mb": measure_megabytes(Path(folder) / "venv"),
            "venv_mb_without_pip": measure_megabytes(Path(folder) / "venv") - pip_megabytes(Path(folder) / "venv"),
            "import_ms": statistics.median(measure_import(python) for _ in range(arguments.repeats)),
        }
        runs = [measure_first_pose(python, arguments) for _ in range(arguments.repeats)]
        figures["first_pose_ms"] = statistics.median(milliseconds for milliseconds, _ in runs)
        print(f"{runs[0][1]['people']} people found, torch imported: {runs[0][1]['torch']}")
        print_table(figures, largest_packages(Path(folder) / "venv"))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", type=Path, required=True, help="an exported .onnx file")
    parser.add_argument("--image", type=Path, required=True, help="an image to predict on")
    parser.add_argument("--conf", type=float, default=0.25)
    parser.add_argument("--repeats", type=int, default=7, help="fresh processes per figure; the median counts")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    arguments = parser.parse_args()
    for path in (arguments.model, arguments.image):
        if not path.is_file():
            parser.error(f"{path}: no such file")
    return arguments


def make_environment(folder: Path) -> Path:
    """Build the wheels, make the environment and return its Python."""
    sources = [str(REPOSITORY / "packages" / name) for name in PACKAGES]
    quiet = ("-m", "pip", "--disable-pip-version-check", "--quiet")
    run([sys.executable, *quiet, "wheel", "--no-deps", "--wheel-dir", str(folder / "dist"), *sources])
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    data, export = (next((folder / "dist").glob(f"{name.replace('-', '_')}-*.whl")) for name in PACKAGES)
    run(
        [
            str(python),
            "-m",
            "pip",
            "--disable-pip-version-check",
            "install",
            "--quiet",
            str(data),
            f"{export}[onnxruntime]",
        ]
    )
    return python


def measure_import(python: Path) -> float:
    """Milliseconds of `import pose_export` over numpy and cv2, in a fresh process."""
    return float(run([str(python), "-c", IMPORT]))


def measure_first_pose(python: Path, arguments: argparse.Namespace) -> tuple[float, dict[str, int]]:
    """Milliseconds from the start of a process to its first poses and its end."""
    start = time.perf_counter()
    output = run([str(python), "-c", PREDICT, str(arguments.model), str(arguments.image), str(arguments.conf)])
    return 1000 * (time.perf_counter() - start), json.loads(output)


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command[:6])} ... failed:\n{done.stderr}")
    return done.stdout


def measure_megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()) / 1e6


def site_packages(folder: Path) -> Path:
    return next(path for path in folder.rglob("site-packages") if path.is_dir())


def pip_megabytes(folder: Path) -> float:
    return sum(measure_megabytes(path) for path in site_packages(folder).glob("pip*"))


def largest_packages(folder: Path) -> list[tuple[str, float]]:
    sizes = [(path.name, measure_megabytes(path)) for path in site_packages(folder).iterdir() if path.is_dir()]
    return sorted(sizes, key=lambda entry: -entry[1])[:8]


def print_table(figures: dict[str, float], packages: list[tuple[str, float]]) -> None:
    for name, figure in figures.items():
        budget = f"   (budget {BUDGETS[name]:g})" if name in BUDGETS else ""
        print(f"{name:<22}{figure:10.1f}{budget}")
    print("largest: " + ", ".join(f"{name} {megabytes:.0f} MB" for name, megabytes in packages))


if __name__ == "__main__":
    main()
