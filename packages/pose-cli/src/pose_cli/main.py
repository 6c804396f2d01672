"""The `pose` command: finds the command that was asked for, imports it only then, and turns errors into one line."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence

import click

from pose_cli._version import __version__

# Command, module that holds it, and the sentence that `pose --help` shows without importing that module.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "train": ("pose_cli.commands.train", "Train a network on a data set, from scratch or from weights."),
    "tune": ("pose_cli.commands.tune", "Search over training settings: many short runs, the weak ones stopped early."),
    "val": ("pose_cli.commands.val", "Measure a file of weights, or an exported file, on a data set."),
    "predict": ("pose_cli.commands.predict", "Find people and their keypoints in images."),
    "track": ("pose_cli.commands.track", "Follow people and their keypoints through a video or a folder of frames."),
    "export": ("pose_cli.commands.export", "Turn a file of weights into another format and check the result."),
    "benchmark": (
        "pose_cli.commands.benchmark",
        "Measure formats and precisions of a network, or files, side by side.",
    ),
    "info": ("pose_cli.commands.info", "Show what a file of weights or a network is."),
    "data": ("pose_cli.commands.data", "Check and convert data sets."),
    "download": ("pose_cli.commands.download", "Fetch a public data set from its own site."),
    "demo": ("pose_cli.commands.demo", "Fine-tune, measure, draw and export on drawn people, in minutes."),
}
RUN_FILES = ("val", "predict", "track", "export", "benchmark")  # commands that bring other people's runtimes
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it
EXIT_BROKEN_PIPE = 141  # 128 + SIGPIPE


class LazyGroup(click.Group):
    """A group of commands whose modules are imported when one of them is run, not when all are listed."""

    def __init__(self, name: str, table: Mapping[str, tuple[str, str]], *, help: str) -> None:
        super().__init__(name, help=help, context_settings={"help_option_names": ["-h", "--help"]})
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module and take its `command`."""
        if cmd_name not in self.table:
            return None
        command = importlib.import_module(self.table[cmd_name][0]).command
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one was probably meant."""
        if args and args[0] not in self.table and not args[0].startswith("-"):
            raise click.UsageError(_unknown_command(ctx.command_path, args[0], tuple(self.table)))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, sentence) for name, (_, sentence) in self.table.items()])


def make_cli() -> LazyGroup:
    """The `pose` group with its options."""
    cli = LazyGroup(
        "pose",
        COMMANDS,
        help="People and their keypoints in images: train, measure, use and export the networks.\n\n"
        "Every command takes words such as epochs=100 and the same as options, --epochs 100.",
    )
    cli.params.append(
        click.Option(
            ["-v", "--verbose"], is_flag=True, expose_value=False, help="Show tracebacks, and all that runtimes say."
        )
    )
    version = click.version_option(__version__, prog_name="pose", message="%(prog)s %(version)s")
    return version(cli)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: what follows `pose`; None takes the process's own.

    Returns:
        The exit status: 0 done, 1 faults were found, 2 the input can't be used, 130 interrupted.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    verbose = "-v" in given or given[:1] == ["--verbose"]
    try:
        if verbose or given[:1] == [] or given[0] not in RUN_FILES:
            return _run(given)
        from pose_cli.noise import without_noise

        with without_noise():
            return _run(given)
    except KeyboardInterrupt as stop:
        return _fail(str(stop) or "interrupted", EXIT_INTERRUPTED)
    except BrokenPipeError:
        return _close_broken_pipe()
    except Exception as error:
        if verbose or not is_users_error(error):
            raise
        return _fail(_sentence(error), EXIT_BAD_INPUT)


def is_users_error(error: Exception) -> bool:
    """Whether the message of an error is meant for the user: bad input, or a file that can't be read or written."""
    # A package that was never imported can't have raised its error, so nothing is imported to compare with.
    kinds: list[type] = [click.ClickException, OSError]
    for module, name in (("pose_data", "PoseError"), ("pose_eval", "EvalError")):
        kind = getattr(sys.modules.get(module), name, None)
        if isinstance(kind, type):
            kinds.append(kind)
    return isinstance(error, tuple(kinds))


def _run(arguments: list[str]) -> int:
    cli = make_cli()
    try:
        with cli.make_context("pose", arguments) as context:
            status = cli.invoke(context)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.exceptions.NoArgsIsHelpError as shown:
        click.echo(shown.format_message())
        return EXIT_BAD_INPUT
    except click.Abort as stop:
        raise KeyboardInterrupt from stop
    sys.stdout.flush()
    return status if isinstance(status, int) else 0


def _sentence(error: Exception) -> str:
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def _unknown_command(path: str, given: str, known: Sequence[str]) -> str:
    listed = ", ".join(known)
    if "=" in given:
        return f"the command comes first ({listed}); got '{given}'. Write: {path} {known[0]} {given}"
    from pose_data import nearest_key

    near = nearest_key(given, known)
    return f"no command '{given}' in '{path}'; " + (f"did you mean '{near}'?" if near else f"there are {listed}")


def _fail(message: str, status: int) -> int:
    text = message.strip() if "\n  " in message else " ".join(message.split())  # lists keep a line for each entry
    click.echo(f"pose: {text}", err=True)
    return status


def _close_broken_pipe() -> int:
    # Python would complain when it flushes stdout at exit; there is nobody left to read it.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_BROKEN_PIPE


if __name__ == "__main__":
    sys.exit(main())
