"""What every command shares: verbosity, errors with their exit codes, and where words go."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from shipworthy.errors import Fault

F = TypeVar("F", bound=Callable[..., Any])
SHIP, HOLD, UNUSABLE, UNDECIDED, STALE = 0, 1, 2, 3, 4
SHOWN_FAULTS = 50
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
        from shipworthy.errors import Damaged, ShipworthyError, Stale, Unusable
        from shipworthy.present.safe import plain

        logging.getLogger("sqlglot").setLevel(logging.ERROR)
        try:
            with _results_only() if kwargs.get("as_json") else contextlib.nullcontext():
                return function(*args, **kwargs)
        except Unusable as error:
            if kwargs.get("as_json"):
                print_json({"faults": [asdict(fault) for fault in error.faults]})
            print_faults(error.faults)
            if len(error.faults) > 1:
                click.echo(f"{len(error.faults):,} faults. Nothing was written.", err=True)
            sys.exit(STALE if isinstance(error, Damaged) else UNUSABLE)
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
        except SystemExit as stop:
            if not (strangers := _stranger(stop)):
                raise
            from shipworthy.errors import Fault

            what = "the code that the plan names called sys.exit before the command was done: no result was written"
            print_faults([Fault(code="CALL006", what=what, where=strangers, mend="return or raise in its place")])
            sys.exit(UNUSABLE)
        except BrokenPipeError:
            sys.exit(141)  # as a shell says it; 0 would say "ship"
        except Exception as error:
            if _is_nowhere():
                from shipworthy.errors import Fault

                what = "the folder that the command was called in is gone"
                print_faults([Fault(code="CALL008", what=what, where=".", mend="change into a folder that exists")])
                sys.exit(UNUSABLE)
            if kwargs.get("verbose"):
                raise
            click.echo(f"CALL001  an unexpected {type(error).__name__}: {plain(error)[:400]}", err=True)
            click.echo(
                "  mend   this is a defect of Shipworthy; run again with --verbose and report what it prints", err=True
            )
            sys.exit(UNUSABLE)

    return wrapper  # type: ignore[return-value]


def _is_nowhere() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False


def _stranger(stop: SystemExit) -> str:
    """`file, line n` of who called sys.exit; empty for a command's own end."""
    trace = stop.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or trace.tb_frame.f_globals.get("__name__", "").startswith(("shipworthy.", "click.")):
        return ""
    return f"{Path(trace.tb_frame.f_code.co_filename).name}, line {trace.tb_lineno}"


def print_faults(faults: Sequence[Fault]) -> None:
    """What is wrong, for people: the first SHOWN_FAULTS to stderr, and how many more there are."""
    from shipworthy.present.safe import plain

    for fault in faults[:SHOWN_FAULTS]:
        first, *rest = str(fault).splitlines()
        click.echo("\n".join([plain(first), *(f"  {plain(line)}" for line in rest)]), err=True)
    if len(faults) > SHOWN_FAULTS:
        click.echo(f"… and {len(faults) - SHOWN_FAULTS:,} more faults (--json lists them all)", err=True)


_stdout: ContextVar[Any] = ContextVar("stdout", default=None)  # where results go, when stdout is kept for them


@contextlib.contextmanager
def _results_only() -> Iterator[None]:
    """Keep stdout for `print_json`: whatever else is printed meanwhile, by whomever, goes to stderr."""
    kept = _stdout.set(sys.stdout)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _stdout.reset(kept)


def print_json(value: Any) -> None:
    """A result for machines, to stdout. What is not visible, and half a character, stands as an escape: to who reads
    JSON the value is the same, and a terminal is not steered by it."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    if not text.replace("\n", "").isprintable():
        text = "".join(one if one.isprintable() or one == "\n" else json.dumps(one)[1:-1] for one in text)
    stream = _stdout.get() or sys.stdout
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:  # the encoding lacks characters, and a replaced one would be another value
        text = json.dumps(value, indent=2, allow_nan=False)
    click.echo(text, file=stream)


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
