"""All errors a user can meet.

```
ForensicsError            exit 70 unless a subclass says otherwise
├── UsageError            exit 2   the command line asks for something that cannot be
├── NothingToReadError    exit 3   no usable evidence behind the given paths
└── RefusedError          exit 4   acting would not be safe
```

Bad *evidence* is never an error: it becomes a notice, naming file and line, and the rest is still read.
"""

from __future__ import annotations

from typing import ClassVar


class ForensicsError(Exception):
    """Base of all errors with a sentence for the user, an exit code and, where there is one, a remedy."""

    exit_code: ClassVar[int] = 70

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(ForensicsError):
    """The request itself cannot be met."""

    exit_code = 2


class NothingToReadError(ForensicsError):
    """No usable evidence was found behind the given paths."""

    exit_code = 3


class RefusedError(ForensicsError):
    """The action was refused because it would not be safe."""

    exit_code = 4


class UnreadableError(Exception):
    """One file cannot be read; parsers raise it, the loader turns it into a notice and reads on."""
