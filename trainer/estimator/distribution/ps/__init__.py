"""Asynchronous training on parameter servers, an optional wing behind `Steps`."""
