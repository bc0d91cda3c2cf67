"""Installs by uv what `pip install ARGUMENTS` would, in half the time or less; setup_env.sh runs it in an environment.

The packages come from where pip's settings say. pip installs where these say what uv is not told, where there is no uv
to be had, and where uv fails.
"""

from __future__ import annotations

import ast
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping, Sequence

OLDEST_UV, ABOVE_UV = (0, 9), (1, 0)
TRUE, FALSE = ("1", "true", "yes", "y", "on", "t"), ("0", "false", "no", "n", "off", "f")
# What does not change which packages are installed, and where they come from.
IRRELEVANT = {
    "break-system-packages",
    "config-file",
    "debug",
    "disable-pip-version-check",
    "exists-action",
    "log",
    "no-color",
    "no-input",
    "no-python-version-warning",
    "no-warn-script-location",
    "progress-bar",
    "quiet",
    "resume-retries",
    "retries",
    "root-user-action",
    "verbose",
}
OLD_NAMES = {"UV_DEFAULT_INDEX": "UV_INDEX_URL", "UV_INDEX": "UV_EXTRA_INDEX_URL"}


class NotForUv(Exception):
    """Why pip installs."""


def main(arguments: Sequence[str]) -> None:
    """Ends with exit code 0 where all is installed; where uv could not do it this process becomes pip."""
    for number in (signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, signal.default_int_handler)  # as Ctrl-C, so that nothing is left behind
    try:
        install_by_uv(arguments)
    except NotForUv as reason:
        print(f"{reason}: pip installs now", file=sys.stderr, flush=True)
        os.execv(sys.executable, [*_pip("install"), "--quiet", *arguments])


def install_by_uv(arguments: Sequence[str]) -> None:
    """Installs all of it, or raises NotForUv."""
    listed = subprocess.run(_pip("config", "list"), stdout=subprocess.PIPE, text=True)
    if listed.returncode:
        raise NotForUv("pip's settings cannot be read")
    options = install_options(listed.stdout)
    environ = {**os.environ, **uv_variables(options, os.environ)}
    flags = ["--no-index"] if options.get("no-index", "").lower() in TRUE else []
    flags += ["--quiet", "--compile-bytecode", f"--python={sys.executable}"]
    try:
        with tempfile.TemporaryDirectory() as folder, half_made_removed():
            done = subprocess.run([find_uv(folder), "pip", "install", *flags, *arguments], env=environ)
    except OSError as error:  # a folder from which nothing may be run, a program for another machine
        raise NotForUv(f"uv does not start ({error})") from error
    if done.returncode:
        raise NotForUv(f"uv exited {done.returncode}")


def install_options(listed: str) -> dict[str, str]:
    """The options of `pip install`, of what `pip config list` prints: of PIP_*, else of [install], else of [global]."""
    sections: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        section, _, option = name.rpartition(".")
        try:
            if section in sections and ast.literal_eval(value):  # to pip an empty value is none
                sections[section][option] = ast.literal_eval(value)
        except (SyntaxError, ValueError) as error:
            # Not the value, which may be a secret.
            raise NotForUv(f"the value of {name} in pip's settings is not understood") from error
    return {**sections["global"], **sections["install"], **sections[":env:"]}


def uv_variables(options: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Variables that tell uv what the options tell pip, without those of uv's own that are given."""
    told: dict[str, str] = {}
    for option, value in options.items():
        match option:
            case "index-url":
                told["UV_DEFAULT_INDEX"] = value
            case "extra-index-url":  # pip takes the newest of all indexes
                told |= {"UV_INDEX": " ".join(value.split()), "UV_INDEX_STRATEGY": "unsafe-best-match"}
            case "find-links":  # of a folder that is not there pip only warns
                places = [os.path.expanduser(place) for place in value.split()]
                told["UV_FIND_LINKS"] = ",".join(place for place in places if ":" in place or os.path.exists(place))
            case "constraint":
                told["UV_CONSTRAINT"] = " ".join(value.split())
            case "cert":
                told["SSL_CERT_DIR" if os.path.isdir(value) else "SSL_CERT_FILE"] = value
            case "timeout" | "default-timeout":
                told["UV_HTTP_TIMEOUT"] = value
            case "cache-dir":
                told["UV_CACHE_DIR"] = os.path.join(os.path.expanduser(value), "uv")
            case "no-cache-dir":
                told["UV_NO_CACHE"] = "1"
            case "require-virtualenv" if sys.prefix != sys.base_prefix:
                pass  # this is one
            case "no-index" if value.lower() in TRUE + FALSE:
                pass  # a flag of uv, for which there is no variable
            case _ if option not in IRRELEVANT:
                raise NotForUv(f"pip's settings have {option}, which uv is not told")
    own = {name for name in told if name.startswith("UV_") and (name in given or OLD_NAMES.get(name, name) in given)}
    return {name: value for name, value in told.items() if name not in own}


def find_uv(folder: str) -> str:
    """The path of uv: that of the PATH if it is of a version we know, else one that pip puts into the folder."""
    if (found := shutil.which("uv")) and is_known(subprocess.run([found, "--version"], stdout=subprocess.PIPE).stdout):
        return found
    oldest, above = (".".join(map(str, version)) for version in (OLDEST_UV, ABOVE_UV))
    wanted = ["--only-binary=:all:", "--no-deps", f"uv>={oldest},<{above}"]
    if subprocess.run([*_pip("install"), "-qq", f"--target={folder}", *wanted]).returncode:
        raise NotForUv("there is no uv to be had")
    return os.path.join(folder, "bin", "uv")


def is_known(printed: bytes) -> bool:
    """Whether `uv --version` names one of the versions that are meant here."""
    version = re.match(rb"uv (\d+)\.(\d+)", printed)
    return version is not None and OLDEST_UV <= tuple(map(int, version.groups())) < ABOVE_UV


@contextlib.contextmanager
def half_made_removed() -> Iterator[None]:
    """Leaves no package that looks installed and is not.

    uv puts a package's files in their place in any order, and INSTALLER in the end. What was stopped between would be
    taken for installed by the next one.
    """
    folders = {pathlib.Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")}
    before = {info for folder in folders for info in folder.glob("*.dist-info")}
    try:
        yield
    finally:
        for info in {info for folder in folders for info in folder.glob("*.dist-info")} - before:
            if not (info / "INSTALLER").exists():
                shutil.rmtree(info)


def _pip(*words: str) -> list[str]:
    return [sys.executable, "-m", "pip", "--disable-pip-version-check", *words]


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit("Stopped. What is left to install is installed the next time")
