"""What a client is told when it gets no answer."""

from __future__ import annotations


class RequestFault(Exception):
    """A request that is not answered.

    Args:
      status: of HTTP.
      text: for whoever sent the request.
      retry_secs: when it is worth another try; None where it is not.
    """

    def __init__(self, status: int, text: str, retry_secs: int | None = None) -> None:
        super().__init__(text)
        self.status, self.text, self.retry_secs = status, text, retry_secs
