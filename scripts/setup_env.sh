# Sourced by the other scripts. `set_up_environment [EXTRA]` sets $python to an interpreter that has this package with
# that extra: the one of the active virtual environment, else that of .venv, which is made if it is missing.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

fail() {
  echo "$(basename "$0"): $*" >&2
  exit 2
}

# The first Python that TensorFlow has wheels for.
find_python() {
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; then
      echo "$candidate"
      return
    fi
  done
  fail "no Python 3.11, 3.12 or 3.13 was found. Install one, or name it: PYTHON=/path/to/python3.11"
}

find_environment() {
  if [[ -n ${VIRTUAL_ENV:-} ]]; then
    environment=$VIRTUAL_ENV
  elif [[ -n ${CONDA_PREFIX:-} && ${CONDA_DEFAULT_ENV:-base} != base ]]; then
    environment=$CONDA_PREFIX
  else
    environment=$root/.venv
    if ! "$environment/bin/python" -m pip --version >/dev/null 2>&1; then
      local base
      base=$(find_python) || exit
      echo "Making the virtual environment $environment" >&2
      "$base" -m venv "$environment" ||
        fail "$base cannot make a virtual environment. On Debian and Ubuntu: apt-get install python3-venv"
    fi
  fi
  python=$environment/bin/python
  [[ -x $python ]] || fail "$environment has no bin/python. Deactivate that environment, or repair it"
}

# Chooses the wheel of TensorFlow, for setup.py, in TRAINER_TENSORFLOW: the one that is installed; else tensorflow-cpu
# where there is no GPU and that wheel exists; else tensorflow.
choose_tensorflow() {
  if [[ -n ${TRAINER_TENSORFLOW:-} ]]; then
    return
  fi
  TRAINER_TENSORFLOW=$("$python" - <<'PYTHON'
import importlib.metadata
import os
import platform

installed = {str(found.metadata["Name"]).lower().replace("_", "-") for found in importlib.metadata.distributions()}
small = (platform.system(), platform.machine()) == ("Linux", "x86_64") and not os.path.exists("/dev/nvidiactl")
wheels = [name for name in ("tensorflow", "tensorflow-cpu") if name in installed]
print(wheels[0] if wheels else "tensorflow-cpu" if small else "tensorflow")
PYTHON
  ) || fail "$python does not run. Repair that environment, or delete it"
  export TRAINER_TENSORFLOW
}

set_up_environment() {
  local extra=${1:-} stamp wanted
  find_environment
  stamp=$environment/.trainer${extra:+-$extra}.stamp
  wanted=$(cat "$root/setup.py" "$root/pyproject.toml" <(echo "$root ${TRAINER_TENSORFLOW:-}") | cksum)
  if [[ -f $stamp && $(<"$stamp") == "$wanted" ]]; then
    return
  fi
  echo "Installing into $environment (once; a minute or two)" >&2
  choose_tensorflow
  "$python" -m pip --version >/dev/null 2>&1 || "$python" -m ensurepip >&2
  "$python" "$root/scripts/install_packages.py" --editable "$root${extra:+[$extra]}" >&2 ||
    fail "the installation failed; the lines above say why"
  if [[ $extra == dev ]]; then
    add_compat
  fi
  echo "$wanted" >"$stamp"
  # What this took is not the start of the job that this process becomes.
  if [[ -r /proc/uptime ]]; then
    export TRAINER_SET_UP="$$ $(cut -d ' ' -f 1 /proc/uptime)"
  fi
}

# Installs what the extra `compat` asks for, and nothing that this asks for: it would bring the wheel `tensorflow`, which
# overwrites `tensorflow-cpu`. By pip, which has one wheel in its place before uv would be there.
add_compat() {
  local wanted
  wanted=$("$python" - <<'PYTHON'
import importlib.metadata

lines = importlib.metadata.requires("trainer") or []
print(" ".join(line.split(";")[0].strip() for line in lines if "extra ==" in line and "compat" in line))
PYTHON
  ) || fail "the package was not installed; the lines above say why"
  # shellcheck disable=SC2086  # a word for each of them
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps $wanted >&2 ||
    fail "the installation failed; the lines above say why"
}

# What a run prints to be typed next wants the environment that this script chose.
say_how_to_activate() {
  if [[ $environment == "$root/.venv" && ${VIRTUAL_ENV:-} != "$environment" ]]; then
    echo "For the commands below: source ${environment#"$PWD/"}/bin/activate" >&2
  fi
}

# Sets `default` to --output_dir=output, or to nothing if the flags of the run, or Vertex AI, name a directory.
find_default_output() {
  local word
  default=(--output_dir=output)
  if [[ -n ${AIP_MODEL_DIR:-}${AIP_CHECKPOINT_DIR:-}${AIP_TENSORBOARD_LOG_DIR:-} ]]; then
    default=()
  fi
  for word in "$@"; do
    case $word in
      --output[_-]dir* | -output[_-]dir* | --job[_-]dir* | -job[_-]dir* | --flagfile*) default=() ;;
    esac
  done
}
