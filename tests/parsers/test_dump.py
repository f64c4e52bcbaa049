"""The SQL of a dump is looked at, not run."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from forensics.model import policy
from forensics.model.schemas import TASKS, assert_schema
from forensics.model.verdicts import SourceKind
from forensics.parsers import dump
from forensics.parsers.detect import detect
from forensics.parsers.dump import parse_dump, restored
from forensics.parsers.parsed import Parsed
from tests.parsers.shapes import DDL_4_15, JOB, START_MS, TASK, assert_balance, at, codes, insert, noted_lines, task_row
from tests.parsers.test_table_dump import needs_shell
from tests.parsers.test_task_export_forms import DATA, read, written

DDL = "CREATE TABLE task_runs (task_id TEXT PRIMARY KEY, runtime TEXT, status TEXT, error TEXT);"
HEAD = f"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n{DDL}\n"
ROW = f"INSERT INTO task_runs VALUES('{TASK}','cron','lost',NULL);\n"
END = "COMMIT;\n"


def parse(folder: Path, text: str) -> Parsed:
    return parse_dump(written(folder / "dump.sql", text))


def rows_of(parsed: Parsed) -> list[tuple[object, ...]]:
    assert parsed.tasks is not None
    return parsed.tasks.select("line", "task_id", "error").rows()


def contents(path: Path, table: str = "task_runs") -> list[tuple[object, ...]]:
    """Give what is in a restored table, with the line of each row."""
    with restored(path, Parsed(SourceKind.TASK_EXPORT, "")) as found:
        stored = found.database.execute(f"SELECT rowid, * FROM {table} ORDER BY rowid").fetchall()
        return [(found.line_of(number), *values) for number, *values in stored]


def test_a_real_dump_is_read_like_the_registry_it_was_made_from() -> None:
    path = DATA / "4.15-task-runs.dump"
    parsed = read(path)
    told = read(DATA / "4.15-task-runs.csv")
    assert parsed.tasks is not None
    assert told.tasks is not None
    assert_schema(parsed.tasks, TASKS, "tasks")
    assert parsed.tasks.drop("line", "session_key").equals(told.tasks.drop("line", "session_key"))
    lines = path.read_text("utf-8").split("\n")
    for line, task_id in parsed.tasks.select("line", "task_id").rows():
        assert lines[line - 1].startswith(f"INSERT INTO task_runs VALUES('{task_id}'")
    assert_balance(parsed, records=3)
    assert codes(parsed) == []
    assert (parsed.kind, parsed.form) == (SourceKind.TASK_EXPORT, "sqlite3 .dump")


def test_a_dump_of_a_library_is_recognised_however_far_below_the_table_stands(tmp_path: Path) -> None:
    others = "".join(f'CREATE TABLE "other_{number}" (n INTEGER);\n' for number in range(90))
    parsed = read(written(tmp_path / "dump.sql", f"BEGIN TRANSACTION;\n{others}{DDL}\n{ROW}{END}"))
    assert (parsed.form, rows_of(parsed)) == ("sqlite3 .dump", [(93, TASK, None)])
    assert codes(parsed) == []


@pytest.mark.parametrize(
    "above",
    [
        "$ sqlite3 runs.sqlite '.dump task_runs'",
        'claw@host:~$ sqlite3 ~/.openclaw/tasks/runs.sqlite ".dump"',
        "sqlite> .dump task_runs",
        "Here it is, as you asked for it, it's long:\n\n```sql",
        "~~~",
        "rest of a text');",
        "-- Loading resources from /home/claw/.sqliterc",
        "\ufeff",
        "",
    ],
)
@pytest.mark.parametrize("text", [HEAD + ROW + END, f"{DDL}\n{ROW}", ROW.replace("VALUES", "(a,b,status,c) VALUES")])
def test_a_dump_is_recognised_whatever_a_terminal_or_a_ticket_shows_above_it(
    tmp_path: Path, above: str, text: str
) -> None:
    assert detect(written(tmp_path / "file", f"{above}\n{text}")).by == "the SQL of a database dump"


@pytest.mark.parametrize(
    "above",
    [
        '"""Makes registries."""\n\nDDL = """',
        "DDL = '''",
        'database.executescript("""PRAGMA user_version=1;',
        "const ddl = `",
        "const ddl = `-- the registry",
        "sqlite3 runs.sqlite <<EOF",
        "sqlite3 -bail runs.sqlite << 'SQL'",
        "script: |",
        "x = '",
    ],
)
@pytest.mark.parametrize("text", [HEAD + ROW + END, f"{DDL}\n{ROW}", f"CREATE TABLE other (n);\n{DDL}\n"])
def test_a_program_that_holds_sql_is_no_dump(tmp_path: Path, above: str, text: str) -> None:
    assert detect(written(tmp_path / "file", f"{above}\n{text}")).kind is SourceKind.UNKNOWN


