"""What the tool talks about: frame schemas, verdicts, findings, tolerances and errors. Imports nothing above it."""
