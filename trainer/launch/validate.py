"""`python -m trainer.launch validate FILE...`: checks sweep and job files offline, each fault at its line."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from trainer.job import flags
from trainer.job.errors import UsageError
from trainer.launch import job_files
from trainer.launch.files import documents
from trainer.launch.files.documents import Fault, Level, Node, Table
from trainer.launch.study import search_space, study_file
from trainer.launch.study.study import Study

_BESIDE_THE_STUDY = ("displayName", "labels", "encryptionSpec", "trialJobSpec")
_HELP = """Usage: python -m trainer.launch validate FILE ...

Checks files without a network: sweeps (hptuning_config.yaml, and Vertex AI's HyperparameterTuningJob and studySpec),
other requests to Vertex AI, and manifests for Kubernetes.
Prints each fault as file:line:column with what stands there, what is accepted and what to do; exit code 2 if there is
one. Notes tell what is read otherwise than it looks, and do not count.
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Format:
    """A kind of file that can be checked.

    Attributes:
      name: what it is called.
      recognises: whether a document is meant to be one.
      describe: adds the faults of a file's documents to the list, and says in a line what they are.
    """

    name: str
    recognises: Callable[[Node], bool]
    describe: Callable[[list[Node], list[Fault]], str]


def main(argv: Sequence[str]) -> int:
    """Prints all faults of all files; 0 when there is none, else 2."""
    paths = _paths(argv)
    faulty = [path for path in paths if not _is_sound(path)]
    if len(paths) > 1:
        print(
            f"{len(faulty)} of {len(paths)} files have faults." if faulty else f"All {len(paths)} files are accepted."
        )
    return 2 if faulty else 0


def check(path: str, formats: Sequence[Format]) -> tuple[str, list[Fault]]:
    """What the file at `path` is, in a line, and all that is wrong in it. Raises UsageError where it cannot be read."""
    faults: list[Fault] = []
    found = documents.load(path, faults)
    for known in formats:
        if found and known.recognises(found[0]):
            return known.describe(found, faults), sorted(faults, key=lambda fault: fault.place.key)
    if found and not faults:
        got, accept = "No kind of file that is known here", f"one of: {', '.join(known.name for known in formats)}"
        faults.append(Fault(place=found[0].place, got=got, accept=accept, do="Compare it with hptuning_config.yaml"))
    return "", faults


def formats() -> tuple[Format, ...]:
    """All that can be checked, with the flags of this installation's task."""
    task = search_space.of_task()

    def describe_study(found: list[Node], faults: list[Fault]) -> str:
        examined = study_file.of_documents(found, faults, task)
        faults[:] = _with_its_job(found[0], examined.faults)
        return _study_line(examined.study) if examined.study else ""

    return (
        Format(name="a sweep (trainingInput: or studySpec:)", recognises=study_file.is_study, describe=describe_study),
        Format(name="a job (of Vertex AI or Kubernetes)", recognises=_is_job, describe=_describe_jobs),
    )


def _with_its_job(node: Node, faults: Sequence[Fault]) -> list[Fault]:
    """Adds what is wrong with the rest of a whole HyperparameterTuningJob, which a study leaves aside."""
    camel = job_files.camel(node)
    if not isinstance(camel, Table) or "trialJobSpec" not in camel:
        return list(faults)
    aside = {documents.at(camel, (key,)) for key in _BESIDE_THE_STUDY}
    kept = [fault for fault in faults if fault.level is Level.FAULT or fault.place not in aside]
    told = {fault.place.line for fault in kept}
    return kept + [fault for fault in job_files.faults(node) or () if fault.place.line not in told]


def _is_job(node: Node) -> bool:
    return job_files.faults(node) is not None


def _describe_jobs(found: list[Node], faults: list[Fault]) -> str:
    for node in found:
        wrong = job_files.faults(node)
        if wrong is None:
            do = "Move it to a file of its own"
            faults.append(Fault(place=node.place, got="A document that is no job", accept="jobs", do=do))
        faults += wrong or []
    return ", ".join(map(_job_name, found))


def _job_name(node: Node) -> str:
    value = documents.plain(node)
    kind = value.get("kind") if isinstance(value, dict) else None
    return f"{'an' if str(kind)[:1] in 'AEIO' else 'a'} {kind}" if kind else "a job of Vertex AI"


def _is_sound(path: str) -> bool:
    try:
        line, faults = check(path, formats())
    except UsageError as error:
        print(error)
        return False
    for fault in faults:
        print(fault)
    count = sum(fault.level is Level.FAULT for fault in faults)
    if not count:
        print(f"{path}: {line}")
    else:
        print(f"{path}: {count} fault{'s' if count > 1 else ''}")
    return not count


def _study_line(study: Study) -> str:
    names = ", ".join(entry.name for entry in study.parameters)
    verb = f"{study.goal.value.lower()}s".replace("izes", "ises")
    trials = f"{study.max_trials} trial{'s' if study.max_trials > 1 else ''}, {study.max_parallel_trials} at a time"
    return f"a study that {verb} {study.metric} over {names} in {trials}"


def _paths(argv: Sequence[str]) -> list[str]:
    words = list(argv)
    before = words[: words.index("--")] if "--" in words else words
    if any(word in ("-h", "--help", "-help") for word in before):
        raise flags.HelpRequested(_HELP)
    wrong = next((word for word in before if word.startswith("-")), None)
    if wrong is not None:
        raise UsageError(f"Unknown flag {wrong}", "names of files", "Drop it")
    paths = [*before, *words[len(before) + 1 :]]
    if not paths:
        raise UsageError("No file", "names of sweep and job files", "Add one, as hptuning_config.yaml")
    return list(dict.fromkeys(paths))
