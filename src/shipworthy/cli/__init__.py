"""The command line. Each command lives in a module of its own, which is imported when it is called for."""

from __future__ import annotations

import importlib
from typing import Any

import click

from shipworthy.version import __version__

_COMMANDS = {
    "check": "Evaluate what a plan names, judge what it requires, and decide.",
    "init": "Look at a data file and write a commented plan for it.",
    "size": "Plan the sample that a plan's requirements need.",
    "lock": "Fix a plan's digest before the first case is looked at.",
    "compare": "Compare two runs, or two prediction columns, case by case.",
    "reproduce": "Run a check again and hold every estimate against the record.",
    "verify": "Check that no file of a run has changed since it was written.",
    "metrics": "List the metrics there are, or explain one.",
    "suites": "List the suites of cases there are, or tell about one.",
    "attacks": "List the attacks there are, or explain one.",
    "schema": "Print the JSON Schema of the plan file.",
    "completion": "Print the script that completes commands in your shell.",
}


class _Lazy(click.Group):
    """A group that imports a command when it is called, so that help costs nothing."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"shipworthy.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in _COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], _COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="shipworthy")
def main(**_: Any) -> None:
    """Is it fit to ship, and how do you know?

    Exit codes of every command that decides: 0 ship, 1 hold, 2 the plan, input or call cannot be used, 3 undecided,
    4 evidence tampered or stale.
    """
