"""``python -m forensics``."""

from forensics.cli import run

if __name__ == "__main__":
    run()
