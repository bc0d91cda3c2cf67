"""What tests of the bucket server share."""

from __future__ import annotations

from tests.bucket.fixtures import bucket_server, module_bucket_server

__all__ = ["bucket_server", "module_bucket_server"]
