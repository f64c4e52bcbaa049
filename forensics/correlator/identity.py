"""Does a run record belong to this very run? Identity comes before everything (design §6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import polars as pl

from forensics.correlator.coverage import of_assumed_zone
from forensics.correlator.joins import ROW, first_after, latest_before, with_count_between
from forensics.correlator.records import resolved
from forensics.model.policy import Policy
from forensics.model.verdicts import Confidence

_JOB = ["gateway", "job_id"]
_RUN = ["gateway", "job_id", "start"]
_SECOND = timedelta(seconds=1)

_OWN = {
    "own_class": "class",
    "own_tier": "tier",
    "own_status": "status",
    "own_error": "error",
    "own_summary": "summary",
    "own_started_at": "started_at",
    "own_finished_at": "finished_at",
    "own_end_at": "end_at",
    "own_duration_ms": "duration_ms",
    "own_origin": "origin",
    "own_source": "source",
    "own_line": "line",
    "own_is_bare": "is_bare",
    "own_kind_is_known": "kind_is_known",
    "own_manual": "manual",
    "own_conflict": "conflict",
    "own_overruled": "overruled_bare",
    "own_told_at": "told_at",
    "twin_at": "twin_at",
    "twin_source": "twin_source",
    "twin_line": "twin_line",
    "twin_origin": "twin_origin",
    "own_also": "also",
    "own_precision_ms": "precision_ms",
    "own_slack_ms": "slack_ms",
}


def with_own_record(
    rows: pl.DataFrame,
    tasks: pl.DataFrame,
    records: pl.DataFrame,
    starts: pl.DataFrame,
    windows: pl.DataFrame,
    unplaced: pl.DataFrame,
    policy: Policy,
) -> pl.DataFrame:
    """Add to each row the record of its own run, if one can be proven to be that.

    ``tasks`` are all cron rows with their starts: a record that another row claims as well redeems none. ``unplaced``
    are run records of which it is not known to which gateway they belong: they redeem none, and may be any row's own.

    Shape: rows, unchanged in number and order, plus own_*, identity (exact, strong, weak or null), ambiguous, near_*
    (a record within a second of the start that fits no other row).
    Source: design §6, identity; cases.md T1, T10 to T13.
    """
    judged = rows.filter(pl.col("applies") & pl.col("start").is_not_null()).select(
        ROW, *_RUN, "start_precision_ms", pl.col("run_id").alias("row_run_id")
    )
    exact, ambiguous = _exact(judged, tasks, records)
    left = judged.join(exact, on=ROW, how="anti")
    derived, unclear = _derived_start(left, tasks, records, policy)
    left = left.join(derived, on=ROW, how="anti")
    coarse, blurred = _coarse_start(left, tasks, records)
    left = left.join(coarse, on=ROW, how="anti")
    crowded = _crowded_starts(tasks)
    reserved = _reservation(left, records, starts, policy)
    left = left.join(reserved, on=ROW, how="anti")
    only = _only_record(left, records, starts, windows)
    shared = pl.concat([reserved.select(ROW, *_RUN), only.select(ROW, *_RUN)]).join(crowded, on=_RUN, how="semi")
    own = pl.concat(
        [
            frame.select(
                ROW, pl.lit(identity.value).alias("identity"), *(pl.col(old).alias(new) for new, old in _OWN.items())
            )
            for frame, identity in (
                (exact, Confidence.EXACT),
                (derived, Confidence.STRONG),
                (coarse, Confidence.STRONG),
                (reserved, Confidence.STRONG),
                (only, Confidence.WEAK),
            )
        ]
    )
    doubtful = pl.concat([ambiguous, unclear, blurred, shared.select(ROW)]).unique()
    unpaired = left.join(only, on=ROW, how="anti")
    # beside the assumption that it was interrupted, another record may be the real end of the run
    presumed = own.filter(pl.col("own_class") == "interrupted").select(ROW)
    told = records.filter(pl.col("class") != "interrupted")
    assumed = judged.join(presumed, on=ROW, how="semi")
    missed = _first_of_each(
        [
            _near_misses(unpaired, tasks, records, policy),
            _near_misses(assumed, tasks, told, policy),
            _startless_records(assumed, told, starts),
            _unplaced_records(unpaired, unplaced),
            _startless_records(unpaired, records, starts),
        ]
    )
    return (
        rows.join(own, on=ROW, how="left", validate="1:1")
        .join(missed, on=ROW, how="left", validate="1:1")
        .with_columns(pl.col(ROW).is_in(doubtful[ROW].implode()).alias("ambiguous"))
        .sort(ROW)
    )


def with_weak_identity(rows: pl.DataFrame, sources: pl.DataFrame) -> pl.DataFrame:
    """Make an identity weak where the start of row or record was printed without a zone that anything names.

    Jobs repeat by the hour: a time that is hours off is that of another run.
    """
    assumed = of_assumed_zone(sources)
    by_record = pl.col("own_source").is_in(assumed.implode()) & pl.col("own_started_at").is_not_null()
    unsure = pl.col("start_is_assumed") | by_record.fill_null(value=False)
    weak = pl.when(unsure & pl.col("identity").is_not_null()).then(pl.lit(Confidence.WEAK.value))
    return rows.with_columns(weak.otherwise("identity").alias("identity"))


def _exact(judged: pl.DataFrame, tasks: pl.DataFrame, records: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Same job and the same start, or the same run id. Two rows that claim one run are withheld, both of them.

    Rivals are counted before rows and records are paired: thousands of either may claim one run.
    """
    # one claim per cron row of any status that started in this very millisecond, or that bears this very run id
    claims = tasks.group_by(_RUN).agg(pl.len().alias("claims"))
    bearers = tasks.group_by(*_JOB, pl.col("run_id").alias("row_run_id")).agg(pl.len().alias("bearers"))
    counted = judged.join(claims, on=_RUN, how="left", validate="m:1").join(
        bearers, on=[*_JOB, "row_run_id"], how="left", validate="m:1"
    )
    named = records.filter(_is_telling_id_expr()).with_columns(pl.col("run_id").alias("row_run_id"))
    # a record whose run id some row bears is that row's, whoever else started in the same millisecond
    unnamed = records.join(named.join(judged, on=[*_JOB, "row_run_id"], how="semi"), on="rec", how="anti")
    started = unnamed.filter(pl.col("precision_ms").fill_null(1) == 1).with_columns(pl.col("started_at").alias("start"))
    precise = counted.filter(pl.col("start_precision_ms") == 1)
    by_id, shared_ids = _of_one_rival(counted, named, "bearers", [*_JOB, "row_run_id"])
    by_start, shared_starts = _of_one_rival(precise, started, "claims", _RUN)
    shared = pl.concat([shared_ids, shared_starts]).unique()
    pairs = pl.concat([by_id.select(by_start.columns), by_start]).join(shared, on=ROW, how="anti")
    return resolved(pairs, [ROW]), shared


