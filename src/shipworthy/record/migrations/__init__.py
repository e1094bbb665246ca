"""How the tables came to be: one migration each time that they change, up and down, with the rows kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy.engine import Connection


def upgrade(connection: Connection, version: str) -> None:
    """Bring the tables up to `version`, in the caller's transaction."""
    from alembic import command

    command.upgrade(_config(connection), version)


def downgrade(connection: Connection, version: str) -> None:
    """Bring the tables down to `version`, `base` for none, in the caller's transaction. What it drops is lost."""
    from alembic import command

    command.downgrade(_config(connection), version)


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    return config
