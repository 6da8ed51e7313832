#!/usr/bin/env python3
"""Does Millrace work on this machine's GPU, and how fast? No network, under seven minutes, one table at the end.

    make gpu-check                                   builds what is needed first; the table is out/gpu-check/table.md
    python3 tests/gpu_check/gpu_check.py [--build build/release] [--out out/gpu-check] [--pictures DIR] [--double]

Checked: the GPU tests one process each, LeNet as a graph and eager, steps beside PyTorch's, profiles, rank threads, two ranks over NCCL and one of them
killed, a resumed run, the loader on all cores, memory checkers. MILLRACE_DATA/mnist is used where it is; else generated digits. Without a GPU all of
it runs on the device double (tests/cuda_double), which shows that the programs run, and whose times mean nothing.
Exit code: 0, 1 where something failed, 2 where nothing could be checked.
"""
import argparse
import os
import pathlib
import shutil
import sys

sys.dont_write_bytecode = True  # Nothing is left beside the sources.

import loader  # noqa: E402
import memory_checks
import profiles
import ranks
import steps
import training
import unit_tests
from double import Double
from machine import ROOT, Machine, python_with_torch, real_gpu
from report import Report

LIMIT_SECONDS = 400
# Subject, check, seconds that it may take on a GPU.
CHECKS = [("tests", unit_tests.check, 60), ("training", training.lenet, 30), ("steps", steps.check, 60), ("profile", profiles.check, 60), ("ranks", ranks.threads, 30),
          ("ranks", ranks.nccl, 60), ("resume", training.resume, 30), ("loader", loader.check, 20), ("memory", memory_checks.check, 30)]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release", help="folder of millrace and test_train_gpu")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "out/gpu-check")
    parser.add_argument("--libraries", default="", help="folders for LD_LIBRARY_PATH of Millrace's programs, where they were moved")
    parser.add_argument("--pictures", type=pathlib.Path, help="a folder of JPEG files, a subfolder a class")
    parser.add_argument("--python", help="a Python with torch, for the comparison (default: .venv's)")
    parser.add_argument("--double", action="store_true", help="on the device double, even with a GPU")
    return parser.parse_args()


def prepare(options, gpus):
    folder = options.out.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    double = Double(options.build.resolve()) if options.double or not gpus else None
    data = pathlib.Path(os.environ.get("MILLRACE_DATA", ROOT / "data")).resolve()
    pictures = options.pictures.resolve() if options.pictures else data / "imagenet-sample" if (data / "imagenet-sample").is_dir() else None
    return Machine(options.build.resolve(), folder, double, options.libraries, data, pictures, python_with_torch(options.python))


def describe(machine, report, gpus):
    if machine.double:
        report.notes.append("**On the device double: no GPU was used. The programs ran; times, rates and accuracies mean nothing.**")
        report.gpus = 2
    else:
        report.notes.append(f"{len(gpus)} x {gpus[0][0]}, driver {gpus[0][1]}, {gpus[0][2]}; {machine.cores} cores")
        report.gpus = len(gpus)
    done = machine.millrace("first", "train", machine.spec("first", "toy", 32), "--set", "train.steps=2", "--out", machine.out("first"), seconds=90)
    runs = machine.records("first", "run")
    versions = runs[0]["versions"] if runs else {}
    report.add("machine", "a first run on the GPU", ", ".join(f"{key} {versions[key]}" for key in ("gpu", "driver", "cuda", "cudnn", "nccl", "torch") if versions.get(key)) if done.code == 0 else done.why(),
               "it ends", done.code == 0, "the message names the cause: a driver older than 580, a GPU older than Turing, a build without MILLRACE_CUDA=ON")
    return done.code == 0


def main():
    options = arguments()
    gpus = real_gpu()
    if not (options.build / "millrace").exists():
        print(f"gpu-check: there is no {options.build}/millrace: run 'MILLRACE_CUDA=ON make build'", file=sys.stderr)
        return 2
    machine = prepare(options, gpus)
    if machine.double and (missing := machine.double.missing()):
        print(f"gpu-check: no GPU here, and no device double ({missing}): run 'make gpu-check', which builds it", file=sys.stderr)
        return 2
    report = Report(machine.folder, LIMIT_SECONDS)
    if describe(machine, report, gpus):
        for subject, check, seconds in CHECKS:
            if report.left() < seconds:
                report.leave_out(subject, check.__name__, "no time")
                continue
            try:
                check(machine, report)
            except Exception as error:  # What one check trips over is a row; the others go on.
                report.add(subject, check.__name__, repr(error)[:140], "it runs", False, "a fault of the check itself, or output that it does not know")
    report.write()
    print("\n" + report.text() + f"\nwritten: {machine.folder}/table.md", flush=True)
    return 1 if report.failed() else 0


if __name__ == "__main__":
    sys.exit(main())
