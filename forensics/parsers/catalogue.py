"""All forms of input in the order in which a file is asked for them: the more telling its marks, the earlier."""

from __future__ import annotations

from forensics.parsers import (
    cron_pages,
    cron_runs,
    dump,
    gateway_log,
    job_store,
    journal,
    restart_records,
    table_dump,
    task_export,
    task_registry,
    task_texts,
    text_forms,
)
from forensics.parsers.forms import Form

FORMS: tuple[Form, ...] = (
    *task_registry.FORMS,
    *journal.FORMS,
    *restart_records.FORMS,
    *cron_runs.FORMS,
    *text_forms.FORMS,
    *gateway_log.FORMS,
    *job_store.FORMS,
    *cron_pages.FORMS,
    *task_export.FORMS,
    *task_texts.FORMS,
    *dump.FORMS,
    *table_dump.FORMS,
)

FORM_OF: dict[str, Form] = {form.name: form for form in FORMS}
