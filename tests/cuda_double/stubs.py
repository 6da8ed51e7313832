#!/usr/bin/env python3
"""stubs.py SITE OUT: writes OUT/NAME.cpp for each library below: a weak function for every symbol that LibTorch asks of it.

SITE is the site-packages folder with the torch wheel. What the double defines itself (runtime/, nccl/, libraries/) is linked with it and takes the
stub's place. Stubs of the double's own two libraries report that they were called; those of the others succeed and do nothing.
"""
import pathlib
import re
import subprocess
import sys

# Name of the source: soname, the symbols' beginning, the stub's answer, whether a call is reported.
LIBRARIES = {
    "cudart": ("libcudart.so.13", r"_*cuda", 801, True),    # cudaErrorNotSupported
    "nccl": ("libnccl.so.2", r"nccl", 5, True),             # ncclInvalidUsage
    "cublas": ("libcublas.so.13", r"cublas", 0, False),
    "cublasLt": ("libcublasLt.so.13", r"cublasLt", 0, False),
    "cudnn": ("libcudnn.so.9", r"cudnn", 0, False),
    "cuda": ("libcuda.so.1", r"cu[A-Z]", 0, False),
}


def asked(site):
    """Pairs (symbol, version) that LibTorch's libraries leave undefined."""
    pairs = set()
    for library in sorted((site / "torch/lib").glob("*.so")):
        lines = subprocess.run(["nm", "-D", "--undefined-only", library], capture_output=True, text=True, check=True).stdout.split("\n")
        for line in lines:
            if line.strip():
                symbol, _, version = line.split()[-1].partition("@")
                pairs.add((symbol, version))
    return pairs


def source(symbols, answer, reported):
    lines = ["// Written by stubs.py.", 'extern "C" {', "void cuda_double_unsupported(const char* symbol);"]
    for symbol in symbols:
        said = f'cuda_double_unsupported("{symbol}"); ' if reported else ""
        lines.append(f"__attribute__((weak)) long {symbol}() {{ {said}return {answer}; }}")
    return "\n".join(lines + ["}", ""])


def main(site, out):
    pairs = asked(site)
    out.mkdir(parents=True, exist_ok=True)
    for name, (soname, beginning, answer, reported) in LIBRARIES.items():
        versioned = {symbol for symbol, version in pairs if version == soname}
        bare = {symbol for symbol, version in pairs if version == "" and re.match(beginning, symbol)}
        if name == "cuda":  # Its name begins those of the others, too; these carry a version.
            bare = {symbol for symbol in bare if re.match(r"cu[A-Z]", symbol) and not symbol.startswith("cuFile")}
        symbols = versioned if versioned else bare
        if not symbols:
            sys.exit(f"stubs.py: LibTorch in {site} asks for nothing of {soname}: is it the build with CUDA?")
        (out / f"{name}.cpp").write_text(source(sorted(symbols), answer, reported))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
