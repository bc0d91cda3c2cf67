"""Nothing in the package runs what it reads: no pickles, no evaluated text, no shell, no unsafe YAML or models."""

from __future__ import annotations

import ast
import pathlib
from collections.abc import Iterator

import pytest

ROOT = pathlib.Path(__file__).parent.parent
SOURCES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "trainer").rglob("*.py"))

UNSAFE_MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "commands", "pty"}
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__"}
UNSAFE_NAMES = {  # by their last name: what they are called on has many spellings
    "system": "os",
    "popen": "os",
    "mktemp": "tempfile",
    "getoutput": "subprocess",
    "getstatusoutput": "subprocess",
    "unsafe_load": "yaml",
    "unsafe_load_all": "yaml",
    "full_load": "yaml",
    "enable_unsafe_deserialization": "keras",
    "literal_eval": "ast",
}
SAFE_LOADERS = {"SafeLoader", "CSafeLoader", "PlainLoader"}
YAML_READERS = {"load", "load_all", "compose", "compose_all", "parse", "scan"}
# Each reads what somebody else may have made, and says there why that is safe.
GRAPH_RUNNER = "trainer/exported/model.py"  # to ask a model is to run its graph
MODEL_READERS = {"load_model": "trainer/estimator/keras.py", "model_from_json": None, "load_weights": None}


def unsafe(tree: ast.Module, file: str = "") -> Iterator[str]:
    """What a module does that could run what somebody else wrote, each as code."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names if name.name.partition(".")[0] in UNSAFE_MODULES)
            case ast.ImportFrom(module=str(module), names=names):
                if module.partition(".")[0] in UNSAFE_MODULES:
                    yield module
                yield from (name.name for name in names if UNSAFE_NAMES.get(name.name) == module.partition(".")[0])
            case ast.Call():
                yield from _unsafe_call(node, file)


def _unsafe_call(call: ast.Call, file: str) -> Iterator[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    owner = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    is_unsafe = (
        (not owner and name in UNSAFE_CALLS)
        or (owner.startswith(UNSAFE_NAMES.get(name, "\0")))
        or given.get("shell", "False") != "False"
        or given.get("allow_pickle", "False") != "False"
        or given.get("safe_mode", "True") != "True"
        or (owner == "yaml" and name in YAML_READERS and not any(safe in str(given) for safe in SAFE_LOADERS))
        or (name in MODEL_READERS and MODEL_READERS[name] != file)
        or (name == "load" and owner.endswith("saved_model") and file != GRAPH_RUNNER)
        or (owner.startswith("keras") and name == "load_model" and given.get("safe_mode") != "True")
    )
    if is_unsafe:
        yield ast.unparse(call)


def test_nothing_that_is_read_is_run() -> None:
    found = {file: list(unsafe(ast.parse((ROOT / file).read_text(encoding="utf-8")), file)) for file in SOURCES}
    assert found and {file: calls for file, calls in found.items() if calls} == {}


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from marshal import loads",
        "from os import system",
        "eval(text)",
        "exec(text, {})",
        "os.system(f'rm {path}')",
        "subprocess.run(line, shell=True)",
        "subprocess.Popen(line, shell=wanted)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.unsafe_load(text)",
        "tempfile.mktemp()",
        "keras.saving.load_model(path)",
        "keras.models.load_model(path, safe_mode=False)",
        "keras.config.enable_unsafe_deserialization()",
        "tf.saved_model.load(path)",
    ],
)
def test_the_search_finds_what_it_looks_for(code: str) -> None:
    assert list(unsafe(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    ["np.load(path)", "yaml.compose_all(text, Loader=yaml.SafeLoader)", "subprocess.run([name])", "self.load(x)"],
)
def test_the_search_lets_pass_what_is_safe(code: str) -> None:
    assert list(unsafe(ast.parse(code))) == []
