"""One attempt to apply a plan, as a process of its own that may be killed; the plan is told by a journal.

``python -m tests.repair.attempt DB BACKUP PLAN``; with ``--serve`` it reads such triples from standard input and forks
a process for each, so that many attempts can be killed without waiting for many starts.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from forensics.model.errors import RefusedError
from forensics.repair import apply
from forensics.repair.apply import apply_fix, finished_earlier, plan_of, read_journal
from tests.repair.registries import target_of


def attempt(database: str, backup: str, told: str) -> int:
    target = target_of(Path(database), Path(backup))
    try:
        if finished_earlier(target) is None:
            apply_fix(plan_of(read_journal(Path(told))), target)
    except RefusedError as refusal:
        _say(refusal)
        return refusal.exit_code
    return 0


def _say(told: object) -> None:
    sys.stdout.write(f"{told}\n")
    sys.stdout.flush()


def die_at(statement: int) -> None:
    """Kill this process just before it runs a certain SQL statement on the real registry."""
    lock = apply._locked

    def counted(database: Path) -> object:
        context = lock(database)
        enter = context.__enter__

        def entered() -> object:
            live = enter()
            left = [statement]

            def told(_sql: str) -> None:
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

            live.set_trace_callback(told)
            return live

        class Watched:
            def __enter__(self) -> object:
                return entered()

            def __exit__(self, *error: object) -> object:
                return context.__exit__(*error)  # type: ignore[arg-type]

        return Watched()

    apply._locked = counted  # type: ignore[assignment]


def serve() -> None:
    for line in sys.stdin:
        database, backup, told, statement, kill_after = line.rstrip("\n").split("\t")
        child = os.fork()
        if child == 0:
            if statement:
                die_at(int(statement))
            os._exit(attempt(database, backup, told))
        if kill_after:
            time.sleep(float(kill_after))
            os.kill(child, signal.SIGKILL)  # it is not waited for yet, so the number is its own
        _, status = os.waitpid(child, 0)
        _say(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        serve()
    else:
        sys.exit(attempt(*sys.argv[1:]))
