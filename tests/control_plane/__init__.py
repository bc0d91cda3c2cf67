"""A Kubernetes control plane on loopback for tests: an API server for `kubectl`, controllers behind it."""
