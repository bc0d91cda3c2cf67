"""How the scripts install: by uv, which is told what pip's settings say, else by pip; what is half-made is not kept."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import shutil
import subprocess
import sysconfig
import types
import venv
import zipfile

import pytest

from tests.deadlines import ANSWER_SECS

SCRIPTS = pathlib.Path(__file__).parent.parent / "scripts"
INSTALLER = SCRIPTS / "install_packages.py"


@pytest.fixture(scope="module")
def installer() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("install_packages", INSTALLER)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_option_of_pip_is_that_of_the_environment_before_install_before_global(installer: types.ModuleType) -> None:
    listed = r"""
:env:.cert='/mine.pem'
:env:.index-url=''
download.pre='1'
global.cert='/all.pem'
global.extra-index-url='a=b\nc'
global.index-url='x'
install.extra-index-url='d\ne'
""".lstrip()
    wanted = {"cert": "/mine.pem", "index-url": "x", "extra-index-url": "d\ne"}
    assert installer.install_options(listed) == wanted
    with pytest.raises(installer.NotForUv, match="^the value of global.index-url in pip's settings is not understood$"):
        installer.install_options("global.index-url=//me:word@mine\n")


@pytest.mark.parametrize(
    ("options", "given", "wanted"),
    [
        ({}, {}, {}),
        ({"quiet": "1", "config-file": "/etc/pip.conf", "no-index": "1"}, {}, {}),
        ({"index-url": "https://me:word@mine/simple"}, {}, {"UV_DEFAULT_INDEX": "https://me:word@mine/simple"}),
        ({"extra-index-url": "a\n b"}, {}, {"UV_INDEX": "a b", "UV_INDEX_STRATEGY": "unsafe-best-match"}),
        ({"constraint": "a.txt\nb.txt"}, {}, {"UV_CONSTRAINT": "a.txt b.txt"}),
        ({"find-links": f"{SCRIPTS} /nowhere file:///a"}, {}, {"UV_FIND_LINKS": f"{SCRIPTS},file:///a"}),
        ({"cert": "/mine.pem"}, {"SSL_CERT_FILE": "/of_all.pem"}, {"SSL_CERT_FILE": "/mine.pem"}),
        ({"cert": str(SCRIPTS)}, {}, {"SSL_CERT_DIR": str(SCRIPTS)}),
        ({"default-timeout": "180"}, {}, {"UV_HTTP_TIMEOUT": "180"}),
        ({"cache-dir": "/scratch", "no-cache-dir": "off"}, {}, {"UV_CACHE_DIR": "/scratch/uv", "UV_NO_CACHE": "1"}),
        ({"index-url": "x", "constraint": "y"}, {"UV_DEFAULT_INDEX": "mine"}, {"UV_CONSTRAINT": "y"}),
        ({"index-url": "x"}, {"UV_INDEX_URL": "mine"}, {}),
        ({"extra-index-url": "x"}, {"UV_INDEX": "mine", "UV_INDEX_STRATEGY": "first-index"}, {}),
    ],
)
def test_uv_is_told_what_pip_is_but_where_the_person_tells_uv(
    installer: types.ModuleType, options: dict[str, str], given: dict[str, str], wanted: dict[str, str]
) -> None:
    assert installer.uv_variables(options, given) == wanted


@pytest.mark.parametrize("option", ["client-cert", "proxy", "trusted-host", "keyring-provider", "pre", "no-index"])
def test_what_uv_is_not_told_of_is_left_to_pip(installer: types.ModuleType, option: str) -> None:
    with pytest.raises(installer.NotForUv, match=f"^pip's settings have {option}, which uv is not told$"):
        installer.uv_variables({"cert": "a.pem", option: "anything"}, {})


@pytest.mark.parametrize(
    ("printed", "known"),
    [(b"uv 0.13.9 (x86_64)\n", True), (b"uv 0.8.24", False), (b"uv 1.0.0", False), (b"", False), (b"uv.exe", False)],
)
def test_a_uv_of_another_version_is_not_taken(installer: types.ModuleType, printed: bytes, known: bool) -> None:
    assert installer.is_known(printed) == known


class Machine:
    """A virtual environment with pip, no network, and programs in front of the PATH; all in folders with blanks."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder, self.bin, self.temporary = folder, folder / "the bin", folder / "temporary"
        self.bin.mkdir()
        self.temporary.mkdir()
        self.environment = folder / "an environment"
        venv.create(self.environment, with_pip=False, symlinks=True)
        self.site = pathlib.Path(sysconfig.get_path("purelib", "venv", {"base": str(self.environment)}))
        (self.site / "pip.pth").write_text(sysconfig.get_path("purelib") + "\n")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "PYTHON"))}
        self.environ = {
            **kept,
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "PIP_CONFIG_FILE": os.devnull,  # no file is read
            "PIP_NO_INDEX": "1",
            "TMPDIR": str(self.temporary),
            "TRAINER_TENSORFLOW": "tensorflow-cpu",
            "VIRTUAL_ENV": str(self.environment),
            "SITE": str(self.site),
        }

    def with_uv(self, commands: str, version: str = "0.13.9") -> None:
        """Puts a uv on the PATH that runs these commands of the shell."""
        (self.bin / "uv").write_text(uv(commands, version))
        (self.bin / "uv").chmod(0o755)

    def install(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(self.environment / "bin" / "python"), str(INSTALLER), *arguments)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=self.environ, capture_output=True, text=True, check=False, timeout=ANSWER_SECS
        )