@pytest.mark.parametrize("above", ["root@host:>", "it's the user's `dump", "notes: |"])
def test_what_is_called_sql_is_a_dump_whatever_stands_above_it(tmp_path: Path, above: str) -> None:
    assert detect(written(tmp_path / "dump.sql", f"{above}\n{HEAD}{ROW}{END}")).kind is SourceKind.TASK_EXPORT
    assert detect(written(tmp_path / "dump.py", f"{above}\n{HEAD}{ROW}{END}")).kind is SourceKind.UNKNOWN


def test_every_row_of_every_table_knows_its_line(tmp_path: Path) -> None:
    text = (
        HEAD
        + "INSERT INTO task_runs VALUES('a','cron','lost','two\nlines; of''text''\n'),('b','cron','lost',NULL);\n"
        + "CREATE TABLE other (\n  n INTEGER PRIMARY KEY, -- its own number\n  x TEXT\n);\n"
        + "INSERT INTO other VALUES(70,'x');\nINSERT INTO other VALUES(3,'y');\n\n"
        + "INSERT INTO task_runs(task_id,status,runtime) VALUES('c','lost','cron');\n"
        + END
    )
    path = written(tmp_path / "dump.sql", text)
    parsed = parse_dump(path)
    assert rows_of(parsed) == [(4, "a", "two\nlines; of'text'\n"), (4, "b", None), (14, "c", None)]
    assert contents(path, "other") == [(11, 70, "x"), (12, 3, "y")]
    assert_balance(parsed, records=3)
    assert codes(parsed) == []


def test_a_column_that_hides_the_number_of_a_row_does_no_harm(tmp_path: Path) -> None:
    ddl = "CREATE TABLE task_runs (rowid TEXT, task_id TEXT, runtime TEXT, status TEXT);"
    text = HEAD.replace(DDL, ddl) + f"INSERT INTO task_runs VALUES('x','{TASK}','cron','lost');\n" + END
    assert rows_of(parse(tmp_path, text)) == [(4, TASK, None)]


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("'it''s'", "it's"),
        ("replace('a\\nb','\\n',char(10))", "a\nb"),
        ("unistr('a\\u000ab\\\\c\\+01F600')", "a\nb\\c😀"),
        ("'日本'", "日本"),
        ("CAST(X'6162' AS TEXT)", "ab"),
    ],
)
def test_texts_are_read_as_every_shell_writes_them(tmp_path: Path, literal: str, value: str) -> None:
    parsed = parse(tmp_path, HEAD + ROW.replace("NULL", literal) + END)
    assert rows_of(parsed) == [(4, TASK, value)]
    assert codes(parsed) == []


@pytest.mark.parametrize("cut", [1, 20, 40])
def test_a_torn_dump_gives_the_rows_before_the_tear(tmp_path: Path, cut: int) -> None:
    text = HEAD + ROW + ROW.replace(TASK, "b")
    parsed = parse(tmp_path, text[:-cut])
    assert rows_of(parsed)[0] == (4, TASK, None)
    assert codes(parsed) == ["truncated_dump"]
    torn = 0 if cut == 1 else 1
    assert_balance(parsed, records=2 - torn, rejected=torn)
    assert noted_lines(parsed, "truncated_dump") == [5 if torn else None]


