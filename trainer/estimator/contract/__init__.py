"""Values that a person's code gives and gets: specs, hooks, exports, settings of a run."""
