"""One import of TensorFlow for many processes: a `python` whose processes are forks of one that has imported it."""
