"""A container behind an endpoint without TensorFlow: healthy, and answers with the model's place for each row.

It takes port, routes and model from the environment as `trainer.serve` does; of a model in a folder `broken` it ends.
"""

from __future__ import annotations

import http.server
import json
import os
import sys


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # noqa: N802  (http.server's name)
        self._answer(200 if self.path == os.environ["AIP_HEALTH_ROUTE"] else 404, {})

    def do_POST(self) -> None:  # noqa: N802
        rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["instances"]
        known = self.path == os.environ["AIP_PREDICT_ROUTE"]
        self._answer(200 if known else 404, {"predictions": [os.environ["AIP_STORAGE_URI"]] * len(rows)})

    def _answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Says nothing."""


if __name__ == "__main__":
    if "broken" in os.environ["AIP_STORAGE_URI"]:
        sys.exit(3)
    http.server.HTTPServer(("127.0.0.1", int(os.environ["AIP_HTTP_PORT"])), _Handler).serve_forever()
