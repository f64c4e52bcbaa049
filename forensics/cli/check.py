"""``forensics check``."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from forensics.cli.display import Display, display_options, tell
from forensics.cli.options import (
    Asked,
    audit_options,
    audited,
    emit,
    format_option,
    guard_outputs,
    now_option,
    output_option,
    parsed_verdicts,
)
from forensics.cli.settings import taken_from_file
from forensics.cli.writing import write_whole
from forensics.model.errors import NothingToReadError, UsageError
from forensics.model.verdicts import FAIL_ON_BY_DEFAULT

if TYPE_CHECKING:
    from forensics.model.baseline import Baseline
    from forensics.model.check import Check
    from forensics.model.shown import Shown

_FORMATS = ("text", "json", "sarif", "junit", "github")


@click.command("check")
@audit_options
@click.option(
    "--fail-on",
    metavar="VERDICT,…",
    default=",".join(FAIL_ON_BY_DEFAULT),
    show_default=True,
    help="Fail (exit code 1) when a lost row has one of these verdicts.",
)
@click.option(
    "--baseline",
    "baseline_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The findings that are known already: they are marked as known in every format.",
)
@click.option("--fail-on-new", "only_new", is_flag=True, help="Do not fail on findings that the baseline knows.")
@click.option(
    "--update-baseline",
    "is_update",
    is_flag=True,
    help="Write the findings of --fail-on into the baseline. Reasons and last days stay; entries without a finding go.",
)
@format_option(*_FORMATS, "auto")
@output_option
@click.option(
    "--also",
    multiple=True,
    metavar="FORMAT=FILE",
    help="Write this format to a file as well: sarif=forensics.sarif. Can be given several times.",
)
@now_option
@display_options
def command(
    asked: Asked,
    fail_on: str,
    baseline_file: Path | None,
    form: str,
    output: Path | None,
    also: tuple[str, ...],
    now: str | None,
    display: Display,
    *,
    only_new: bool,
    is_update: bool,
) -> int:
    """Check exported evidence in a pipeline: exit code 1 when there are findings to look at.

    \b
    Examples:
      forensics check exported-state logs
      forensics check exported-state logs --fail-on interrupted,unexplained
      forensics check exported-state logs -f auto --also sarif=forensics.sarif
      forensics check exported-state logs --baseline known.json --update-baseline
      forensics check exported-state logs --baseline known.json --fail-on-new

    \b
    Exit codes:
      0  no lost row has a verdict of --fail-on (--fail-on-new: no unknown one)
      1  at least one has
      2  the command was used wrongly, or the baseline is none
      3  nothing or not all could be read, so that passing would say nothing

    Without --now an entry of the baseline is judged at the latest time in the evidence, so that one that expires later
    never ends on an old export; --now now ends it on its day.

    The format auto is github in a job of GitHub Actions, else text; github also appends a table to the summary of the
    step. Where no row is lost, what was read is told. Text goes unwrapped to a pipe, one line per finding.
    """  # noqa: D301
    _tell_settings()
    verdicts = parsed_verdicts(fail_on, "--fail-on")
    baseline = _baseline(baseline_file, only_new=only_new, is_update=is_update)
    outputs = _outputs(form, output, also)
    evidence, report = audited(asked, now)
    from forensics.model.check import Check

    check = Check(report, verdicts, baseline, only_new, tuple(asked.gateways))
    summary = _summary_file() if any(asked_form == "github" for asked_form, _ in outputs) else None
    guard_outputs(evidence, *(path for _, path in outputs), summary, ours=baseline_file if is_update else None)
    _guard_baseline(baseline_file, [*(path for _, path in outputs), *([summary] if summary else [])])
    if is_update and baseline_file is not None:
        check = _updated(check, baseline_file)
    for asked_form, path in outputs:
        emit(_written(check, asked_form, display.shown(path)), path)
    if summary is not None:
        _append_summary(check, summary)
    if any(asked_form == "sarif" for asked_form, _ in outputs):
        _tell_left_out(check)
    if outputs[0][0] != "github":
        _tell_unread(check)
    return check.exit_code()


def _tell_settings() -> None:
    """Tell what a file in the working directory decides: it may be one that came with the evidence."""
    told = taken_from_file(click.get_current_context())
    if told:
        click.echo(f"set by a file in the working directory: {' '.join(told)}", err=True)


def _baseline(file: Path | None, *, only_new: bool, is_update: bool) -> Baseline | None:
    """Read the baseline; one that is to be written may be missing.

    Raises:
        UsageError: it cannot be read or is none, or an option needs one.
    """
    from forensics.model.baseline import Baseline, parsed_baseline
    from forensics.model.policy import BASELINE_TEXT_BYTES

    if file is None:
        if only_new or is_update:
            option = "--fail-on-new" if only_new else "--update-baseline"
            message = f"{option} needs --baseline FILE"
            raise UsageError(message)
        return None
    if is_update and not file.exists():
        return Baseline()
    if not file.is_file():
        message = f"{file}: there is no such file" if not file.exists() else f"{file}: no file"
        raise UsageError(message, "--update-baseline writes one")
    try:
        with file.open("rb") as opened:
            return parsed_baseline(opened.read(BASELINE_TEXT_BYTES + 1))
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror}"
        raise UsageError(message) from error
    except ValueError as error:
        message = f"{file}: {error}"
        raise UsageError(message, "a baseline is written by --update-baseline") from error


def _outputs(form: str, output: Path | None, also: tuple[str, ...]) -> list[tuple[str, Path]]:
    """Give every format that is asked for with the file it goes to; ``-`` is standard output.

    Raises:
        UsageError: ``--also`` names no format, or no file.
    """
    if form == "auto":
        form = "github" if os.environ.get("GITHUB_ACTIONS") == "true" else "text"
    outputs = [(form, output or Path("-"))]
    for text in also:
        name, _, path = text.partition("=")
        if name not in _FORMATS or not path:
            message = f"--also {text!r} names no format and file"
            raise UsageError(message, "write it like --also sarif=forensics.sarif; there are " + ", ".join(_FORMATS))
        outputs.append((name, Path(path)))
    return outputs


def _guard_baseline(file: Path | None, outputs: list[Path]) -> None:
    """Refuse to write an output over the baseline.

    Raises:
        UsageError: an output is the baseline.
    """
    from forensics.repair.names import is_same_file

    if file is not None and any(is_same_file(output, file) for output in outputs):
        message = f"{file} is the baseline; nothing was written"
        raise UsageError(message, "write to another file")


def _written(check: Check, form: str, shown: Shown) -> str:
    from forensics.writers.check import write_check
    from forensics.writers.github import write_annotations
    from forensics.writers.json import write_check_json
    from forensics.writers.junit import write_junit
    from forensics.writers.sarif import write_sarif

    if form == "text":
        return write_check(check, shown)
    writers = {
        "json": write_check_json,
        "sarif": write_sarif,
        "junit": write_junit,
        "github": write_annotations,
    }
    return writers[form](check)


def _updated(check: Check, file: Path) -> Check:
    """Write the baseline anew, and judge by it: only an entry that has expired still fails.

    Raises:
        NothingToReadError: not all evidence was read, so that entries would go whose findings are still there.
        UsageError: the file cannot be written.
    """
    from forensics.model.baseline import Baseline, baseline_text, renewed
    from forensics.model.escape import for_terminal

    unread = check.unread()
    if unread:
        message = "not all of the evidence could be read, so that the baseline is left as it is: " + unread[0]
        raise NothingToReadError(for_terminal(message))
    baseline = renewed(check.baseline or Baseline(), check.report.findings, check.listed())
    write_whole(file, [baseline_text(baseline)])
    gone = len(check.stale())
    click.echo(f"{file}: {len(baseline.entries)} known findings written, {gone} stale entries left out", err=True)
    unreasoned = len([entry for entry in baseline.entries if not entry.has_reason])
    if unreasoned:
        tell("warning", f"{unreasoned} of them give no reason: write into {file} why each of them is accepted")
    return replace(check, baseline=baseline, only_new=True)


def _summary_file() -> Path | None:
    """Give the file that GitHub shows as the summary of the step, where there is one."""
    path = os.environ.get("GITHUB_STEP_SUMMARY", "")
    return Path(path) if path else None


def _append_summary(check: Check, file: Path) -> None:
    from forensics.writers.github import write_step_summary

    try:
        with file.open("a", encoding="utf-8") as opened:
            opened.write(write_step_summary(check))
    except OSError as error:
        message = f"{file} cannot be written: {error.strerror}"
        raise UsageError(message, "it is what GITHUB_STEP_SUMMARY names") from error


def _tell_left_out(check: Check) -> None:
    from forensics.writers.sarif import left_out

    missing = left_out(check)
    if missing:
        tell("warning", missing)


def _tell_unread(check: Check) -> None:
    """Tell what could not be read where the check would pass otherwise: it may hold findings."""
    unread = () if check.failing() else check.unread()
    for message in unread:
        tell("error", message)
    if unread:
        click.echo("not all of the evidence could be read, so that passing says nothing", err=True)
