"""Training steps in one process: batches, compiled loops, and what happens between device calls."""
