"""Writing a fix-up into a registry: plan, rehearsal, apply, undo."""
