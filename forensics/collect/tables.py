"""A registry as one file: the tables that hold evidence, with their rows and rowids, and nothing else.

The shared state database also holds credentials and sessions, and deleted rows stay in free pages; so tables are copied
into a new file. Indexes, views and triggers prove nothing and are left behind.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from forensics.parsers.database import quoted_name, row_number

EVIDENCE_TABLES = (
    "schema_meta",
    "task_runs",
    "cron_run_logs",
    "cron_run_receipts",
    "cron_jobs",
    "gateway_boot_lifecycle",
    "gateway_restart_sentinel",
    "gateway_restart_intent",
    "gateway_restart_handoff",
)
_PLAIN = re.compile(r"\s*CREATE\s+TABLE\b", re.IGNORECASE)


def is_sound(database: sqlite3.Connection) -> bool:
    """Tell whether SQLite's own check finds nothing wrong."""
    return [str(row[0]) for row in database.execute("PRAGMA integrity_check(1)")] == ["ok"]


def copy_tables(database: sqlite3.Connection, target: Path) -> None:
    """Write the evidence tables of an open private copy into a new file: the same rows always give the same bytes.

    Raises:
        sqlite3.Error: a table cannot be copied.
    """
    told = dict(database.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table'"))
    encoding = str(database.execute("PRAGMA encoding").fetchone()[0])
    version = int(database.execute("PRAGMA user_version").fetchone()[0])
    with closing(sqlite3.connect(target, isolation_level=None)) as made:
        made.execute("PRAGMA trusted_schema = OFF")
        made.execute(f"PRAGMA encoding = '{encoding}'")
        made.execute(f"PRAGMA user_version = {version}")
        for table in EVIDENCE_TABLES:
            if _PLAIN.match(str(told.get(table) or "")):
                made.execute(told[table])
    database.execute("ATTACH ? AS made", (str(target),))
    try:
        database.execute("PRAGMA ignore_check_constraints = ON")
        database.execute("BEGIN")
        for table in EVIDENCE_TABLES:
            if _PLAIN.match(str(told.get(table) or "")):
                _copy_rows(database, table)
        database.execute("COMMIT")
    finally:
        if database.in_transaction:
            database.execute("ROLLBACK")
        database.execute("DETACH made")


def _copy_rows(database: sqlite3.Connection, table: str) -> None:
    names = [quoted_name(str(row[1])) for row in database.execute(f"PRAGMA table_info({table})")]
    number = row_number(database, table)
    has_number = number.isidentifier()
    listed = ", ".join([*names, number] if has_number else names)
    order = number if has_number else "1"
    query = f"INSERT INTO made.{table} ({listed}) SELECT {listed} FROM main.{table} ORDER BY {order}"  # noqa: S608 - ours
    database.execute(query)
