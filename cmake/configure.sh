#!/usr/bin/env bash
# Configures a preset once; CMake reconfigures by itself when its files change. Configures anew where the wheels changed.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=$1
case $preset in
  asan | tsan) cuda=OFF ;;
  cuda) cuda=ON ;;
  *) cuda=$(cat .venv/.wheels 2>/dev/null || echo OFF) ;;
esac
have=$(sed -n 's/^MILLRACE_CUDA:STRING=//p' "build/$preset/CMakeCache.txt" 2>/dev/null || true)
if [[ $have != "$cuda" || ! -e build/$preset/build.ninja ]]; then
  cmake --preset "$preset" -DMILLRACE_CUDA="$cuda" | grep -vE '^-- (Performing|Looking|Detecting|Check)' || exit 1
fi
