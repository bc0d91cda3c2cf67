"""Cloud runners on loopback, for tests: they start a job's processes with the environment that each documents."""
