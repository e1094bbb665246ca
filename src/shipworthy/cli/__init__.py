"""The command line. Each command lives in a module of its own, which is imported when it is called for."""

from __future__ import annotations

import functools
import importlib
import os
import sys
from typing import Any

import click

from shipworthy.version import __version__

_SECTIONS = {
    "Check": {
        "init": "Look at a data file and write a commented plan for it.",
        "size": "Plan the sample that a plan's requirements need.",
        "lock": "Fix a plan's digest before the first case is looked at.",
        "check": "Evaluate what a plan names, judge what it requires, and decide.",
        "label": "Label answers of a run by hand, to correct its judge.",
        "compare": "Compare two runs, or two prediction columns, case by case.",
        "reproduce": "Run a check again and hold every estimate against the record.",
    },
    "Govern": {
        "system": "Say what a system does, and what its risk tier asks for.",
        "risk": "Keep the risk register: what may go wrong, and what is left of it.",
        "mitigation": "Say what is done against risks, and show that it works.",
        "waiver": "Ask for leave to ship although a requirement is not met, or give it.",
        "sign": "Sign the decision of a run.",
        "signoffs": "List who signed what, and which of it still counts.",
        "status": "Say whether a system is fit to ship now, and what has changed.",
        "incident": "Keep the record of what went wrong in use.",
        "kpi": "Show how well the programme works, over any window.",
        "trace": "Follow each requirement to its test, risk, mitigation and signature.",
    },
    "Show": {
        "pack": "Pack a run with all that stands behind its decision, for anyone to verify.",
        "verify": "Check that a package, a log or a run is what was written.",
        "export": "Write a run's rows for another tool: Inspect, CSV or JSON Lines.",
        "record": "Look after the record: its runs, its log, its people.",
        "keys": "Make the keys that sign, and say whose they are.",
        "serve": "Show the record as web pages, to you alone or to a team.",
        "account": "Say who may sign in to a team's pages, and what they may do.",
    },
    "Look up": {
        "metrics": "List the metrics there are, or explain one.",
        "suites": "List the suites of cases there are, or tell about one.",
        "attacks": "List the attacks there are, or explain one.",
        "scorers": "List the scorers there are, or explain one.",
        "catalogues": "List the catalogues of controls and hazards, or tell about one control.",
        "schema": "Print the JSON Schema of the plan file.",
        "completion": "Print the script that completes commands in your shell.",
    },
}
_COMMANDS = {name: does for section in _SECTIONS.values() for name, does in section.items()}


_RUNS_CODE = {"check", "compare", "reproduce"}  # code that a plan names; see supervision.py


class _Lazy(click.Group):
    """A group that imports a command when it is called, so that help costs nothing."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The console's entry: with no words of its own it reads those of the command line."""
        from shipworthy.cli import streams, supervision

        work = functools.partial(super().__call__, *args, **kwargs)
        given = bool(args or kwargs.get("args"))  # called from Python, whose own code goes on afterwards
        if not given:
            streams.open_streams()
        if not given and "_SHIPWORTHY_COMPLETE" not in os.environ and sys.argv[1:2] and sys.argv[1] in _RUNS_CODE:
            supervision.supervised(work)
        sys.exit(supervision.exit_code(work))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was called for. Stopped while it is imported, it has not begun."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("Stopped. Nothing was written.", err=True)
            ctx.exit(130)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"shipworthy.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for title, commands in _SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(list(commands.items()), col_spacing=2)

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
