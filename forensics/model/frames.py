"""The frames that are handed on to other tools: by name, with their schema, their key and what a row is."""

from __future__ import annotations

from dataclasses import dataclass

from forensics.model import schemas

FRAMES_CONTRACT = "forensics.frames/1"


@dataclass(frozen=True, slots=True)
class FrameKind:
    """One kind of frame; ``key`` are the columns by which its rows are told apart, none where nothing tells them."""

    schema: schemas.Schema
    key: tuple[str, ...]
    row: str


FRAMES: dict[str, FrameKind] = {
    "sources": FrameKind(schemas.SOURCES, ("id",), "a file that was read"),
    "notices": FrameKind(schemas.NOTICES, (), "what was skipped, doubtful or missing"),
    "tasks": FrameKind(schemas.TASKS, (), "a task row of one registry or export"),
    "runs": FrameKind(schemas.RUNS, (), "a run record"),
    "lifecycle": FrameKind(schemas.LIFECYCLE, (), "a lifecycle line, or a job or run that it names"),
    "jobs": FrameKind(schemas.JOBS, (), "a job of one store"),
    "corrections": FrameKind(schemas.CORRECTIONS, ("source", "row"), "a row of a journal of fix or undo"),
    "copies": FrameKind(schemas.COPIES, ("gateway", "copy"), "a folder that was copied as a whole"),
    "histories": FrameKind(schemas.HISTORIES, (), "a store of run records and a job"),
    "restarts": FrameKind(schemas.RESTARTS, ("gateway", "id"), "a restart window"),
    "restart_evidence": FrameKind(schemas.RESTART_EVIDENCE, (), "a line that a restart window rests on"),
    "findings": FrameKind(schemas.FINDINGS, ("gateway", "task_id"), "a lost task"),
    "evidence": FrameKind(schemas.EVIDENCE, (), "a fact behind a finding"),
    "reliability": FrameKind(schemas.RELIABILITY, ("gateway", "job_id"), "a job with cron rows"),
}
"""Every frame of an audit; ``source`` is an id of ``sources`` in all of them."""
