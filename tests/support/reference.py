"""The command reference of the README, made from what each command says of itself.

After a change of a command: ``python -m tests.support.reference``, which writes it into the README.
"""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner

from forensics.cli import _COMMANDS, main

README = Path(__file__).parent.parent.parent / "README.md"
BLOCK = re.compile(r"(?<=<!-- reference -->\n).*?(?=<!-- /reference -->)", re.DOTALL)


def reference() -> str:
    """Give the reference: what ``--help`` prints for the tool and for each command."""
    told = [_help_of(*arguments) for arguments in ((), *((name,) for name in _COMMANDS))]
    return "<details>\n<summary>Every command and option</summary>\n\n" + "\n".join(told) + "\n</details>\n"


def _help_of(*arguments: str) -> str:
    result = CliRunner().invoke(main, [*arguments, "--help"], prog_name="forensics", terminal_width=100)
    assert result.exit_code == 0, result.output
    return f"```text\n$ {' '.join(('forensics', *arguments, '--help'))}\n{result.stdout.rstrip()}\n```\n"


if __name__ == "__main__":
    text = README.read_text("utf-8")
    README.write_text(BLOCK.sub(lambda _: reference(), text), encoding="utf-8")
