"""Which release wrote the evidence is told by wording, layout and retention, and may be given instead."""

from __future__ import annotations

import pytest

from forensics.correlator.audit import audit
from forensics.model.finding import Release
from forensics.model.verdicts import LifecycleKind as Kind
from tests.support.scenario import Gateway, J, at, audited, evidence_of


def releases(gateway: Gateway) -> list[str]:
    return [str(release.span) for release in audited(gateway).releases]


def worded(*lines: tuple[Kind, str]) -> Gateway:
    gateway = Gateway().row(J, at("08:00"), at("09:00"), cleanup_after=None)
    for minute, (kind, raw) in enumerate(lines):
        gateway.line(kind, at(f"10:{minute:02d}"), raw=raw)
    return gateway


@pytest.mark.parametrize(
    ("kind", "raw", "span"),
    [
        (Kind.READY, "[gateway] listening on ws://127.0.0.1:18789 (PID 7)", "2026.4.4 or earlier"),
        (Kind.READY, "[gateway] ready (0 plugins, 0.6s)", "2026.4.5 to 2026.4.28"),
        (Kind.READY, "[gateway] gateway ready", "2026.4.29 or later"),
        (Kind.MARKER_CLEARED, "[cron] cron: clearing stale running marker on startup", "2026.4.24 or earlier"),
        (Kind.MARKER_INTERRUPTED, "[cron] cron: marking interrupted running job", "2026.4.25 or later"),
        (Kind.DRAIN_STARTED, "[gateway] draining 1 active task(s) before restart (timeout)", "2026.4.24 or earlier"),
        (Kind.DRAIN_STARTED, "[gateway] draining 4 active task(s) before restart with", "2026.4.25 to 2026.7.x"),
        (Kind.DRAIN_STARTED, "[gateway] draining active work before restart with timeout 0ms: queueSize=4",
         "2026.8.1 or later"),
        (Kind.SIGNAL_ACTED, "[gateway] received SIGTERM; restarting", "2026.4.25 or later"),
        (Kind.SIGNAL_ACTED, "[gateway] received SIGTERM; shutting down", "any release"),
    ],
)  # fmt: skip
def test_each_wording_tells_a_span_of_releases(kind: Kind, raw: str, span: str) -> None:
    assert releases(worded((kind, raw))) == ([] if span == "any release" else [span])


def test_spans_of_several_lines_are_laid_over_each_other_and_each_that_narrows_is_cited() -> None:
    (told,) = audited(
        worded(
            (Kind.READY, "[gateway] ready (0 plugins, 0.6s)"),
            (Kind.READY, "[gateway] ready (0 plugins, 0.7s)"),
            (Kind.MARKER_CLEARED, "[cron] cron: clearing stale running marker on startup"),
        )
    ).releases
    assert str(told.span) == "2026.4.5 to 2026.4.24"
    assert [citation.at for citation in told.evidence] == [at("10:00"), at("10:02")]
    assert all(citation.line is not None for citation in told.evidence)


def test_an_update_begins_another_release() -> None:
    gateway = worded(
        (Kind.READY, "[gateway] ready (0 plugins, 0.6s)"),
        (Kind.READY, "[gateway] gateway ready"),
        (Kind.SHUTDOWN_STARTED, "[gateway/shutdown] shutdown started: gateway stopping"),
    )
    old, new = audited(gateway).releases
    assert (str(old.span), old.since) == ("2026.4.5 to 2026.4.28", at("10:00"))
    assert (str(new.span), new.since) == ("2026.4.29 or later", at("10:01"))


@pytest.mark.parametrize(("day", "span"), [(1, "2026.5.26 or later"), (7, "2026.5.25 or earlier")])
def test_how_long_lost_rows_are_kept_tells_the_release(day: int, span: str) -> None:
    assert releases(Gateway().row(J, at("08:00"), at("09:00"), cleanup_after=at("09:00", day=day))) == [span]


def test_a_retention_of_another_length_tells_nothing() -> None:
    assert releases(Gateway().row(J, at("08:00"), at("09:00"), cleanup_after=at("09:00:01", day=7))) == []


def test_gateways_are_told_apart() -> None:
    old = Gateway("old").row(J, at("08:00"), at("09:00"), cleanup_after=at("09:00", day=7))
    new = Gateway("new").row(J, at("08:00"), at("09:00"), task_id="other", cleanup_after=at("09:00", day=1))
    told = {release.gateway: str(release.span) for release in audited(old, new).releases}
    assert told == {"old": "2026.5.25 or earlier", "new": "2026.5.26 or later"}


def test_a_given_release_comes_before_what_the_evidence_tells() -> None:
    gateway = worded((Kind.READY, "[gateway] ready (0 plugins, 0.6s)"))
    (told,) = audit(evidence_of(gateway), release="2026.7.35").releases
    assert told == Release("gateway", None, told.span, is_given=True, evidence=())
    assert str(told.span) == "2026.7.35"
