"""The sessions that check the house: `python3 start.py --list` names them.

Heavy dependencies are installed once, into .venv; `quickstart`, `tests`, `docs`, `types` and `contracts` share it, and
the `pose` command stays there. `alone` is the opposite: a bare environment per package, from its wheel, with all its
tests, or after `tests` with those that are quick; `extras` is that for each extra of pose-export.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tools"))

from format_table import GPU_ONLY, Case, make_cases, make_whole_case, read_rows  # noqa: E402 - lies in tools/
from package_info import (  # noqa: E402
    OWN_SESSION,
    PACKAGES,
    Package,
    extra_steps,
    needs_torch,
    outside_requirements,
    siblings,
    usual_extras,
)

CONSTRAINTS = ROOT / "constraints.txt"
DIST = ROOT / "dist"
WEIGHTS = ROOT / "packages" / "pose-cli" / "src" / "pose_cli" / "weights" / "people-n.safetensors"
ENVIRONMENT = ROOT / ".venv"
SCRIPTS = ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin")
PYTHON = str(SCRIPTS / "python")

THIS_PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
OLDEST_NUMPY_PYTHONS = ("3.10", "3.11", "3.12")  # numpy 1.26 has no wheel for later ones
NO_INDEX = ("--no-index", "--no-deps")
BUILDERS = ("hatchling", "editables")
TFJS = ("@tensorflow/tfjs@4.22.0", "@tensorflow/tfjs-backend-wasm@4.22.0")
TRANSFORMERS_JS = "@huggingface/transformers@4.3.1"
FIFTYONE = ("fiftyone", "fiftyone-brain", "voxel51-eta")  # all of it but its database server
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")  # what packages of it call their program
CHECKERS = ("mypy", "types-PyYAML", "tomli", "import-linter")  # tomli: what mypy reads of it for Python 3.10
SPREADER = "pytest-xdist"
# A process per core, and every test of a file in the same one: `-- -n 0` goes back to a single process.
SPREAD = ("-n", "auto", "--dist", "loadfile")
SPREAD_ONE_FILE = ("-n", "auto")

# Tests that take longer than these seconds are four fifths of the time; `alone` leaves out what `tests` noted here.
SLOW = "3"
SLOW_TESTS = ENVIRONMENT / "slow-tests.txt"

NO_TESTS = 5  # what pytest ends with where there was none to run

# Networks in tests are so small that on a busy machine torch's threads wait for each other far longer than they work.
ONE_THREAD = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}

nox.options.sessions = ["tests", "docs", "lint", "types", "contracts", "imports"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = False


@nox.session(python=False)
def quickstart(session: nox.Session) -> None:
    """Install everything into .venv and run the main job: `pose demo`."""
    install_everything(session)
    session.run(str(SCRIPTS / "pose"), "demo", *session.posargs, external=True)


@nox.session(python=False)
def tests(session: nox.Session) -> None:
    """Every test of every package, all of them editable in .venv."""
    install_everything(session)
    SLOW_TESTS.unlink(missing_ok=True)
    notes = ("-p", "passed_before", "--note", str(SLOW_TESTS), "--slower-than", SLOW)
    environment = {**ONE_THREAD, "PYTHONPATH": str(ROOT / "tools")}
    session.run(PYTHON, "-m", "pytest", *SPREAD, *notes, *session.posargs, external=True, env=environment)


@nox.session(python=False)
def docs(session: nox.Session) -> None:
    """Every command and every Python block of the guide, followed page by page."""
    install_everything(session)
    session.run(PYTHON, "-m", "pytest", *SPREAD_ONE_FILE, "docs", *session.posargs, external=True, env=ONE_THREAD)


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff: the rules, then the format."""
    session.install("-q", "-c", str(CONSTRAINTS), "ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session(python=False)
def types(session: nox.Session) -> None:
    """Mypy, strict, on all packages and on the tools."""
    install_everything(session)
    modules = [word for package in PACKAGES for word in ("-p", package.module)]
    session.run(PYTHON, "-m", "mypy", *modules, external=True)
    tools = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tools").glob("*.py"))
    session.run(PYTHON, "-m", "mypy", "start.py", "noxfile.py", *tools, external=True, env={"MYPYPATH": "tools"})


@nox.session(python=False)
def contracts(session: nox.Session) -> None:
    """Import-linter: who may import whom, and only through the door."""
    install_everything(session)
    session.run(str(SCRIPTS / "lint-imports"), "--no-logo", "--no-cache", external=True)
    session.run(PYTHON, "tools/check_doors.py", external=True)


@nox.session(python=False)
def imports(session: nox.Session) -> None:
    """Each import in src/ is declared by that very package; nothing anywhere imports an AGPL program."""
    session.run(sys.executable, "tools/check_imports.py", external=True)


@nox.session
def wheels(session: nox.Session) -> None:
    """Build every sdist, and every wheel from its sdist, into dist/."""
    session.install("-q", "-c", str(CONSTRAINTS), "build", "hatchling")
    shutil.rmtree(DIST, ignore_errors=True)
    for package in PACKAGES:
        # hatchling is in this environment, so none has to be made for each of the twelve files
        session.run("python", "-m", "build", "--no-isolation", "--outdir", str(DIST), str(package.folder), silent=True)
    session.run("python", "tools/check_dist.py", str(DIST))


def interpreter(version: str) -> str:
    """Where Python of a version is: on the PATH, or kept by pyenv or uv; else the version, which nox then skips."""
    if version == THIS_PYTHON:
        return version
    homes = (os.environ.get("PYENV_ROOT", "~/.pyenv") + "/versions", "~/.local/share/uv/python")
    kept = [file for home in homes for file in Path(home).expanduser().glob(f"*{version}.*/bin/python{version}")]
    for candidate in (shutil.which(f"python{version}"), *sorted(map(str, kept), reverse=True)):
        # a shim is on the PATH even where what it stands for isn't chosen, so it must run to count
        if candidate and subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return candidate
    return version


def alone_cases() -> list[object]:
    """Every package on this Python, and those that work without torch on every Python."""
    interpreters = {version: interpreter(version) for version in (*PYTHONS, THIS_PYTHON)}
    return [
        nox.param(python, package, id=f"{package.name}-{version}")
        for package in PACKAGES
        for version, python in interpreters.items()
        if version == THIS_PYTHON or not needs_torch(package)
    ]


@nox.session(requires=["wheels"], reuse_venv=False)
@nox.parametrize(["python", "package"], alone_cases())
def alone(session: nox.Session, package: Package) -> None:
    """Each package in a bare environment: its wheel, what it declares, all its modules, its own tests."""
    steps = [step for step in extra_steps(package) if session.python == THIS_PYTHON or not needs_torch(package, step)]
    with tempfile.TemporaryDirectory(prefix=f"{package.name}-") as name, session.chdir(name):
        unpack_tests(package, Path(name))
        settings = ("-c", str(ROOT / "pyproject.toml"), "--rootdir", name, "-p", "no:cacheprovider", *SPREAD)
        # A test that passed without an extra isn't run again with it: `tests` does that, with all of them. Nor is a
        # slow one, on the Python with which it passed there.
        passed = Path(name, "passed.txt")
        if session.python == THIS_PYTHON:
            passed.write_text(slow_tests(package), encoding="utf-8")
        only_new = ("-p", "passed_before", "--leave-out", str(passed), "--note", str(passed))
        for extras in steps:
            session.log(f"{package.name} with {', '.join(extras) or 'no extra'}")
            install_wheels(session, package, extras)
            session.run("python", str(ROOT / "tools" / "check_installed.py"), package.name, *extras)
            session.install("-q", "-c", str(CONSTRAINTS), SPREADER, *package.test_requirements)
            words = ("python", "-m", "pytest", *settings, *only_new, "tests", *session.posargs)
            environment = {**ONE_THREAD, "PYTHONPATH": str(ROOT / "tools")}
            session.run(*words, env=environment, success_codes=(0, NO_TESTS) if extras else (0,))
        oldest = oldest_numpy(package)
        if oldest and session.python == THIS_PYTHON and THIS_PYTHON in OLDEST_NUMPY_PYTHONS:
            session.log(f"{package.name} with {oldest}")
            session.install("-q", oldest)
            session.run("python", "-m", "pytest", *settings, "tests", *session.posargs, env=ONE_THREAD)
    # What passed is of no more use, and these environments together would take ten gigabytes; what failed stays.
    shutil.rmtree(session.virtualenv.location)


def slow_tests(package: Package) -> str:
    """Names of a package's tests that took long in `tests` and passed, a line each; none where code was changed."""
    files = [file for one in PACKAGES for folder in ("src", "tests") for file in (one.folder / folder).rglob("*.py")]
    if not SLOW_TESTS.exists() or SLOW_TESTS.stat().st_mtime < max(file.stat().st_mtime for file in files):
        return ""
    names = SLOW_TESTS.read_text(encoding="utf-8").splitlines()
    prefix = f"packages/{package.name}/"
    return "".join(f"{name.removeprefix(prefix)}\n" for name in names if name.startswith(prefix))


def extras_cases() -> list[object]:
    """Every extra that the table of formats names, then all together; large ones can be left out by their tag."""
    rows = read_rows()
    cases = (*make_cases(rows), make_whole_case(rows))
    large = {case.extra for case in cases if OWN_SESSION.intersection(case.making)}
    return [nox.param(case, id=case.extra, tags=["large"] if case.extra in large else []) for case in cases]


@nox.session(requires=["wheels"], reuse_venv=False)
@nox.parametrize("case", extras_cases())
def extras(session: nox.Session, case: Case) -> None:
    """Each extra of pose-export in a bare environment: its formats are made there, and run in one with less in it."""
    if GPU_ONLY in case.making and shutil.which("nvidia-smi") is None:
        session.skip("TensorRT builds and runs on a GPU of NVIDIA, and no nvidia-smi is here: nothing of it was tried")
    package = package_named("pose-export")
    install_wheels(session, package, case.making)
    with tempfile.TemporaryDirectory(prefix="extras-") as folder:
        try_extra(session, "make", folder, str(WEIGHTS), formats=case.formats)
        for run_extras, formats in case.running.items():
            if run_extras == case.making:
                try_extra(session, "run", folder, formats=formats)
                continue
            session.virtualenv.create()  # a bare one again, in the same place
            install_wheels(session, package, run_extras)
            try_extra(session, "run-alone", folder, formats=formats)
    shutil.rmtree(session.virtualenv.location)


def try_extra(session: nox.Session, *words: str, formats: tuple[str, ...]) -> None:
    """Do a job of tools/try_extra.py with some formats; TF.js is left out where npm doesn't give it."""
    environment = fetch_node_packages(session, *TFJS) if "tfjs" in formats else {}
    if "tfjs" in formats and not environment:
        session.log("npm is not on the PATH, or its registry gave no TF.js: TF.js is left out")
        formats = tuple(name for name in formats if name != "tfjs")
    script = str(ROOT / "tools" / "try_extra.py")
    session.run("python", script, *words, *formats, env={**ONE_THREAD, **environment})


@nox.session(requires=["wheels"])
def tensorflow(session: nox.Session) -> None:
    """SavedModel, frozen graph, TFLite, Edge TPU and, where npm is on the PATH, TF.js: converted and run."""
    modules = ["tensorflow", "ai_edge_litert"]
    environment = fetch_node_packages(session, *TFJS)
    if environment:
        modules.append("node")
    else:
        session.log("npm is not on the PATH, or its registry gave no TF.js: TF.js is left out")
    extras = ("convert", "tensorflow", "tflite", "litert")
    try_export(
        session,
        extras,
        tests=("tensorflow", "tflite", "tfjs", "repeat", "files"),
        must=modules,
        environment=environment,
    )
    formats = ("saved_model", "pb", "tflite", "edgetpu", *(("tfjs",) if environment else ()))
    try_commands(session, formats, environment=environment)


@nox.session(requires=["wheels"])
def paddle(session: nox.Session) -> None:
    """Paddle inference models: converted and run."""
    try_export(session, ("convert", "paddle"), tests=("paddle", "repeat", "files"), must=["paddle"], environment={})
    try_commands(session, ("paddle",), environment={})


@nox.session(requires=["wheels"])
def clients(session: nox.Session) -> None:
    """Other people's programs read our files and find our poses: OpenCV, FiftyOne, a browser and others."""
    export, evaluation = package_named("pose-export"), package_named("pose-eval")
    modules = ["torch", "pose_nn", "onnx", "onnxslim", "onnxruntime", "openvino"]
    modules += ["benchmark_app", "onnxsim", "supervision", "fiftyone"]
    environment = fetch_node_packages(session, *TFJS, TRANSFORMERS_JS)
    if environment:
        modules.append("transformers.js")
    else:
        session.log("npm is not on the PATH, or its registry gave nothing: transformers.js and TF.js are left out")
    if environment and any(map(shutil.which, CHROMIUM)):
        modules += ["tensorflow", "node", "chromium"]
    else:
        session.log("none of " + ", ".join(CHROMIUM) + " is on the PATH, or there is no TF.js: the browser is left out")
    # In an environment that is used again pip would complain of what FiftyOne declares and doesn't get.
    session.run("python", "-m", "pip", "uninstall", "-q", "-y", *FIFTYONE)
    browser = ("tensorflow",) if "chromium" in modules else ()
    install_wheels(session, export, ("convert", "onnxruntime", "openvino-run", *browser))
    install_wheels(session, evaluation, ())
    session.install("-q", "-c", str(CONSTRAINTS), "onnxsim", "supervision", *export.test_requirements)
    install_fiftyone(session)
    run_chosen_tests(session, export, ["test_export_client_*.py"], must=modules, environment=environment)
    session.run("python", "-c", "import supervision")  # without it the test of pose-eval would be skipped
    run_chosen_tests(session, evaluation, ["test_eval_client_*.py"], must=[], environment={})


def install_fiftyone(session: nox.Session) -> None:
    """Install FiftyOne with what it declares, but for its database server and its older OpenCV.

    The server isn't free software, and what converts labels does without it.
    """
    session.install("-q", "-c", str(CONSTRAINTS), "--no-deps", *FIFTYONE)
    code = "import sys, importlib.metadata as m; print(*(w for n in sys.argv[1:] for w in m.requires(n)), sep='\\n')"
    words = str(session.run("python", "-c", code, *FIFTYONE, silent=True)).splitlines()
    left_out = ("fiftyone", "voxel51", "opencv")
    chosen = [word for word in words if not word.startswith(left_out) and "extra ==" not in word]
    session.install("-q", "-c", str(CONSTRAINTS), *chosen)


def fetch_node_packages(session: nox.Session, *packages: str) -> dict[str, str]:
    """Fetch packages of node, and say where in NODE_PATH; nothing where npm or one of the packages isn't to be had."""
    npm = shutil.which("npm")
    if npm is None:
        return {}
    folder = Path(session.create_tmp()).resolve() / "node"  # tests' own temporary folders must not be inside it
    fetch = (npm, "install", "--silent", "--ignore-scripts", "--prefix", str(folder), *packages)
    session.run(*fetch, external=True, success_codes=range(256))
    modules = folder / "node_modules"
    found = all((modules / package.rpartition("@")[0]).is_dir() for package in packages)
    return {"NODE_PATH": str(modules)} if found else {}


def try_export(
    session: nox.Session,
    extras: tuple[str, ...],
    *,
    tests: tuple[str, ...],
    must: list[str],
    environment: dict[str, str],
) -> None:
    """Run tests of pose-export in an environment of its wheel and some extras, where nothing may be missing.

    Args:
        tests: the middle of their names: test_export_<name>.py.
        must: modules without which a test fails rather than being skipped.
    """
    package = package_named("pose-export")
    install_wheels(session, package, extras)
    session.install("-q", "-c", str(CONSTRAINTS), SPREADER, *package.test_requirements)
    patterns = [f"test_export_{test}.py" for test in tests]
    run_chosen_tests(session, package, patterns, must=must, environment=environment, settings=SPREAD)


def try_commands(session: nox.Session, formats: tuple[str, ...], *, environment: dict[str, str]) -> None:
    """Install pose-cli as well, and give its commands a file of each of these formats, which must be there."""
    package = package_named("pose-cli")
    install_wheels(session, package, ())
    session.install("-q", "-c", str(CONSTRAINTS), SPREADER, *package.test_requirements)
    must = {"POSE_CLI_MUST": ",".join(formats)}
    run_chosen_tests(
        session,
        package,
        ["test_cli_formats.py"],
        must=[],
        environment={**environment, **must},
        settings=SPREAD_ONE_FILE,
    )


def run_chosen_tests(
    session: nox.Session,
    package: Package,
    patterns: list[str],
    *,
    must: list[str],
    environment: dict[str, str],
    settings: tuple[str, ...] = (),
) -> None:
    """Run files of a package's tests, from its sdist, where the package is installed.

    Args:
        must: modules and programs without which a test of pose-export fails rather than being skipped.
        settings: further ones of pytest.
    """
    with tempfile.TemporaryDirectory(prefix=f"{package.name}-") as name, session.chdir(name):
        unpack_tests(package, Path(name))
        settings = ("-c", str(ROOT / "pyproject.toml"), "--rootdir", name, "-p", "no:cacheprovider", *settings)
        files = [f"tests/{file.name}" for pattern in patterns for file in sorted(Path(name, "tests").glob(pattern))]
        if not files:
            session.error(f"{package.name} has no tests that are called {' or '.join(patterns)}")
        environment = {**ONE_THREAD, **environment, "POSE_EXPORT_MUST": ",".join(must)}
        fine = (0, NO_TESTS) if session.posargs else (0,)
        session.run("python", "-m", "pytest", *settings, *files, *session.posargs, env=environment, success_codes=fine)


def package_named(name: str) -> Package:
    """One of the packages of this project."""
    return next(one for one in PACKAGES if one.name == name)


def oldest_numpy(package: Package) -> str | None:
    """The oldest numpy that a package of numpy alone declares to work with; others can't choose it freely."""
    if [word.name for word in package.requirements] != ["numpy"]:
        return None
    floor = next(bound.version for bound in package.requirements[0].specifier if bound.operator == ">=")
    return f"numpy=={floor}.*"


def install_everything(session: nox.Session) -> None:
    """Make .venv unless it is there, and install all packages editable in it, with what they and their tests need.

    Siblings are never resolved from an index, where other people own some of the names: pip gets the requirements
    from outside first, with the siblings left out, and then the six folders with no index at all.
    """
    outside = {word for package in PACKAGES for word in outside_requirements(package, usual_extras(package))}
    outside.update(CHECKERS, [SPREADER], *(package.test_requirements for package in PACKAGES))
    folders = [word for package in PACKAGES for word in ("-e", str(package.folder))]
    stamp = ENVIRONMENT / "installed-by-nox.txt"
    key = fingerprint([*sorted(outside), *folders])
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == key:
        return
    if not SCRIPTS.is_dir():
        session.run(sys.executable, "-m", "venv", str(ENVIRONMENT), external=True)
    session.log("installing the packages and what they need into .venv; PyTorch is large, so this takes a while")
    pip = (PYTHON, "-m", "pip", "install")
    session.run(*pip, "-c", str(CONSTRAINTS), *BUILDERS, *sorted(outside), external=True)
    session.run(*pip, "--quiet", *NO_INDEX, "--no-build-isolation", *folders, external=True)
    session.run(PYTHON, "-m", "pip", "check", external=True)
    stamp.write_text(key, encoding="utf-8")


def fingerprint(words: list[str]) -> str:
    """A digest of everything that decides what is installed: it changes when .venv must."""
    files = [CONSTRAINTS, *(package.folder / "pyproject.toml" for package in PACKAGES)]
    content = b"".join(file.read_bytes() for file in files) + "\n".join(words).encode()
    return hashlib.sha256(content).hexdigest()


def install_wheels(session: nox.Session, package: Package, extras: tuple[str, ...]) -> None:
    """Install a package with extras: itself and its siblings from dist/, with no index, and the rest from the index."""
    session.env["PIP_COMPILE"] = "0"  # little of torch and TensorFlow is imported: most bytecode would be for nothing
    wheels = [str(next(DIST.glob(f"{one.module}-*.whl"))) for one in (package, *siblings(package, extras))]
    session.install("-q", "--force-reinstall", *NO_INDEX, *wheels)  # versions stay the same while code changes
    session.install("-q", "-c", str(CONSTRAINTS), *outside_requirements(package, extras))
    session.run("python", "-m", "pip", "check")


def unpack_tests(package: Package, folder: Path) -> None:
    """Put what an sdist holds into a folder, all but src/, so that the tests can only meet the installed package."""
    shutil.unpack_archive(next(DIST.glob(f"{package.module}-*.tar.gz")), folder)
    unpacked = next(folder.glob(f"{package.module}-*"))
    shutil.rmtree(unpacked / "src")
    for path in list(unpacked.iterdir()):
        path.rename(folder / path.name)
