"""`python kubectl.py ...` stands for kubectl where that is not installed: the commands that this package uses.

It reads the server's address from KUBECONFIG. Its words and exit codes are kubectl's; `test_kubectl.py` compares them.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import sys
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from tests.control_plane.resources import CORE, OPERATORS, Manifest, Resource

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class _Failed(Exception):
    """What is written to standard error before the exit code 1."""


def main(argv: list[str]) -> int:
    options = _options(argv)
    try:
        match options.verb:
            case "create":
                value = json.load(sys.stdin)
                resource = _resource(value["kind"])
                if resource.full_name not in _served():
                    missing = f'no matches for kind "{resource.kind}" in version "{resource.group_version}"'
                    where = f'name: "{value["metadata"]["name"]}" namespace: "" from "STDIN"'
                    raise _Failed(
                        f"error: resource mapping not found for {where}: {missing}\nensure CRDs are installed first"
                    )
                _show(options, [_ask("POST", _path(options, resource), value)], "created")
            case "get" | "delete" | "patch":
                _work(options)
            case "logs":
                _logs(options)
    except _Failed as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("verb")
    parser.add_argument("what", nargs="*")
    for name in ("context", "namespace", "output", "selector", "field-selector", "patch", "type", "wait", "tail"):
        parser.add_argument(f"--{name}")
    for name in ("all-namespaces", "ignore-not-found", "follow", "timestamps"):
        parser.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--since-time")
    parser.add_argument("-f", dest="file")
    return parser.parse_intermixed_args(argv)


def _work(options: argparse.Namespace) -> None:
    resource, verb = _resource(options.what[0]), options.verb
    names = options.what[1:]
    try:
        if not names:
            found = _ask("GET", _path(options, resource) + _query(options))
            if verb == "get":
                print(json.dumps({**found, "kind": "List"}))
                return
            names = [item["metadata"]["name"] for item in found["items"]]
        paths = [f"{_path(options, resource)}/{name}" for name in names]
        method = {"get": "GET", "delete": "DELETE", "patch": "PATCH"}[verb]
        values = [_ask(method, path, json.loads(options.patch) if verb == "patch" else None) for path in paths]
        _show(options, values, f"{verb}ed".replace("ee", "e"))
        if not values:
            print("No resources found")
    except _Failed as failure:
        if not (options.ignore_not_found and "(NotFound)" in str(failure)):
            raise


def _logs(options: argparse.Namespace) -> None:
    query = {"follow": options.follow, "timestamps": options.timestamps}
    words = [f"{name}={str(value).lower()}" for name, value in query.items()]
    words += [f"tailLines={options.tail}"] if options.tail else []
    words += [f"sinceTime={options.since_time}"] if options.since_time else []
    path = f"/api/v1/namespaces/{options.namespace or 'default'}/pods/{options.what[0]}/log?{'&'.join(words)}"
    with _opened("GET", path, None) as answer:
        for line in answer:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()


def _show(options: argparse.Namespace, values: list[Manifest], done: str) -> None:
    for value in values:
        if options.output == "json":
            print(json.dumps(value, indent=4))
            continue
        resource = _resource(value["kind"])
        group = f".{resource.group}" if resource.group else ""
        name = f"{resource.kind.lower()}{group}"
        quoted = f'{name} "{value["metadata"]["name"]}"' if done == "deleted" else f"{name}/{value['metadata']['name']}"
        print(f"{quoted} {done}")


def _resource(word: str) -> Resource:
    known = (*CORE, *OPERATORS)
    for resource in known:
        if word.lower() in (resource.kind.lower(), resource.plural, resource.full_name):
            return resource
    raise _Failed(f'error: the server doesn\'t have a resource type "{word.partition(".")[0]}"')


def _path(options: argparse.Namespace, resource: Resource) -> str:
    start = "/apis" if resource.group else "/api"
    place = "" if options.all_namespaces else f"/namespaces/{options.namespace or 'default'}"
    return f"{start}/{resource.group_version}{place}/{resource.plural}"


def _query(options: argparse.Namespace) -> str:
    chosen = {"labelSelector": options.selector, "fieldSelector": options.field_selector}
    return "?" + urllib.parse.urlencode({name: value for name, value in chosen.items() if value})


def _served() -> list[str]:
    """The kinds of this server, by their full names."""
    groups = {resource.group_version for resource in (*CORE, *OPERATORS)}
    names = []
    for version in sorted(groups):
        try:
            listed = _ask("GET", f"/{'apis' if '/' in version else 'api'}/{version}")["resources"]
        except _Failed:
            continue
        group = version.rpartition("/")[0]
        names += [f"{entry['name']}.{group}".rstrip(".") for entry in listed]
    return names


def _ask(method: str, path: str, value: Manifest | None = None) -> Manifest:
    with _opened(method, path, value) as answer:
        found: Manifest = json.loads(answer.read())
        return found


def _opened(method: str, path: str, value: Manifest | None) -> Any:
    config = json.loads(pathlib.Path(os.environ["KUBECONFIG"]).read_text())
    body = None if value is None else json.dumps(value).encode()
    request = urllib.request.Request(config["clusters"][0]["cluster"]["server"] + path, body, method=method)
    try:
        return _OPENER.open(request)
    except urllib.error.HTTPError as error:
        status = json.loads(error.read())
        if status["message"].startswith("the server could not find"):
            name = path.partition("?")[0].rpartition("/")[2]
            raise _Failed(f'error: the server doesn\'t have a resource type "{name}"') from None
        head = {"POST": 'error when creating "STDIN": '}.get(method, "")
        raise _Failed(f"Error from server ({status['reason']}): {head}{status['message']}") from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
