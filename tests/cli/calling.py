"""The command line as a person calls it: what comes back holds nothing that moves a terminal, and no traceback."""

from __future__ import annotations

from click.testing import CliRunner, Result

from shipworthy.cli import main


def call(*args: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, args, prog_name="shipworthy")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    assert "\x1b" not in result.output
    assert "\u202e" not in result.stderr
    return result
