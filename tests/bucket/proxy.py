"""`python -m tests.bucket.proxy --target=URL`: lets TensorFlow's own C++ code talk to a bucket server.

TensorFlow's gs:// has no setting for its endpoint, but honours a proxy. This one ends TLS for Google's hosts with a
certificate of its own and passes the bytes on. It prints the environment for TensorFlow as one line of JSON, and
ends with its standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import pathlib
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.parse

import trustme

from tests.bucket.process import ROOT
from tests.deadlines import ANSWER_SECS

_HOSTS = ("googleapis.com", "www.googleapis.com", "storage.googleapis.com", "oauth2.googleapis.com")


class TlsProxy:
    """The proxy as a child process, until `close`.

    Args:
      target: address of the bucket server.
    """

    def __init__(self, target: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bucket.proxy", f"--target={target}"],
            cwd=ROOT,
            stdin=subprocess.PIPE,  # its end, however this process ends, is the child's
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        watchdog = threading.Timer(ANSWER_SECS, self._process.kill)
        watchdog.start()
        self.environ: dict[str, str] = json.loads(self._process.stdout.readline())
        watchdog.cancel()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def __enter__(self) -> TlsProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


async def serve(target: str) -> None:
    """Serves until the process is ended."""
    with tempfile.TemporaryDirectory(prefix="proxy-") as folder:
        authority = trustme.CA()
        certificate = pathlib.Path(folder) / "ca.pem"
        authority.cert_pem.write_to_path(certificate)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(*_HOSTS).configure_cert(context)
        address = urllib.parse.urlsplit(target)

        async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
                if await _accept(reader, writer, context):
                    await _join(reader, writer, str(address.hostname), int(address.port or 80))
            writer.close()

        server = await asyncio.start_server(meet, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        print(json.dumps(environment(port, str(certificate))), flush=True)
        await server.serve_forever()


def environment(port: int, certificate: str) -> dict[str, str]:
    """What makes TensorFlow's gs:// use a proxy at a port of loopback; all else on loopback goes past it."""
    proxy = f"http://127.0.0.1:{port}"
    return {
        "https_proxy": proxy,
        "http_proxy": proxy,
        "no_proxy": "127.0.0.1,localhost",
        "CURL_CA_BUNDLE": certificate,
        "GOOGLE_AUTH_TOKEN_FOR_TESTING": "token-for-tests",
        "NO_GCE_CHECK": "true",
    }


async def _accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext) -> bool:
    """Answers a CONNECT, and begins TLS; False for anything else."""
    head = await reader.readuntil(b"\r\n\r\n")
    verb, _, rest = head.partition(b" ")
    host = rest.partition(b" ")[0].decode("latin-1").rpartition(":")[0]
    if verb != b"CONNECT" or host not in _HOSTS:
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        return False
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await writer.drain()
    await writer.start_tls(context)
    return True


async def _join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
    """Passes bytes on in both directions until one side ends."""
    there, back = await asyncio.open_connection(host, port)
    tasks = [asyncio.create_task(_pass(reader, back)), asyncio.create_task(_pass(there, writer))]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    back.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bucket.proxy")
    parser.add_argument("--target", required=True, help="address of the bucket server")
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(parser.parse_args().target))


if __name__ == "__main__":
    main()
