"""The suite; two workers share two cores, so that each runs Polars on one thread unless the environment says more."""

import os

os.environ.setdefault("POLARS_MAX_THREADS", "1")