def test_a_torn_dump_may_have_lost_a_record_of_every_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(_: sqlite3.Connection) -> Parsed:
        histories: list[dict[str, object]] = [{"job_id": JOB, "is_damaged": False}]
        return Parsed(SourceKind.TASK_REGISTRY, "", histories=histories)

    monkeypatch.setattr("forensics.parsers.task_registry.read_database", told)
    others = "".join(f"CREATE TABLE {name} (x TEXT);\n" for name in ("schema_meta", "task_delivery_state", "cron_jobs"))
    assert [history["is_damaged"] for history in parse(tmp_path, HEAD + others + ROW).histories] == [True]
    assert [history["is_damaged"] for history in parse(tmp_path, HEAD + others + ROW + END).histories] == [False]
    assert parse(tmp_path, HEAD + ROW + END).histories == []


def test_a_dump_of_a_damaged_database_says_so(tmp_path: Path) -> None:
    text = HEAD + "/****** CORRUPTION ERROR *******/\n" + ROW + "ROLLBACK; -- due to errors\n"
    parsed = parse(tmp_path, text)
    assert rows_of(parsed) == [(5, TASK, None)]
    assert noted_lines(parsed, "damaged_dump") == [4, 6]


@pytest.mark.parametrize(
    "statement",
    [
        "ATTACH DATABASE '{folder}/stolen.db' AS x;",
        "CREATE VIEW v AS SELECT load_extension('x');",
        "CREATE TRIGGER t AFTER INSERT ON task_runs BEGIN\n DELETE FROM task_runs;\n END;",
        "CREATE VIRTUAL TABLE f USING fts5(x);",
        "DELETE FROM task_runs;",
        "UPDATE task_runs SET status='succeeded';",
        "DROP TABLE task_runs;",
        "SELECT writefile('{folder}/stolen.db', 'x');",
        "VACUUM INTO '{folder}/stolen.db';",
        "CREATE TABLE copied AS SELECT * FROM task_runs;",
        ".shell touch {folder}/stolen.db;",
        "PRAGMA temp_store_directory='{folder}';",
    ],
)
def test_what_holds_no_rows_is_left_out_and_told(tmp_path: Path, statement: str) -> None:
    text = HEAD + ROW + statement.format(folder=tmp_path) + "\n" + ROW.replace(TASK, "b") + END
    parsed = parse(tmp_path, text)
    assert parsed.tasks is not None
    assert parsed.tasks.select("task_id", "status").rows() == [(TASK, "lost"), ("b", "lost")]
    assert noted_lines(parsed, "skipped_statement") == [5]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dump.sql"]


@pytest.mark.parametrize(
    "value",
    [
        "randomblob(1000000000)",
        "load_extension('x')",
        "(SELECT status FROM task_runs)",
        "(SELECT sql FROM sqlite_schema)",
        "(WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n) SELECT max(x) FROM n)",
        "readfile('/etc/hostname')",
        "zeroblob(1000000000)",
        "printf('%.*c', 1000000000, 'x')",
        "raise(abort, 'x')",
        "no_such_thing",
        "'a','too','many'",
        "?1",
    ],
)
def test_a_row_that_is_no_literal_is_rejected(tmp_path: Path, value: str) -> None:
    parsed = parse(tmp_path, HEAD + ROW.replace("NULL", value) + ROW.replace(TASK, "b") + END)
    assert rows_of(parsed) == [(5, "b", None)] if value != "?1" else [(4, TASK, None), (5, "b", None)]
    assert noted_lines(parsed, "bad_statement") == [4]
    assert_balance(parsed, records=1, rejected=1)


def test_rows_cannot_be_put_into_the_schema(tmp_path: Path) -> None:
    schema = (
        "INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql) VALUES('table','x','x',0,'CREATE TABLE x(y)');\n"
    )
    parsed = parse(tmp_path, HEAD + "PRAGMA writable_schema=ON;\n" + schema + ROW + END)
    assert rows_of(parsed) == [(6, TASK, None)]
    assert_balance(parsed, records=1, rejected=1)


