"""From files to frames. Parsers never judge: they read, count and cite; bad evidence becomes a notice."""
