"""Asynchronous training on parameter servers, an optional wing behind `Steps`: see docs/parameter_servers.md."""
