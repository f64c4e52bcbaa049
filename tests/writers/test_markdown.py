"""What a hostile task id can do to a report in Markdown: nothing, wherever the row is told of."""

from __future__ import annotations

import unicodedata

import pytest

from forensics.model.policy import LOST_ERROR
from forensics.writers.markdown import write_markdown
from tests.support.scenario import J, a_day, at, audited

HOSTILE = "`<b>\x1b[2J\u202e\r\n::error::x\n# x [l](http://e) "


@pytest.mark.parametrize(
    ("status", "error"), [("succeeded", LOST_ERROR), ("lost", LOST_ERROR), ("running", None), ("failed", "other")]
)
def test_a_task_id_is_escaped_wherever_a_row_is_told_of(status: str, error: str | None) -> None:
    gateway = a_day().row(J, at("10:00"), at("09:00"), task_id=HOSTILE, status=status, error=error)
    text = write_markdown(audited(gateway))
    assert "error" in text
    assert {character for character in text if unicodedata.category(character) in ("Cc", "Cf")} <= {"\n"}
    assert "<b>" not in text
    assert "[l](" not in text
    assert not [line for line in text.splitlines() if line.startswith(("::", "# x"))]