def uv(commands: str, version: str = "0.13.9") -> str:
    return f'#!/bin/sh\nif [ "$1" = --version ]; then echo "uv {version}"; exit; fi\n{commands}\n'


def wheel(path: pathlib.Path, files: dict[str, str]) -> pathlib.Path:
    """A wheel of that file name with those files."""
    name, version, _ = path.name.split("-", 2)
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            entry = zipfile.ZipInfo(file)
            entry.external_attr = 0o100755 << 16  # a file that may be run
            archive.writestr(entry, text)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def machine(tmp_path: pathlib.Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.process
def test_without_uv_pip_brings_one_for_the_time_of_the_installation(machine: Machine) -> None:
    machine.with_uv("echo the old one; exit 1", version="0.1.0")
    commands = 'printf "%s\\n" "$0" "$@" "$UV_FIND_LINKS"'
    wheel(machine.folder / "uv-0.10.1-py3-none-any.whl", {"uv-0.10.1.data/scripts/uv": uv(commands)})
    machine.environ["PIP_FIND_LINKS"] = str(machine.folder)
    done = machine.install("--editable", "a b[dev]")
    assert (done.returncode, done.stderr) == (0, "")
    program, *words = done.stdout.splitlines()
    assert pathlib.Path(program).is_relative_to(machine.temporary)
    flags = ["--no-index", "--quiet", "--compile-bytecode", f"--python={machine.environment}/bin/python"]
    assert words == ["pip", "install", *flags, "--editable", "a b[dev]", str(machine.folder)]
    assert not list(machine.temporary.iterdir()), "the uv is gone"
    assert [path.name for path in machine.site.iterdir()] == ["pip.pth"]


@pytest.mark.process
def test_where_uv_fails_pip_installs_and_takes_nothing_half_made_for_installed(machine: Machine) -> None:
    mine = wheel(machine.folder / "mine-1.0-py3-none-any.whl", {"mine.py": "", "mine_too.py": ""})
    half = ['cd "$SITE"', "mkdir mine-1.0.dist-info", "touch mine.py mine-1.0.dist-info/METADATA"]
    machine.with_uv("\n".join([*half, "echo no space >&2", "exit 2"]))
    done = machine.install("--no-deps", str(mine))
    assert (done.returncode, done.stderr.splitlines()[:2]) == (0, ["no space", "uv exited 2: pip installs now"])
    assert (machine.site / "mine_too.py").exists()
    assert (machine.site / "mine-1.0.dist-info" / "INSTALLER").read_text() == "pip\n"


@pytest.mark.process
def test_what_stops_an_installation_leaves_nothing_half_made_behind(machine: Machine) -> None:
    whole = "mkdir whole-1.0.dist-info && touch whole-1.0.dist-info/INSTALLER"
    machine.with_uv(f'cd "$SITE"; {whole}; mkdir half-1.0.dist-info; kill -TERM $PPID; exec tail -f /dev/null')
    done = machine.install("half")
    assert (done.returncode, done.stderr) == (1, "Stopped. What is left to install is installed the next time\n")
    assert sorted(path.name for path in machine.site.iterdir()) == ["pip.pth", "whole-1.0.dist-info"]
    assert not list(machine.temporary.iterdir())


@pytest.mark.process
def test_an_environment_is_ready_when_everything_was_installed_and_not_before(machine: Machine) -> None:
    root = machine.folder / "a clone"
    shutil.copytree(SCRIPTS, root / "scripts")
    (root / "setup.py").touch()
    (root / "pyproject.toml").write_text("[")
    (root / "run.sh").write_text("set -euo pipefail\nsource scripts/setup_env.sh\nset_up_environment launch\n")
    command = ["bash", "-c", 'cd "$0" && bash run.sh', str(root)]

    machine.with_uv("echo not for me >&2; exit 1")
    done = machine.run(*command)
    assert done.returncode == 2
    said = done.stderr.splitlines()
    assert said[:3] == [
        f"Installing into {machine.environment} (once; a minute or two)",
        "not for me",
        "uv exited 1: pip installs now",
    ]
    assert said[3].startswith("ERROR: ")
    assert said[-1] == "run.sh: the installation failed; the lines above say why"
    stamp = machine.environment / ".trainer-launch.stamp"
    assert not stamp.exists()

    machine.with_uv('echo "installs $8" >&2')
    done = machine.run(*command)
    assert (done.returncode, done.stderr.splitlines()[1:]) == (0, [f"installs {root}[launch]"])
    assert stamp.exists()
    assert machine.run(*command).stderr == "", "once"
