"""A training step of Millrace beside eager PyTorch's: the same model, batch and threads, in turns.

Usage: compare_steps.py PROGRAM [--python PYTHON] [--rounds 3] [--seconds 3] [CASE...]
CASE: MODEL:BATCH[:LAYOUT[:PRECISION]], mobilenetv3_small:64 for example; pictures are 28 x 28, for resnet18 3 x 64 x 64.
Prints one JSON object a run, then a Markdown table of medians with the range over rounds.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
parser = argparse.ArgumentParser()
parser.add_argument("program")
parser.add_argument("cases", nargs="*", default=["mobilenetv3_small:64", "wide_resnet:32", "resnet18:16"])
parser.add_argument("--python", default=sys.executable)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--seconds", type=float, default=3.0)
parser.add_argument("--threads", type=int, default=1)
args = parser.parse_args()


def ours(model, batch, layout, precision):
    data = '[data]\nname = "digits"\nsubset = 4096\nbatch = %d\n' % batch
    if model == "resnet18":
        data = '[data]\nname = "cifar100"\nsubset = 256\nbatch = %d\n' % batch
    augment = '[[augment]]\nop = "resize"\nsize = 64\n' if model == "resnet18" else ""
    train = '[train]\nmodel = "%s"\nwiden = 1\noptimizer = "sgd"\nlr = 0.01\nmomentum = 0.9\ndevice = "cpu"\nthreads = %d\n' % (model, args.threads)
    train += 'layout = "%s"\nprecision = "%s"\n' % (layout, precision)
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as spec:
        spec.write(data + augment + train)
        spec.flush()
        out = subprocess.run([args.program, "bench", "step", spec.name, "--seconds", str(args.seconds), "--json"], capture_output=True, text=True)
    if out.returncode:
        sys.exit(out.stderr)
    return json.loads([line for line in out.stdout.splitlines() if line.startswith("{")][-1])


def eager(model, batch, layout, precision):
    command = [args.python, os.path.join(HERE, "eager_step.py"), model, "--batch", str(batch), "--threads", str(args.threads), "--widen", "1",
               "--seconds", str(args.seconds), "--layout", layout, "--precision", precision]
    if model == "resnet18":
        command += ["--side", "64", "--channels", "3", "--classes", "100"]
    out = subprocess.run(command, capture_output=True, text=True)
    if out.returncode:
        sys.exit(out.stderr)
    return json.loads(out.stdout.splitlines()[-1])


print_rows = []
for case in args.cases:
    model, batch, layout, precision = (case.split(":") + ["auto", "fp32"])[:4] if case.count(":") < 3 else case.split(":")
    times = {"millrace": [], "nchw": [], "nhwc": []}
    for _ in range(args.rounds):
        record = ours(model, int(batch), layout, precision)
        times["millrace"].append(record["step_seconds"])
        print(json.dumps({"side": "millrace", "case": case, "step_seconds": record["step_seconds"]}), flush=True)
        for order in ("nchw", "nhwc"):
            record = eager(model, int(batch), order, precision)
            times[order].append(record["step_seconds"])
            print(json.dumps({"side": "eager " + order, "case": case, "step_seconds": record["step_seconds"]}), flush=True)
    print_rows.append([case] + ["%.2f (%.2f-%.2f)" % tuple(1e3 * f(times[k]) for f in (statistics.median, min, max)) for k in times])
print("\n| model:batch | Millrace, ms | eager nchw, ms | eager nhwc, ms |\n|---|---|---|---|")
for row in print_rows:
    print("| " + " | ".join(row) + " |")