@pytest.mark.parametrize(
    "ddl",
    [
        "CREATE TABLE bad (x DEFAULT (load_extension('x')), CHECK (x IN (SELECT 1)));",
        "CREATE TABLE main.bad (x);",
        "CREATE TABLE bad ();",
        "CREATE TABLE sqlite_bad (x);",
        "CREATE TABLE task_runs (x);",
    ],
)
def test_a_bad_definition_is_told_and_the_rest_is_read(tmp_path: Path, ddl: str) -> None:
    parsed = parse(tmp_path, HEAD + ddl + "\n" + ROW + END)
    assert rows_of(parsed) == [(5, TASK, None)]
    assert set(codes(parsed)) <= {"bad_statement", "skipped_statement"}
    assert len(codes(parsed)) == 1


def test_the_rules_of_a_table_are_not_kept(tmp_path: Path) -> None:
    ddl = DDL.replace("error TEXT", "error TEXT CHECK (json_valid(error)), UNIQUE (status)")
    twice = HEAD.replace(DDL, ddl) + ROW + ROW.replace("NULL", "'no json'") + END
    assert [error for _, _, error in rows_of(parse(tmp_path, twice))] == [None, "no json"]


def test_a_statement_that_takes_too_many_steps_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dump, "RESTORE_STEPS", 1)
    monkeypatch.setattr(dump, "_STEPS_BETWEEN_LOOKS", 2)
    parsed = parse(tmp_path, HEAD + ROW + END)
    assert noted_lines(parsed, "bad_statement") == [4]


def test_a_text_that_grows_too_large_is_given_up(tmp_path: Path) -> None:
    bomb = "replace('" + "a" * 100_000 + "','a','" + "b" * 1_000 + "')"
    parsed = parse(tmp_path, HEAD + ROW.replace("NULL", bomb) + ROW + END)
    assert rows_of(parsed) == [(5, TASK, None)]
    assert noted_lines(parsed, "bad_statement") == [4]
    assert policy.LONGEST_VALUE_BYTES < 100_000 * 1_000


def test_a_statement_without_an_end_does_not_take_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dump, "LONGEST_VALUE_BYTES", 10_000)
    endless = "INSERT INTO task_runs VALUES('x\n" + "y\n" * 4_990
    parsed = parse(tmp_path, HEAD + endless + ROW + END)
    assert noted_lines(parsed, "bad_statement")[0] == 4
    assert_balance(parsed, records=parsed.records, rejected=parsed.rejected)


def test_rows_without_their_table_are_not_guessed(tmp_path: Path) -> None:
    path = written(tmp_path / "x.sql", ROW + ROW)
    parsed = read(path)
    assert (parsed.tasks, parsed.form) == (None, "sqlite3 .dump")
    assert noted_lines(parsed, "no_table_definition") == [1]
    assert parsed.rejected == 2


def test_rows_that_name_their_columns_need_no_table(tmp_path: Path) -> None:
    text = f"INSERT INTO task_runs(task_id,\"runtime\",status) VALUES('{TASK}','cron','lost');\n"
    parsed = read(written(tmp_path / "x.sql", text))
    assert rows_of(parsed) == [(1, TASK, None)]


@needs_shell
def test_a_dump_of_a_whole_state_database_is_read(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE audit_events (sequence INTEGER PRIMARY KEY AUTOINCREMENT, x TEXT UNIQUE)")
        database.execute(DDL_4_15)
        database.execute("CREATE UNIQUE INDEX i ON task_runs(status, task_id) WHERE status = 'lost'")
        database.execute("CREATE VIEW v AS SELECT 1")
        database.executemany("INSERT INTO audit_events(x) VALUES (?)", [("a",), ("b",)])
        insert(database, [task_row(), task_row("b", label="line\nfeed")])
    sql = subprocess.run(["sqlite3", str(path), ".dump"], check=True, capture_output=True, text=True).stdout
    parsed = parse(tmp_path, sql)
    assert parsed.tasks is not None
    assert parsed.tasks.select("task_id", "label", "created_at").rows() == [
        (TASK, "digest", at(START_MS)),
        ("b", "line\nfeed", at(START_MS)),
    ]
    lines = sql.split("\n")
    assert all(lines[line - 1].startswith("INSERT INTO task_runs") for line in parsed.tasks["line"])
    assert codes(parsed) == ["skipped_statement"]
