#!/usr/bin/env bash
# What a machine with GPUs does with this package, from nothing but a driver and Python 3.11, in under ten minutes:
#
#     bash benchmarks/gpu.sh [--cpu] [FOLDER]
#
# Installs into FOLDER/.venv (a new folder below the temporary ones by default), trains the course's LSTM, LSTM(128), a
# dense network in mixed precision and a wide table, mirrored too where there are two GPUs, beside Keras and PyTorch,
# and compares every loss with that of the CPU. Exits with 1 where one differs. The table, the figures and a plot are
# left in FOLDER/race. --cpu leaves the GPU out: that the script works can be seen without one.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

device=gpu
if [[ ${1:-} == --cpu ]]; then
  device=cpu
  shift
fi
folder=${1:-$(mktemp -d)}
python=${PYTHON:-python3.11}
mkdir -p "$folder"

gpus=0
if [[ $device == gpu ]]; then
  if ! gpus=$(nvidia-smi --list-gpus | wc -l) || ((gpus == 0)); then
    echo "gpu.sh: nvidia-smi lists no GPU. Install the driver, or give --cpu to leave the GPU out." >&2
    exit 2
  fi
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv
fi

extra=gpu
if [[ $device == cpu ]]; then
  extra=
  export TRAINER_TENSORFLOW=tensorflow-cpu
fi
echo "Installing into $folder/.venv" >&2
"$python" -m venv "$folder/.venv"
"$folder/.venv/bin/python" "$root/scripts/install_packages.py" --editable "$root${extra:+[$extra]}"

if [[ $device == gpu ]]; then
  listed=$("$folder/.venv/bin/python" -c 'import tensorflow as tf; print(len(tf.config.list_physical_devices("GPU")))')
  if ((listed < gpus)); then
    echo "gpu.sh: TensorFlow sees $listed of $gpus GPUs. What it says of its libraries tells why." >&2
    exit 1
  fi
fi

workloads=(gpu-lstm3 gpu-lstm128 gpu-dense gpu-wide)
if ((gpus > 1)); then
  workloads+=(gpu-mirrored)
fi
settings=(--set "rows=200000")
if [[ $device == cpu ]]; then
  settings=(--quick --set "rows=20000" --set "steps=20" --set "warm=20" --set "batch_size=64" --only "CPU")
fi
cd "$root"
"$folder/.venv/bin/python" -m benchmarks.race "${workloads[@]}" --rounds=1 --output="$folder/race" "${settings[@]}"
echo "The table is in $folder/race" >&2
