"""`python -m tests.bucket [--port=N] [--directory=DIR] [--bucket=NAME] [--faults=FILE.json]`: a bucket by hand."""

from __future__ import annotations

import argparse
import json
import pathlib
import signal
import sys
import tempfile
import threading

from tests.bucket.faults import Plan, plan_of
from tests.bucket.messages import Refusal
from tests.bucket.server import Server


def main() -> int:
    options = _options()
    directory = options.directory or pathlib.Path(tempfile.mkdtemp(prefix="buckets-"))
    try:
        server = Server(directory, options.port, options.faults, options.page_size)
    except OSError as error:
        print(f"python -m tests.bucket: {error}. Choose another --port or --directory", file=sys.stderr)
        return 2
    try:
        for bucket in set(options.bucket) - set(server.api.store.buckets()):
            server.api.store.create_bucket(bucket)
    except Refusal as error:
        print(f"python -m tests.bucket: {error}. Accepted: 3 to 222 of a-z, 0-9, '-', '_' and '.'", file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    print(server.url, flush=True)  # the first line is for whoever started this process
    if options.child:
        threading.Thread(target=_end_with_parent, args=[server], daemon=True).start()
    else:
        _tell(server.url, directory, sorted(server.api.store.buckets()))
    server.serve_forever(poll_interval=0.05)
    return 0


def _end_with_parent(server: Server) -> None:
    sys.stdin.read()
    server.shutdown()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bucket", description=__doc__.partition("`: ")[2])
    parser.add_argument("--port", type=int, default=0, help="of 127.0.0.1; default: any free one")
    parser.add_argument("--directory", type=pathlib.Path, help="where the buckets lie; default: a new temporary one")
    parser.add_argument("--bucket", action="append", default=[], help="a bucket to create; may be given again")
    parser.add_argument("--faults", type=_plan, default=Plan(), help="a file with a plan, or the plan itself, in JSON")
    parser.add_argument("--page_size", type=int, default=1000, help="the most entries in a page of a list")
    parser.add_argument("--child", action="store_true", help="print the address only, and end with standard input")
    return parser.parse_args()


def _plan(text: str) -> Plan:
    try:
        return plan_of(json.loads(text if text.lstrip().startswith("{") else pathlib.Path(text).read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _tell(url: str, directory: pathlib.Path, buckets: list[str]) -> None:
    name = buckets[0] if buckets else "BUCKET"
    print(
        f"Buckets in {directory}: {', '.join(buckets) or 'none yet (--bucket=NAME)'}\n"
        f"Point a job at it:   export STORAGE_EMULATOR_HOST={url}\n"
        f"                     python -m trainer.task --output_dir=gs://{name}/run\n"
        f"What it was asked:   curl {url}/_counts; tail -f {directory}/requests.jsonl\n"
        f'A bad day:           curl {url}/_faults -d \'{{"rules": [{{"kind": "503", "rate": 0.1}}]}}\'\n'
        f"Down for a minute:   curl {url}/_faults -d '{{\"down_secs\": 60}}'\n"
        "End it with Ctrl-C.",
        file=sys.stderr,
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
