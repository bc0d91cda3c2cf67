"""A whole distributed job as processes on this machine."""
