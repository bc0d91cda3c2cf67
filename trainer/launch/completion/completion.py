"""`python -m trainer.launch completion bash|zsh`: a script that completes commands, flags and their values.

Made from the settings classes whose fields are the flags, so that it knows what the commands know.
"""

from __future__ import annotations

import dataclasses
import enum
import importlib.resources
import types
import typing
from collections.abc import Iterable, Mapping, Sequence

from trainer.job import flags
from trainer.job.errors import UsageError
from trainer.launch import task_flags
from trainer.launch.cluster.options import ClusterOptions
from trainer.launch.doctor.options import DoctorOptions
from trainer.launch.jobs import JobOptions, ListOptions, LogOptions
from trainer.launch.kubernetes import sending_options as kubernetes_sending
from trainer.launch.kubernetes.options import KubernetesOptions
from trainer.launch.packaging.package import PackageOptions
from trainer.launch.submission.options import ServiceOptions, SubmitOptions
from trainer.launch.sweep.options import SweepOptions
from trainer.launch.vertex import sending_options as vertex_sending
from trainer.launch.vertex.deploy import DeployOptions
from trainer.launch.vertex.options import VertexOptions

USAGE = "python -m trainer.launch completion bash|zsh"
SHELLS = ("bash", "zsh")
_OF_JOBS = (JobOptions, ServiceOptions)
# What comes after the program: words, and the classes whose fields are flags there.
_WORDS: Mapping[str, tuple[type, ...]] = {
    "cluster": (ClusterOptions,),
    "sweep": (SweepOptions,),
    "doctor": (DoctorOptions,),
    "package": (PackageOptions,),
    "submit vertex": (SubmitOptions, VertexOptions, vertex_sending.SendingOptions, ServiceOptions),
    "submit kubernetes": (SubmitOptions, KubernetesOptions, kubernetes_sending.SendingOptions),
    "status vertex": _OF_JOBS,
    "status kubernetes": _OF_JOBS,
    "cancel vertex": _OF_JOBS,
    "cancel kubernetes": _OF_JOBS,
    "logs vertex": (*_OF_JOBS, LogOptions),
    "logs kubernetes": (*_OF_JOBS, LogOptions),
    "list vertex": (*_OF_JOBS, ListOptions),
    "list kubernetes": (*_OF_JOBS, ListOptions),
    "deploy vertex": (DeployOptions, ServiceOptions),
    "validate": (),
    "completion bash": (),
    "completion zsh": (),
}

PROGRAMS = ("launch", "migrate", "predict", "report", "serve", "task")


def main(argv: Sequence[str]) -> int:
    """Prints the script of the shell that is named."""
    shell = argv[0] if argv else ""
    if shell in ("--help", "-h", "-help"):
        raise flags.HelpRequested(_HELP)
    if shell not in SHELLS or len(argv) > 1:
        got = f"{' '.join(argv)!r} is not a shell" if argv else "No shell"
        raise UsageError(got, USAGE, "Write bash or zsh")
    print(script(shell), end="")
    return 0


def script(shell: str) -> str:
    """The script for a shell."""
    by_path = {f"launch {words}": classes for words, classes in _WORDS.items()} | {
        "task": task_flags.settings_classes(())
    }
    text = _template(shell).replace("@CASES@", _template("cases"))
    for name, value in {
        "USAGE": USAGE.replace("bash|zsh", shell),
        "PROGRAMS": " ".join(f"trainer.{program}" for program in PROGRAMS),
        "FLAGS": _cases({path: " ".join(_flags(classes)) for path, classes in by_path.items()}),
        "VALUES": _cases(_values(by_path)),
        "NEXT": _cases(_next(_WORDS)),
    }.items():
        text = text.replace(f"@{name}@", value)
    return text


def _template(kind: str) -> str:
    """A part of the script, with places for what is known here."""
    return importlib.resources.files(__package__).joinpath(f"script.{kind}").read_text(encoding="utf-8")


def _flags(classes: Iterable[type]) -> list[str]:
    """`--name=` of each flag, and `--name` of a switch."""
    names = ["--help"]
    for settings_class in classes:
        hints = typing.get_type_hints(settings_class)
        for field in dataclasses.fields(settings_class):
            if field.metadata.get("flag", True):
                names.append(f"--{field.name}" if hints[field.name] is bool else f"--{field.name}=")
    return sorted(set(names))


def _values(by_path: Mapping[str, Iterable[type]]) -> dict[str, str]:
    """The values of each flag that has a choice, by `launch --flag` or `task --flag`."""
    by_flag: dict[str, set[str]] = {}
    for path, classes in by_path.items():
        for settings_class in classes:
            for name, hint in typing.get_type_hints(settings_class).items():
                choices = _choices(hint)
                if choices:
                    by_flag.setdefault(f"{path.partition(' ')[0]} --{name}", set()).update(choices)
    return {key: " ".join(sorted(values)) for key, values in sorted(by_flag.items())}


def _choices(hint: object) -> list[str]:
    """Values of an Enum, also of one in a tuple or with None; those of a switch."""
    if hint is bool:
        return ["true", "false"]
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return [str(member.value) for member in hint]
    inner = typing.get_args(hint) if isinstance(hint, types.UnionType) or typing.get_origin(hint) is tuple else ()
    return [choice for part in inner for choice in _choices(part)]


def _next(words: Iterable[str]) -> dict[str, str]:
    """What may follow each beginning of a command."""
    by_path: dict[str, list[str]] = {}
    for command in words:
        parts = ["launch", *command.split()]
        for length in range(1, len(parts)):
            following = by_path.setdefault(" ".join(parts[:length]), [])
            if parts[length] not in following:
                following.append(parts[length])
    return {path: " ".join(following) for path, following in by_path.items()}


def _cases(texts: Mapping[str, str]) -> str:
    return "\n".join(f'    "{key}") echo "{text}" ;;' for key, text in texts.items())


_HELP = f"""Usage: {USAGE}

  bash   eval "$({USAGE.replace("bash|zsh", "bash")})"     in ~/.bashrc
  zsh    eval "$({USAGE.replace("bash|zsh", "zsh")})"      in ~/.zshrc

Completes commands, flags, their values and files behind python -m trainer.launch and python -m trainer.task. What
completed python before goes on to complete everything else.
"""
