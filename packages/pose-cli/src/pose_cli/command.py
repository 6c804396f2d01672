"""A click command whose words and help come from one settings dataclass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

import click

from pose_cli.words import read_words, words_help

_S = TypeVar("_S")


class WordsCommand(click.Command, Generic[_S]):
    """One command: reads its words, makes the settings, calls a function with them.

    Args:
        name: the command as it is typed after `pose`, such as "data check".
        settings: makes the dataclass when the command is run or its help is asked for, so that what it
            comes from is imported only then.
        run: what to do; returns the exit status.
        places: settings that bare words go to, in order.
        many: the setting that takes all the bare words that are left.
        make: makes what `run` gets of the words; None makes the settings themselves.
        help: first line as in the list of commands; then examples, taken as they are written.
    """

    def __init__(
        self,
        name: str,
        *,
        settings: Callable[[], type],
        run: Callable[[_S], int],
        help: str,
        places: Sequence[str] = (),
        many: str | None = None,
        make: Callable[[Mapping[str, object]], _S] | None = None,
    ) -> None:
        super().__init__(name.split()[-1], help=help, context_settings={"help_option_names": ["-h", "--help"]})
        self.full_name = name
        self.settings = settings
        self.run = run
        self.places = places
        self.many = many
        self.make = make

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words; only --help and --verbose are click's own."""
        own = [argument for argument in args if argument in ("-h", "--help")]
        if own:
            super().parse_args(ctx, own)
        words = [argument for argument in args if argument != "-v"]
        ctx.obj = read_words(
            words, settings=self.settings(), places=self.places, many=self.many, command=self.full_name
        )
        return []

    def invoke(self, ctx: click.Context) -> int:
        """Check the settings and run the command."""
        from pose_cli.console import show_log

        show_log()
        return self.run(self._make(ctx.obj))

    def _make(self, words: Mapping[str, object]) -> _S:
        if self.make is not None:
            return self.make(words)
        from pose_data import make_settings

        made: _S = make_settings(self.settings(), words, source=self.full_name)
        return made

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Show the bare words that the command takes."""
        shown = [f"[{place}{'...' if place == self.many else ''}]" for place in self.places]
        return [*shown, "[key=value ...]"]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the words with their defaults and meanings."""
        with formatter.section("Words, also as options (epochs=9 or --epochs 9, save_txt=True or --save-txt)"):
            formatter.write_dl(words_help(self.settings()))
