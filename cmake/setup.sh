#!/usr/bin/env bash
# Everything a fresh Debian 12 machine lacks (13 has the same names): packages (root or sudo) and, in .venv, the LibTorch wheels. Seconds when all is there.
#   MILLRACE_CUDA=AUTO|ON|OFF  ON: torch with all it pins (4.8 GB); OFF: what the CPU needs; AUTO: ON with an NVIDIA driver.
set -euo pipefail
cd "$(dirname "$0")/.."
source cmake/packages.sh

packages=(g++ cmake ninja-build ccache git python3-venv pkg-config
  libtbb-dev libjpeg62-turbo-dev libpng-dev libwebp-dev zlib1g-dev libssl-dev libexpected-dev libxxhash-dev libhwy-dev
  libopencv-core-dev libopencv-imgproc-dev libopencv-imgcodecs-dev
  libcli11-dev libtomlplusplus-dev nlohmann-json3-dev gnuplot-nox libgloo-dev
  libgtest-dev libgmock-dev librapidcheck-dev)
install_packages "${packages[@]}"

torch=2.11.0 # One set of versions that belong together: the C++ ABI changes with each release of torch.
want=${MILLRACE_CUDA:-AUTO}
[[ $want == AUTO ]] && { [[ -e /proc/driver/nvidia/version || -e /dev/nvidiactl ]] && want=ON || want=OFF; }
have=$(cat .venv/.wheels 2>/dev/null || true)
# The CUDA set serves builds without CUDA as well.
if [[ $have != ON && $have != "$want" ]]; then
  [[ -x .venv/bin/python ]] || /usr/bin/python3 -m venv .venv
  torchrun=.venv/bin/torchrun
  if [[ $want == ON ]]; then
    echo "setup: installing torch $torch with CUDA into .venv (4.8 GB, about a minute)"
    .venv/bin/python -m pip install -q "torch==$torch" numpy safetensors==0.8.0
    [[ -e $torchrun.whole ]] && mv $torchrun.whole $torchrun
    .venv/bin/python -W ignore -c 'import torch.distributed.run'
  else
    echo "setup: installing torch $torch for the CPU into .venv"
    .venv/bin/python -m pip install -q --no-deps "torch==$torch" nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85
    # Its libraries are all that Millrace links. Its Python part does not load without the 4 GB that it pins, so its launcher says that.
    [[ -e $torchrun.whole ]] || mv $torchrun $torchrun.whole
    printf '%s\n' '#!/bin/sh' 'echo "torchrun: this .venv holds the libraries of torch alone: run make compare-deps (4.8 GB)," \
  "or, on one host, millrace train SPEC --processes N" >&2' 'exit 2' >$torchrun
    chmod +x $torchrun
  fi
  echo "$want" >.venv/.wheels
fi
