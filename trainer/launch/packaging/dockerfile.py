"""A Dockerfile for the package, and what can be told of one without an engine.

The rules are those of hadolint and of Docker's own build checks that matter for a training job.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from collections.abc import Collection, Iterator

BASE_IMAGE = "python:3.12-slim-bookworm"
_INSTRUCTIONS = re.findall(
    r"\w+",
    "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL ONBUILD RUN SHELL STOPSIGNAL USER VOLUME WORKDIR",
)
_SECRET = re.compile(r"\b\w*(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|CREDENTIALS)\w*\s*=\s*\S", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """One instruction, continuation lines joined.

    Attributes:
      number: of its first line in the file, from 1.
      keyword: in upper case.
      rest: what stands behind it.
    """

    number: int
    keyword: str
    rest: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flaw:
    """One thing wrong with a Dockerfile."""

    number: int
    got: str
    accept: str
    do: str

    def __str__(self) -> str:
        return f"Dockerfile:{self.number}: {self.got}. Accepted: {self.accept}. {self.do}."


def text(archive_name: str, *, base_image: str = BASE_IMAGE, gpu: bool = False) -> str:
    """A Dockerfile that installs the archive, which lies beside it, and runs one process of a job.

    Args:
      archive_name: the source distribution's file name.
      base_image: has Python 3.11 to 3.13 as `python`.
      gpu: with CUDA, in place of TensorFlow's CPU wheel; both hold the same package, so one has to go.
    """
    swap = ' && pip uninstall --yes tensorflow-cpu && pip install "tensorflow[and-cuda]>=2.21,<2.22"' if gpu else ""
    return f"""\
# One process of a training job: docker build --tag IMAGE . && docker push IMAGE
FROM {base_image}
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY {archive_name} /opt/
RUN pip install /opt/{archive_name}{swap}
RUN useradd --create-home --uid 1000 trainer
USER 1000
WORKDIR /home/trainer
# exec form: the process is number 1 and gets the runner's SIGTERM, after which it saves and exits with 143
ENTRYPOINT ["python", "-m", "trainer.task"]
"""


def flaws(content: str, context: Collection[str]) -> list[Flaw]:
    """Everything wrong with a Dockerfile.

    Args:
      content: its text.
      context: names of the files beside it, with slashes.
    """
    lines = list(_instructions(content))
    return [
        *_unknown(lines),
        *_base(lines),
        *_copies(lines, context),
        *_user(lines),
        *_entrypoint(lines),
        *_secrets(lines),
    ]


def _instructions(content: str) -> Iterator[Line]:
    joined, start = "", 0
    for number, raw in enumerate(content.splitlines(), start=1):
        stripped = raw.strip()
        if stripped.startswith("#") or (not stripped and not joined):
            continue
        start = start or number
        joined += stripped.removesuffix("\\") + " "
        if not stripped.endswith("\\"):
            keyword, _, rest = joined.strip().partition(" ")
            yield Line(number=start, keyword=keyword.upper(), rest=rest.strip())
            joined, start = "", 0
    if joined.strip():
        keyword, _, rest = joined.strip().partition(" ")
        yield Line(number=start, keyword=keyword.upper(), rest=rest.strip())


def _unknown(lines: list[Line]) -> Iterator[Flaw]:
    for line in lines:
        if line.keyword not in _INSTRUCTIONS:
            do = "Correct the word, or end the line before it with a backslash"
            yield Flaw(number=line.number, got=f"no instruction {line.keyword}", accept=", ".join(_INSTRUCTIONS), do=do)
    first = next((line for line in lines if line.keyword != "ARG"), None)
    if first is None or first.keyword != "FROM":
        number = first.number if first else 1
        yield Flaw(number=number, got="no FROM at the start", accept="FROM first", do=f"Begin with FROM {BASE_IMAGE}")


def _base(lines: list[Line]) -> Iterator[Flaw]:
    stages: set[str] = set()
    for line in lines:
        if line.keyword != "FROM":
            continue
        words = [word for word in line.rest.split() if not word.startswith("--")]
        image = words[0] if words else ""
        name = image.rpartition("/")[2]
        pinned = "@sha256:" in image or (":" in name and not name.endswith(":latest"))
        if image not in stages and image != "scratch" and "$" not in image and not pinned:
            got = f"FROM {image}, which is another image tomorrow"
            yield Flaw(number=line.number, got=got, accept="a tag or a digest", do=f"Pin it, as {BASE_IMAGE}")
        if len(words) == 3 and words[1].upper() == "AS":
            stages.add(words[2])


def _copies(lines: list[Line], context: Collection[str]) -> Iterator[Flaw]:
    for line in lines:
        if line.keyword not in ("COPY", "ADD") or "--from=" in line.rest:
            continue
        words = json.loads(line.rest) if line.rest.startswith("[") else shlex.split(line.rest)
        for source in [word for word in words if not word.startswith("--")][:-1]:
            if line.keyword == "ADD" and "://" in source:
                do = "Download it in a RUN with a checksum"
                yield Flaw(number=line.number, got=f"ADD {source}", accept="files of the context", do=do)
            elif not _is_there(source, context):
                got = f"COPY {source}, which is not beside the Dockerfile"
                yield Flaw(number=line.number, got=got, accept="files of the context", do="Correct the path")


def _is_there(source: str, context: Collection[str]) -> bool:
    bare = source.removeprefix("./").rstrip("/")
    if bare in ("", "."):
        return True
    if ".." in bare.split("/") or bare.startswith("/"):
        return False
    pattern = re.compile(re.escape(bare).replace(r"\*", "[^/]*").replace(r"\?", "[^/]") + "(/.*)?")
    return any(pattern.fullmatch(name) for name in context)


def _user(lines: list[Line]) -> Iterator[Flaw]:
    users = [line for line in lines if line.keyword == "USER"]
    if not users or users[-1].rest.partition(":")[0] in ("root", "0"):
        number = users[-1].number if users else (lines[-1].number if lines else 1)
        accept = "a user without rights on the machine"
        yield Flaw(number=number, got="the job runs as root", accept=accept, do="Add USER 1000 before ENTRYPOINT")


def _entrypoint(lines: list[Line]) -> Iterator[Flaw]:
    entries = [line for line in lines if line.keyword == "ENTRYPOINT"]
    accept, do = 'ENTRYPOINT ["python", "-m", "trainer.task"]', "Write it so: the runner's flags and signals reach it"
    if not entries:
        yield Flaw(number=lines[-1].number if lines else 1, got="no ENTRYPOINT", accept=accept, do=do)
        return
    try:
        words = json.loads(entries[-1].rest)
    except json.JSONDecodeError:
        words = None
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        got = f"ENTRYPOINT {entries[-1].rest}, which a shell runs that passes no SIGTERM on"
        yield Flaw(number=entries[-1].number, got=got, accept=accept, do=do)


def _secrets(lines: list[Line]) -> Iterator[Flaw]:
    for line in lines:
        if line.keyword in ("ENV", "ARG") and _SECRET.search(line.rest):
            do = "Give it to the job when it runs, or to the build with RUN --mount=type=secret"
            accept = "no secrets, which everybody who pulls the image can read"
            yield Flaw(number=line.number, got=f"{line.keyword} with a secret in it", accept=accept, do=do)
