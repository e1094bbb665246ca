"""What every command shares: verbosity, errors with their exit codes, and where words go."""

from __future__ import annotations

import functools
import json
import logging
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
SHIP, HOLD, UNUSABLE, UNDECIDED, STALE = 0, 1, 2, 3, 4
EXIT_OF_DECISION = {"ship": SHIP, "hold": HOLD, "undecided": UNDECIDED}


def command_options(function: F) -> F:
    """Add --json, --quiet and --verbose."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print the result as JSON to stdout; words go to stderr."),
        click.option("-q", "--quiet", is_flag=True, help="Print the result and nothing else."),
        click.option(
            "-v", "--verbose", is_flag=True, help="Tell every step, and show tracebacks of unexpected errors."
        ),
    ):
        function = option(function)
    return function


def guarded(function: F) -> F:
    """Turn our errors into one message on stderr and an exit code; never a traceback unless --verbose asks for it."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        from shipworthy.errors import ShipworthyError, Stale, Unusable
        from shipworthy.present.safe import plain

        logging.getLogger("sqlglot").setLevel(logging.ERROR)
        try:
            return function(*args, **kwargs)
        except Unusable as error:
            count = len(error.faults)
            for fault in error.faults:
                click.echo(
                    "\n".join(
                        plain(line) if line.startswith(fault.code) else "  " + plain(line.strip())
                        for line in str(fault).splitlines()
                    ),
                    err=True,
                )
            if count > 1:
                click.echo(f"{count} faults. Nothing was written.", err=True)
            sys.exit(UNUSABLE)
        except Stale as error:
            click.echo(plain(error), err=True)
            sys.exit(STALE)
        except ShipworthyError as error:
            click.echo(plain(error), err=True)
            sys.exit(UNUSABLE)
        except KeyboardInterrupt:
            click.echo("Stopped. Nothing was written.", err=True)
            sys.exit(130)
        except click.ClickException:
            raise
        except BrokenPipeError:
            sys.exit(0)
        except Exception as error:
            if kwargs.get("verbose"):
                raise
            click.echo(f"CALL001  an unexpected {type(error).__name__}: {plain(error)[:400]}", err=True)
            click.echo(
                "  mend   this is a defect of Shipworthy; run again with --verbose and report what it prints", err=True
            )
            sys.exit(UNUSABLE)

    return wrapper  # type: ignore[return-value]


def print_json(value: Any) -> None:
    """A result for machines, to stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def talker(*, quiet: bool) -> Callable[[str], None]:
    """Progress for people: a spinner on a terminal, silence elsewhere."""
    if quiet or not sys.stderr.isatty():
        return lambda step: None
    from rich.console import Console

    status = Console(stderr=True).status("starting")
    status.start()
    import atexit

    atexit.register(status.stop)

    def say(step: str) -> None:
        if step:
            status.update(step)
        else:
            status.stop()

    return say
