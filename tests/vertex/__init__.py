"""Vertex AI's jobs on loopback, for tests: a real HTTP server that reads bodies with the official types."""
