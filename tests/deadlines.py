"""How long tests wait for what has to come: bounds that end a test which hangs, however busy the machine is."""

ANSWER_SECS = 120.0
"""One step of one process: its start, its answer, its end."""

JOB_SECS = 600.0
"""A whole job of several processes; pytest's own bound, in pyproject.toml, is above it."""
