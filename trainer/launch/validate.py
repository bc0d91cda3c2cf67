"""`python -m trainer.launch validate FILE...`: checks sweeps, jobs and problems, and names the line of each error."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from trainer import problem_file
from trainer.job import flags
from trainer.job.errors import DataError, UsageError
from trainer.job.findings import Finding, Level, line_and_column
from trainer.launch import command_line
from trainer.launch.files import documents, nodes
from trainer.launch.files.nodes import Node
from trainer.launch.kubernetes import manifest_file
from trainer.launch.packaging import problem_files
from trainer.launch.study import search_space, study_file
from trainer.launch.study.study import Study
from trainer.launch.vertex import request_file

_BESIDE_THE_STUDY = ("displayName", "labels", "encryptionSpec", "trialJobSpec")
_HELP = """Usage: python -m trainer.launch validate FILE ... [-- --problem=FILE.py]

Checks files without a network: sweeps (hptuning_config.yaml, and Vertex AI's HyperparameterTuningJob and studySpec),
other requests to Vertex AI, manifests for Kubernetes, and Python files that define PROBLEM. A sweep is checked with the
problem that is named after --; without one, with that of the flags in the same file, or of trainer/model.py.
Prints each error as file:line:column with what was found, what is accepted and what to do; exit code 2 if there is one.
Notes say what is read differently than it looks or is not known here, and do not count.
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Format:
    """A kind of file that can be checked.

    Attributes:
      name: what it is called.
      recognises: whether a document is meant to be one.
      describe: adds the findings about a file's documents to the list, and says in a line what they are.
    """

    name: str
    recognises: Callable[[Node], bool]
    describe: Callable[[list[Node], list[Finding]], str]


def main(argv: Sequence[str]) -> int:
    """Prints all findings of all files; 0 when none is an error, else 2."""
    own, task_argv = command_line.halves(argv)
    paths, known = _paths(own), formats(task_argv)
    wrong = [path for path in paths if not _is_sound(path, known)]
    if len(paths) > 1:
        print(f"{len(wrong)} of {len(paths)} files have errors." if wrong else f"All {len(paths)} files are accepted.")
    return 2 if wrong else 0


def check(path: str, formats: Sequence[Format]) -> tuple[str, list[Finding]]:
    """What the file at `path` is, in a line, and all that is wrong in it. Raises UsageError where it cannot be read."""
    findings: list[Finding] = []
    roots = documents.load(path, findings)
    for known in formats:
        if roots and known.recognises(roots[0]):
            return known.describe(roots, findings), sorted(findings, key=line_and_column)
    if roots and not findings:
        got, accept = "Not a kind of file that is known here", f"one of: {', '.join(known.name for known in formats)}"
        findings.append(
            Finding(where=roots[0].place, got=got, accept=accept, do="Compare it with hptuning_config.yaml")
        )
    return "", findings


def formats(task_argv: Sequence[str] = ()) -> tuple[Format, ...]:
    """All that can be checked in YAML and JSON.

    Args:
      task_argv: flags of the task, of which `--problem` says what can be searched; a file with a whole tuning job may
        name another problem.

    Raises:
      UsageError: a problem that cannot be loaded.
    """
    named = search_space.of_task(task_argv)

    def describe_study(roots: list[Node], findings: list[Finding]) -> str:
        own_argv = [] if task_argv else request_file.task_argv(nodes.plain(request_file.camel(roots[0])))
        space = search_space.of_task_if_here(own_argv) if own_argv else named
        examined = study_file.of_documents(roots, findings, space)
        findings[:] = _with_its_job(roots[0], examined.findings)
        return _study_line(examined.study) if examined.study else ""

    return (
        Format(name="a sweep (trainingInput: or studySpec:)", recognises=study_file.is_study, describe=describe_study),
        Format(name="a job (of Vertex AI or Kubernetes)", recognises=_is_job, describe=_describe_jobs),
    )


def _with_its_job(node: Node, findings: Sequence[Finding]) -> list[Finding]:
    """Adds what is wrong with the rest of a whole HyperparameterTuningJob, which a study leaves aside."""
    camel = request_file.camel(node)
    if not isinstance(camel, nodes.Mapping) or "trialJobSpec" not in camel:
        return list(findings)
    aside = {nodes.at(camel, (key,)) for key in _BESIDE_THE_STUDY}
    kept = [finding for finding in findings if finding.level is Level.ERROR or finding.where not in aside]
    lines = {line_and_column(finding)[0] for finding in kept}
    about_job = request_file.check(node) or ()
    return kept + [finding for finding in about_job if line_and_column(finding)[0] not in lines]


def _about_job(node: Node) -> list[Finding] | None:
    """What is wrong with a document that describes a job; None where it describes none."""
    about = manifest_file.check(node)
    return request_file.check(node) if about is None else about


def _is_job(node: Node) -> bool:
    return _about_job(node) is not None


def _describe_jobs(roots: list[Node], findings: list[Finding]) -> str:
    for node in roots:
        about = _about_job(node)
        if about is None:
            do = "Move it to a file of its own"
            findings.append(Finding(where=node.place, got="A document that is not a job", accept="jobs", do=do))
        findings += about or []
    return ", ".join(map(_job_name, roots))


def _job_name(node: Node) -> str:
    value = nodes.plain(node)
    kind = value.get("kind") if isinstance(value, dict) else None
    return f"{'an' if str(kind)[:1] in 'AEIO' else 'a'} {kind}" if kind else "a job of Vertex AI"


def _is_sound(path: str, known: Sequence[Format]) -> bool:
    try:
        line, findings = (_problem_line(path), []) if path.endswith(".py") else check(path, known)
    except (UsageError, DataError) as error:
        print(error)
        return False
    for finding in findings:
        print(finding)
    count = sum(finding.level is Level.ERROR for finding in findings)
    print(f"{path}: {count} error{'s' if count > 1 else ''}" if count else f"{path}: {line}")
    return not count


def _problem_line(path: str) -> str:
    """What a problem reports and takes. Raises UsageError or DataError where it could not be packed and run."""
    problem_files.of(path)
    problem = problem_file.load(path)
    names = ", ".join(field.name for field in dataclasses.fields(problem.params))
    return f"a problem that reports {', '.join(problem.metrics)}{f' and takes {names}' if names else ''}"


def _study_line(study: Study) -> str:
    names = ", ".join(entry.name for entry in study.parameters)
    verb = f"{study.goal.value.lower()}s".replace("izes", "ises")
    trials = f"{study.max_trials} trial{'s' if study.max_trials > 1 else ''}, {study.max_parallel_trials} at a time"
    return f"a study that {verb} {study.metric} over {names} in {trials}"


def _paths(words: Sequence[str]) -> list[str]:
    if any(word in ("-h", "--help", "-help") for word in words):
        raise flags.HelpRequested(_HELP)
    wrong = next((word for word in words if word.startswith("-")), None)
    if wrong is not None:
        raise UsageError(f"Unknown flag {wrong}", "names of files", "Drop it, or write it after --")
    if not words:
        raise UsageError("No file", "names of sweep and job files", "Add one, such as hptuning_config.yaml")
    return list(dict.fromkeys(words))
