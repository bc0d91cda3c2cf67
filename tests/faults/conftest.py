"""What the short forms of the campaigns share."""

from tests.forks.fixtures import forking_python  # noqa: F401
