#!/usr/bin/env bash
# What Millrace is compared with, beyond what it needs itself, and the whole of torch for Python (4.8 GB). Seconds when all is there.
#   peers.sh python   into .venv, for `millrace compare`: torchvision, Pillow and timm
#   peers.sh all      for the tests too: tensorboard there, and the Debian packages of launchers and tools that tests ask
set -euo pipefail
cd "$(dirname "$0")/.."
source cmake/packages.sh
MILLRACE_CUDA=ON cmake/setup.sh # Python's torch loads only with all that it pins.

if [[ ${1:-} == all ]]; then
  install_packages openmpi-bin mpich slurmctld slurmd slurm-client munge xxhash iproute2
fi

# Without their dependencies: they name torch, and pip might fetch another one.
bare=(torchvision==0.26.0 timm==1.0.31)
whole=(numpy pillow==13.0.0 pyyaml huggingface_hub safetensors==0.8.0)
[[ ${1:-} == all ]] && whole+=(tensorboard==2.21.0)
wanted="${bare[*]} ${whole[*]}"
if ! grep -qsxF "$wanted" .venv/.peers; then
  echo "setup: installing ${wanted// /, } into .venv"
  .venv/bin/python -m pip install -q "${whole[@]}"
  .venv/bin/python -m pip install -q --no-deps "${bare[@]}"
  .venv/bin/python -W ignore -c 'import PIL, timm, torch, torchvision; assert torch.__version__.split("+")[0] == "2.11.0", torch.__version__'
  echo "$wanted" >>.venv/.peers
fi
