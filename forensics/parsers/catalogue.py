"""All forms of input in the order in which a file is asked for them: the more telling its marks, the earlier."""

from __future__ import annotations

from forensics.parsers import (
    cron_runs,
    gateway_log,
    job_store,
    restart_records,
    task_export,
    task_registry,
    text_forms,
)
from forensics.parsers.forms import Form

FORMS: tuple[Form, ...] = (
    *task_registry.FORMS,
    *restart_records.FORMS,
    *cron_runs.FORMS,
    *text_forms.FORMS,
    *gateway_log.FORMS,
    *job_store.FORMS,
    *task_export.FORMS,
)

FORM_OF: dict[str, Form] = {form.name: form for form in FORMS}
