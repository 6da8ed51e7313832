#!/usr/bin/env bash
# Coverage-guided fuzzing of the fast JPEG decoder against libjpeg-turbo, with address and undefined-behaviour sanitizers; Debian's clang.
#   tests/jpeg/libfuzzer.sh SECONDS [CORPUS FOLDER ...]
# The first folder named gets the inputs that reach something new, and generated files where it is empty; build/libfuzzer/corpus by default.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:?usage: tests/jpeg/libfuzzer.sh SECONDS [CORPUS FOLDER ...]}
shift
out=build/libfuzzer
mkdir -p $out/corpus
sources=(pipeline/jpeg*.cpp pipeline/exif.cpp pipeline/jpeg/*.cpp pipeline/contract.cpp tests/jpeg/{jpeg_files,jpeg_writer,jpeg_compare,fuzz_jpeg}.cpp)
clang++ -std=c++20 -O1 -g -march=haswell -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -DMILLRACE_LIBFUZZER \
  -DMILLRACE_SOURCE_DIR='"."' -include tests/jpeg/fuzz_clang.h -I. -Itests/jpeg "${sources[@]}" -ljpeg -lhwy -o $out/fuzz_jpeg
folders=("$@")
((${#folders[@]})) || folders=($out/corpus)
exec $out/fuzz_jpeg -max_total_time="$seconds" -max_len=8000 -timeout=20 -artifact_prefix=$out/ "${folders[@]}"
