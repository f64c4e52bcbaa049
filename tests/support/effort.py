"""How much the suite tries: a part that takes minutes, or, with ``FORENSICS_THOROUGH=1``, everything."""

from __future__ import annotations

import os

THOROUGH = bool(os.environ.get("FORENSICS_THOROUGH"))


def tries(few: int, all_of_them: int) -> int:
    """Give how many of something are tried."""
    return all_of_them if THOROUGH else few
