"""Fixtures for tests that submit jobs; a conftest.py or a test imports them by name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.vertex.server import VertexService


@pytest.fixture
def vertex_service() -> Iterator[VertexService]:
    """A service of its own for one test."""
    with VertexService() as service:
        yield service
