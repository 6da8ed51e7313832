#!/usr/bin/env python3
"""bench_upload.py BUILD [RANKS ...]: how much of a copy of 6 ms a step of some 10 ms hides, on the CUDA double, with 1, 2 and 8 ranks.

Prints, an epoch a line, the milliseconds of `upload` and of the whole step of the slowest rank. Times of the double hold on an idle machine with a core a
rank; it asserts nothing.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROWS, ROW_BYTES, COPY_SECONDS = 32, 28 * 28 * 4, 6e-3
KERNEL_US = 330  # Some 30 kernels a step of LeNet.
SPEC = """[data]
name = "digits"
subset = {subset}
batch_per_rank = {rows}
[loader]
workers = 1
[train]
model = "lenet"
device = "cuda"
threads = 1
epochs = 4
evaluate_every = 0
on_nonfinite = "go-on"
"""


def epochs(build, ranks, folder):
    spec = folder / f"spec{ranks}.toml"
    spec.write_text(SPEC.format(subset=40 * ROWS * ranks, rows=ROWS))
    out = folder / f"out{ranks}"
    environment = os.environ | {
        "LD_PRELOAD": " ".join(str(path) for path in sorted((build / "tests/cuda_double/lib").iterdir())),
        "CUDA_DOUBLE_DEVICES": str(ranks),
        "CUDA_DOUBLE_KERNEL_US": str(KERNEL_US),
        "CUDA_DOUBLE_COPY_GBS": str(ROWS * ROW_BYTES / COPY_SECONDS / 1e9),
    }
    command = [build / "millrace", "train", spec, "--out", out] + (["--ranks", str(ranks)] if ranks > 1 else [])
    subprocess.run(command, env=environment, check=True, capture_output=True)
    for line in (out / "results.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["type"] == "epoch":
            yield record


def main(build, ranks_list):
    with tempfile.TemporaryDirectory() as folder:
        for ranks in ranks_list:
            for epoch in epochs(build.resolve(), ranks, pathlib.Path(folder)):
                uploads = [rank["phases"]["upload"] for rank in epoch["ranks"]]
                steps = epoch["steps"]
                print(f"{ranks} ranks, epoch {epoch['epoch']}: upload {1e3 * max(uploads) / steps:5.2f} ms of {1e3 * epoch['wall_seconds'] / steps:5.2f} ms a step")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), [int(n) for n in sys.argv[2:]] or [1, 2, 8])
