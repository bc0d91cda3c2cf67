"""A bucket server of our own for tests: the part of Cloud Storage that jobs use, on loopback, with faults on demand."""
