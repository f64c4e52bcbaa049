"""Ids that a gateway log masks: ``5611a1e4-e54c-4463-9b***`` stands for the one job whose id begins so.

Source: observed.md §B8 (2026.6.11 takes parts of ids for secrets).
"""

from __future__ import annotations

import polars as pl

_MASK = "***"


def with_unmasked_ids(lifecycle: pl.DataFrame, *known: pl.DataFrame) -> pl.DataFrame:
    """Give the lifecycle lines with the full job and run ids where only one known job begins as the masked id does.

    ``known`` are frames with columns gateway and job_id. An id that fits several jobs, or none, stays as it is: it then
    names no job at all.

    Shape: as ``lifecycle``.
    """
    masked = lifecycle.select("gateway", _job_named_expr().alias("masked")).drop_nulls().unique()
    if masked.is_empty():
        return lifecycle
    jobs = pl.concat([frame.select("gateway", "job_id") for frame in known]).drop_nulls().unique()
    stem = pl.col("masked").str.split(_MASK)
    fits = pl.col("full").str.starts_with(stem.list.first()) & pl.col("full").str.ends_with(stem.list.last())
    # each masked id with all jobs of its gateway: few of the first
    pairs = masked.join(jobs.rename({"job_id": "full"}), on="gateway", how="inner").filter(fits)
    unique = pairs.filter(pl.len().over("gateway", "masked") == 1)
    told = lifecycle.with_row_index("number").with_columns(_job_named_expr().alias("masked"))
    joined = told.join(unique, on=["gateway", "masked"], how="left", validate="m:1").sort("number")
    run_id = pl.concat_str(pl.lit("cron:"), "full", pl.col("run_id").str.extract(r"(:\d+)$"))
    is_masked = pl.col("full").is_not_null()
    return joined.with_columns(
        pl.when(is_masked & pl.col("job_id").is_not_null()).then("full").otherwise("job_id").alias("job_id"),
        pl.when(is_masked & pl.col("run_id").is_not_null()).then(run_id).otherwise("run_id").alias("run_id"),
    ).select(lifecycle.columns)


def _job_named_expr() -> pl.Expr:
    """The masked job id that a line names, by itself or inside a run id; null where none is masked."""
    in_run = pl.col("run_id").str.extract(r"^cron:([^:]*\*\*\*[^:]*):\d+$")
    masked = pl.when(pl.col("job_id").str.contains(_MASK, literal=True)).then("job_id")
    return pl.coalesce(masked, in_run)
