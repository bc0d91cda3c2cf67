"""The outer loop: device calls, and between them hooks, summaries and saves."""
