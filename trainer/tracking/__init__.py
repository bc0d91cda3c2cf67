"""Trackers of experiments, which are told of a run: settings, metrics, results. None of them can stop a training."""
