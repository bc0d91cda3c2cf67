"""Predictions from files into a file: read in order, answered in batches, written in the order in which they came."""
