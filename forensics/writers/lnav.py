"""The timeline as a log for lnav, and the format file by which lnav reads it.

Source: lnav, "Log Formats": a JSON log has one object a line; the format names the fields of time, level, body and
operation id (``opid``), by which lnav's timeline view (0.12 and later) draws one bar per operation. Tried with 0.11.1,
0.12.4 and 0.13.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files

import polars as pl

from forensics.model.finding import Report
from forensics.model.verdicts import FactKind
from forensics.writers.columns import for_terminals, json_strings, known_expr
from forensics.writers.told_in_order import told_in_batches

_GATEWAY, _NO_GATEWAY = "gateway ", "no known gateway"
_NAMED_LIKE_A_GATEWAY = f"^(?:{_GATEWAY}|{_NO_GATEWAY})"
_KNOWN = ("kind", "event", "job_id", "job_name", "task_id", "run_id", "restart", "status")
_ANSWERS = ("verdict", "confidence", "severity")


def _entry() -> dict[str, pl.Expr]:
    """Give the fields of a line, in their order, by the columns of a fact.

    The gateway stands last: lnav 0.12.4 draws a bar for whatever text a line ends with, and stops where an operation
    has that very name.
    """
    operation, gateway = known_expr("operation"), known_expr("gateway")
    is_alike = operation.str.contains(_NAMED_LIKE_A_GATEWAY)
    return {
        "timestamp": pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ"),
        "level": pl.col("weight"),
        "body": pl.col("text"),
        "opid": pl.when(is_alike).then("operation " + operation).otherwise(operation),
        **{name: pl.col(name) for name in ("place", *_KNOWN, *_ANSWERS, "about")},
        "gateway": pl.coalesce(_GATEWAY + gateway, pl.lit(_NO_GATEWAY)),
    }


def write_lnav(report: Report, facts: pl.DataFrame) -> str:
    """Give the facts that have a time, one JSON object a line, as ``lnav_format`` describes them.

    The first line of an operation says what it is about, once: lnav joins what every line says to one description.
    """
    return "".join(lnav_parts(report, facts))


def lnav_parts(report: Report, facts: pl.DataFrame) -> Iterator[str]:
    """Give what ``write_lnav`` gives in parts, each of whole lines; what is not known is left out of a line.

    lnav shows null as a word.
    """
    dated = facts.filter(pl.col("at").is_not_null())
    about, first = _descriptions(dated), 0
    for told in told_in_batches(report, dated):
        described = told.with_columns(about.slice(first, told.height))
        first += told.height
        entries = described.select(**_entry()).with_columns(known_expr(name) for name in _entry())
        entries = for_terminals(entries)
        fields = [(f', "{name}": ' + json_strings(entries[name])).fill_null("") for name in entries.columns]
        lines = "{" + pl.select(pl.concat_str(fields)).to_series().str.strip_prefix(", ") + "}"
        if len(lines):
            yield "\n".join(lines.to_list()) + "\n"


def lnav_format() -> str:
    """Give the format file for lnav."""
    return (files("forensics") / "schema" / "lnav-format.json").read_text("utf-8")


def _descriptions(facts: pl.DataFrame) -> pl.Series:
    """Say in the first line of each operation what it is: a job with its verdict, or a restart with its kind.

    Shape: a column ``about`` beside ``facts``, null in all other lines.
    """
    kind, name = pl.col("kind"), pl.coalesce(known_expr("job_name"), known_expr("job_id"), pl.lit(""))
    is_verdict, is_restart = kind == FactKind.VERDICT, kind.str.starts_with("restart")
    confidence = pl.coalesce(pl.format(" ({})", known_expr("confidence")), pl.lit(""))
    told = facts.select(
        known_expr("operation").alias("operation"),
        pl.when(is_verdict).then(3).when(is_restart).then(2).otherwise((name != "").cast(pl.Int32)).alias("telling"),
        pl.when(is_verdict)
        .then(pl.format("{}: {}{}", name, "verdict", confidence))
        .when(is_restart)
        .then(pl.format("restart {} ({})", "restart", "event"))
        .otherwise(name)
        .alias("about"),
    )
    best = told.sort("telling", descending=True, maintain_order=True).unique(
        "operation", keep="first", maintain_order=True
    )
    is_first = pl.col("operation").is_first_distinct() & pl.col("operation").is_not_null()
    joined = told.select("operation").join(
        best.select("operation", "about"), on="operation", how="left", validate="m:1", maintain_order="left"
    )
    return joined.select(pl.when(is_first).then("about").alias("about")).to_series()