def _of_one_rival(
    rows: pl.DataFrame, records: pl.DataFrame, rivals: str, key: list[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Pair the records with the rows that claim them alone; name the rows that claim one together with others."""
    several = rows.filter(pl.col(rivals) > 1).join(records, on=key, how="semi")
    # 1:n - of the rows of a key that a single one claims there is one
    alone = rows.filter((pl.col(rivals) == 1).fill_null(value=True)).join(records, on=key, how="inner")
    return alone, several.select(ROW)


def _derived_start(
    left: pl.DataFrame, tasks: pl.DataFrame, records: pl.DataFrame, policy: Policy
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A record without a start whose end minus duration is this row's start, unique in both directions."""
    startless = records.filter(
        pl.col("started_at").is_null() & pl.col("duration_ms").is_not_null() & pl.col("finished_at").is_not_null()
    ).with_columns((pl.col("finished_at") - pl.duration(milliseconds="duration_ms")).alias("derived_at"))
    settled = records.filter(pl.col("started_at").is_not_null() & (pl.col("tier") < 2)).select(
        *_JOB, pl.col("started_at").alias("start")
    )
    claimants = tasks.join(settled, on=_RUN, how="anti").select("task_id", *_RUN)
    within = policy.derived_start_tolerance
    claimed = _with_count_near(
        startless.with_row_index(ROW), claimants, left_on="derived_at", right_on="start", within=within
    ).rename({"between": "claims"})
    near = _with_count_near(left, startless, left_on="start", right_on="derived_at", within=within)
    near = near.filter(pl.col("between") > 0)
    only = near.filter(pl.col("between") == 1).with_columns((pl.col("start") - within).alias("earliest"))
    paired = first_after(only, claimed.drop(ROW), left_on="earliest", right_on="derived_at", by=_JOB)
    unique = paired.filter(pl.col("claims") == 1)
    return resolved(unique, [ROW]), near.join(unique, on=ROW, how="anti").select(ROW)


def _with_count_near(
    left: pl.DataFrame, right: pl.DataFrame, *, left_on: str, right_on: str, within: timedelta
) -> pl.DataFrame:
    bounds = {"first": pl.col(left_on) - within, "last": pl.col(left_on) + within}
    return with_count_between(left, right, right_on=right_on, by=_JOB, **bounds)


def _coarse_start(left: pl.DataFrame, tasks: pl.DataFrame, records: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A record that starts within the second that a printed row names, or the other way round, unique in both ways.

    Stamps printed as text have a second's precision: they can be paired, never with the confidence of a millisecond.
    """
    rows = _spans(left, "start", "start_precision_ms")
    is_printed = pl.col("width_ms") > 1
    started = records.filter(pl.col("started_at").is_not_null())
    if rows.filter(is_printed).is_empty():
        started = started.filter(pl.col("precision_ms") > 1)
    started = started.with_row_index(ROW)
    second = pl.col("begins_at").dt.truncate("1s")
    # a printed second may have been cut or rounded: rows of the seconds beside it are rivals as well
    claims = with_count_between(
        _spans(started, "started_at", "precision_ms"),
        tasks.with_columns(pl.col("start").dt.truncate("1s").alias("second")),
        first=second - _SECOND, last=second + _SECOND, right_on="second", by=_JOB,
    )  # fmt: skip
    crowded, alone = claims.filter(pl.col("between") > 1), claims.filter(pl.col("between") == 1)
    in_crowd = pl.concat(
        [
            _with_overlapping(rows.filter(is_printed), crowded),
            _with_overlapping(rows.filter(~is_printed), crowded.filter(is_printed)),
        ]
    ).filter(pl.col("overlapping") > 0)
    pairs = _overlapping_pairs(alone, rows).join(started.drop(ROW), on="rec", how="left", validate="1:1")
    several = pairs.filter(pl.col("started_at").n_unique().over(ROW) > 1)
    blurred = pl.concat([in_crowd.select(ROW), several.select(ROW)]).unique()
    return resolved(pairs.join(blurred, on=ROW, how="anti"), [ROW]), blurred


def _spans(frame: pl.DataFrame, start: str, precision_ms: str) -> pl.DataFrame:
    """Give the time within which something started: from ``begins_at``, for ``width_ms``."""
    kept = [name for name in (ROW, "rec", *_JOB) if name in frame.columns]
    return frame.select(*kept, pl.col(start).alias("begins_at"), pl.col(precision_ms).fill_null(1).alias("width_ms"))


def _with_overlapping(spans: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """Add ``overlapping``: with how many others of its job a span has a millisecond in common."""
    last = pl.col("begins_at") + pl.duration(milliseconds=pl.col("width_ms") - 1)
    found = spans.with_columns(pl.lit(0, pl.Int64).alias("overlapping"))
    for width_ms in others["width_ms"].unique().sort():
        alike = others.filter(pl.col("width_ms") == width_ms)
        first = pl.col("begins_at") - timedelta(milliseconds=width_ms - 1)
        counted = with_count_between(found, alike, first=first, last=last, right_on="begins_at", by=_JOB)
        found = counted.with_columns(pl.col("overlapping") + pl.col("between")).drop("between")
    return found


def _overlapping_pairs(alone: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Give the row of each record that a single row may claim; two precise starts are none of this sort."""
    last = pl.col("begins_at") + pl.duration(milliseconds=pl.col("width_ms") - 1)
    found = [pl.DataFrame(schema={ROW: rows.schema[ROW], "rec": alone.schema["rec"]})]
    for width_ms in rows["width_ms"].unique().sort():
        alike = rows.filter(pl.col("width_ms") == width_ms)
        alike = alike.select(*_JOB, pl.col(ROW).alias("of_row"), pl.col("begins_at").alias("row_begins_at"))
        probed = alone.filter((pl.col("width_ms") > 1) | (width_ms > 1)).with_columns(
            (pl.col("begins_at") - timedelta(milliseconds=width_ms - 1)).alias("earliest")
        )
        paired = first_after(probed, alike, left_on="earliest", right_on="row_begins_at", by=_JOB)
        found.append(paired.filter(pl.col("row_begins_at") <= last).select(pl.col("of_row").alias(ROW), "rec"))
    return pl.concat(found)


def _reservation(left: pl.DataFrame, records: pl.DataFrame, starts: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """An interrupted record that carries the reservation: earlier than the start, with no other start between.

    One that was written before the run started is of another run.
    """
    interrupted = records.filter((pl.col("class") == "interrupted") & pl.col("started_at").is_not_null())
    previous = latest_before(
        left, starts.select(*_JOB, pl.col("start").alias("previous_start")),
        left_on="start", right_on="previous_start", by=_JOB, strict=True,
    )  # fmt: skip
    paired = latest_before(previous, interrupted, left_on="start", right_on="started_at", by=_JOB, strict=True)
    lead = pl.col("start") - pl.col("started_at")
    alone = pl.col("previous_start").is_null() | (pl.col("previous_start") < pl.col("started_at"))
    written_after = pl.col("finished_at") >= pl.col("start")
    paired = paired.filter((lead <= policy.reservation_lead_max) & alone & written_after)
    return resolved(paired, [ROW])


def _only_record(
    left: pl.DataFrame, records: pl.DataFrame, starts: pl.DataFrame, windows: pl.DataFrame
) -> pl.DataFrame:
    """A record with neither start nor duration: the only one between this start and the next, behind a restart."""
    timed = records.filter(pl.col("finished_at").is_not_null()).with_row_index(ROW)
    # to each record the start it follows, so that records can be counted per start
    owned = latest_before(
        timed,
        starts.select(*_JOB, pl.col("start").alias("follows")),
        left_on="finished_at",
        right_on="follows",
        by=_JOB,
    ).drop(ROW)
    counted = owned.with_columns(pl.len().over(*_JOB, "follows").alias("records"))
    nameless = pl.col("started_at").is_null() & pl.col("duration_ms").is_null()
    single = counted.filter(nameless & (pl.col("records") == 1) & pl.col("follows").is_not_null())
    paired = left.join(single.with_columns(pl.col("follows").alias("start")), on=_RUN, how="inner")
    sure = windows.filter(pl.col("doubt").is_null())
    ready = sure.select("gateway", pl.col("serving_at").alias("restarted_at"))
    between = first_after(paired, ready, left_on="start", right_on="restarted_at", by=["gateway"])
    behind = between.filter(pl.col("restarted_at") <= pl.col("finished_at"))
    return resolved(behind, [ROW])


def _near_misses(left: pl.DataFrame, tasks: pl.DataFrame, records: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """A record within a second of the start that belongs to no other row: probably this run's (3 ms off was seen)."""
    known = tasks.select(*_JOB, pl.col("start").alias("started_at"))
    orphans = records.filter(pl.col("started_at").is_not_null()).join(known, on=[*_JOB, "started_at"], how="anti")
    orphans = (
        orphans.select(*_JOB, pl.col("started_at").alias("near_start"), "status", "source", "line", "origin")
        .sort("source", "line", maintain_order=True)
        .unique([*_JOB, "near_start"], keep="first", maintain_order=True)
    )
    sides = [
        latest_before(left, orphans, left_on="start", right_on="near_start", by=_JOB),
        first_after(left, orphans, left_on="start", right_on="near_start", by=_JOB, strict=True),
    ]
    near = pl.concat(sides).with_columns((pl.col("start") - pl.col("near_start")).abs().alias("off"))
    nearest = near.filter(pl.col("off") <= policy.near_miss).sort(ROW, "off", "source", "line", maintain_order=True)
    return _as_near(nearest.unique(ROW, keep="first", maintain_order=True), "near_start")


def _startless_records(left: pl.DataFrame, records: pl.DataFrame, starts: pl.DataFrame) -> pl.DataFrame:
    """A record that names no start and was written between this start and the job's next: it may be this run's end."""
    startless = records.filter(pl.col("started_at").is_null() & pl.col("finished_at").is_not_null())
    of_these = left.join(startless.select(_JOB).unique(), on=_JOB, how="semi")
    following = first_after(
        of_these, starts.select(*_JOB, pl.col("start").alias("next_start")),
        left_on="start", right_on="next_start", by=_JOB, strict=True,
    )  # fmt: skip
    written = startless.select(*_JOB, pl.col("finished_at").alias("written_at"), "status", "source", "line", "origin")
    found = first_after(following, written, left_on="start", right_on="written_at", by=_JOB)
    before_next = pl.col("next_start").is_null() | (pl.col("written_at") <= pl.col("next_start"))
    return _as_near(found.filter(pl.col("written_at").is_not_null() & before_next), "written_at")


def _unplaced_records(left: pl.DataFrame, unplaced: pl.DataFrame) -> pl.DataFrame:
    """A record of this very job and start in a file that could not be told to belong to a gateway."""
    told = unplaced.filter(pl.col("started_at").is_not_null()).sort("started_at", "source", "line")
    told = told.unique(["job_id", "started_at"], keep="first", maintain_order=True)
    found = left.join(
        told.select("job_id", pl.col("started_at").alias("start"), "status", "source", "line", "origin"),
        on=["job_id", "start"], how="inner", validate="m:1",
    )  # fmt: skip
    return _as_near(found, "start")


def _as_near(found: pl.DataFrame, at: str) -> pl.DataFrame:
    return found.select(
        ROW,
        pl.col(at).alias("near_at"),
        pl.col("status").alias("near_status"),
        pl.col("source").alias("near_source"),
        pl.col("line").alias("near_line"),
        pl.col("origin").alias("near_origin"),
    )


def _first_of_each(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(frames).unique(ROW, keep="first", maintain_order=True)


def _crowded_starts(tasks: pl.DataFrame) -> pl.DataFrame:
    """Name the starts that several rows of a job share to the millisecond: no record can tell these rows apart."""
    return tasks.group_by(_RUN).agg(pl.len().alias("claims")).filter(pl.col("claims") > 1).select(_RUN)


def _is_telling_id_expr() -> pl.Expr:
    """A run id that names a run; listings print ``-`` where there is none (cases.md T10)."""
    return pl.col("run_id").is_not_null() & ~pl.col("run_id").str.strip_chars().is_in(["", "-"])
