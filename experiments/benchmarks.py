"""Measures Millrace's benchmarks, interleaved with the peers' where their scripts are there; prints a table of medians.

usage: benchmarks.py spine|pixels [--program build/release/millrace] [--repeats 3] [--seconds 3] [--out FILE.jsonl]
                     [--peers DIR] [--torch PYTHON] [--only TEXT,...]

All configurations run once, then all again, each in a fresh process; every run is one JSON line in --out, and the table covers the
lines of this call. --peers: a folder with `one.sh PEER TASK WORKERS SECONDS` that prints a JSON line with images_per_s. --torch: a
Python with torch, for the eager LeNet step (tests/train/eager_step.py). Needs nothing but Python's standard library.
"""
import argparse
import datetime
import json
import os
import statistics
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SPECS = os.path.join("experiments", "specs", "bench")  # Every command runs in ROOT: records hold no path of the machine.

parser = argparse.ArgumentParser()
parser.add_argument("suite", choices=("spine", "pixels"))
parser.add_argument("--program", default=os.path.join(ROOT, "build", "release", "millrace"))
parser.add_argument("--repeats", type=int, default=3)
parser.add_argument("--seconds", type=float, default=3)
parser.add_argument("--out", default="")
parser.add_argument("--peers", default="")
parser.add_argument("--only", default="", help="keep the cases whose name contains one of these, comma-separated")
parser.add_argument("--torch", default=os.path.join(ROOT, ".venv", "bin", "python"))
args = parser.parse_args()


def last_json(command, env=None):
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(env or {})}, cwd=ROOT)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        return {"failed": done.returncode, "error": done.stderr.strip().splitlines()[-1:]}
    return json.loads(lines[-1])


def settings(values):
    return [part for key, value in values.items() for part in ("--set", f"{key}={value}")]


def loader(spec, **values):
    values = {key.replace("__", "."): value for key, value in values.items()}
    return lambda: last_json([args.program, "bench", "loader", os.path.join(SPECS, spec + ".toml"), "--seconds", str(args.seconds), "--json", *settings(values)])


def step(batch, threads):
    values = {"data.batch": batch, "train.threads": threads}
    return lambda: last_json([args.program, "bench", "step", os.path.join(SPECS, "mnist.toml"), "--seconds", str(args.seconds), "--json", *settings(values)])


def train(spec, **values):
    """The last epoch of a training run, as images a second of its wall time, with the share of it that no phase explains."""
    values = {key.replace("__", "."): value for key, value in values.items()}

    def run():
        with tempfile.TemporaryDirectory() as out:
            command = [args.program, "train", os.path.join(SPECS, spec + ".toml"), "--out", out, *settings(values)]
            done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
            if done.returncode:
                return {"failed": done.returncode, "error": done.stderr.strip().splitlines()[-1:]}
            with open(os.path.join(out, "results.jsonl")) as lines:
                epochs = [record for record in map(json.loads, lines) if record["type"] == "epoch"]
        last = epochs[-1]
        return {"images_per_second": last["images"] / last["wall_seconds"], "unaccounted": last["unaccounted_seconds"] / last["wall_seconds"],
                "phases": last["phases"], "accuracy": last["accuracy"]}

    return run


def eager(batch, threads):
    script = os.path.join(ROOT, "tests", "train", "eager_step.py")
    return lambda: last_json([args.torch, script, "lenet", "--batch", str(batch), "--threads", str(threads), "--seconds", str(args.seconds)])


def peer(name, task, workers, images=""):
    def run():
        result = last_json([os.path.join(args.peers, "one.sh"), name, task, str(workers), str(args.seconds)], {"PEERS_IMAGES": images} if images else None)
        return {"images_per_second": result.pop("images_per_s", None), **result}

    return run


def peer_training(batch, workers):
    """The peers' LeNet on MNIST; it has no entry in one.sh."""
    home = os.environ.get("PEERS_HOME", os.path.expanduser("~/.cache/millrace-peers"))

    def run():
        script = os.path.join(args.peers, "train_lenet.py")
        result = last_json([os.path.join(home, "venv", "bin", "python"), script, "--data", os.path.join(home, "data"), "--task", f"train_lenet_b{batch}", "--workers", str(workers)])
        return {"images_per_second": result.pop("images_per_s", None), **result}

    return run


SMALL = os.path.join("imagenet-500q90", "val") if os.path.isdir(os.path.join(os.environ.get("MILLRACE_DATA", os.path.join(ROOT, "data")), "imagenet-500q90", "val")) else "imagenet-500q90"
suites = {"spine": {}, "pixels": {}}
spine, pixels = suites["spine"], suites["pixels"]
for name in ("mnist", "mnist_affine", "mnist_affine_bilinear"):
    spine[f"{name}, 1 worker"] = loader(name, loader__workers=1)
for batch in (32, 256):
    for threads in (1, 2):
        spine[f"LeNet step, batch {batch}, {threads} thread(s)"] = step(batch, threads)
        spine[f"  eager PyTorch, batch {batch}, {threads} thread(s)"] = eager(batch, threads)
for microseconds in (500, 2000, 10000):
    spine[f"sleep {microseconds} us: end to end"] = train("sleep", train__step_microseconds=microseconds)
spine["sleep: loader alone"] = loader("sleep")
spine["LeNet epoch, batch 32, 1 worker"] = train("mnist", data__batch=32, train__threads=1, train__epochs=2)
spine["LeNet epoch, batch 32, 0 workers"] = train("mnist", data__batch=32, train__threads=1, train__epochs=2, loader__workers=0)
spine["  its loader alone, batch 32"] = loader("mnist", data__batch=32)
for task in ("rrc", "rrc_noaa", "rrc_u8", "rrc_u8_noaa", "timm_ra", "timm_ra_u8"):
    for workers in (1, 2):
        pixels[f"{task}, {workers} worker(s)"] = loader(task, loader__workers=workers)
        if task != "timm_ra_u8":
            pixels[f"{task} at 500q90, {workers} worker(s)"] = loader(task, loader__workers=workers, data__path=SMALL)
for workers in (1, 2):
    pixels[f"cifar224_rrc, {workers} worker(s)"] = loader("cifar224_rrc", loader__workers=workers)
if args.peers:
    spine["  PyTorch's usual loader, epoch, batch 32"] = peer_training(32, 0)
    spine["  PyTorch's usual loader, mnist, 2 workers"] = peer("torch", "mnist", 2)
    spine["  PyTorch's usual loader, mnist_affine, 2 workers"] = peer("torch", "mnist_affine", 2)
    for workers in (1, 2):
        pixels[f"  torch+PIL rrc, {workers}"] = peer("torch", "rrc", workers)
        for name in ("tfdata", "grain", "turbo", "dali", "cv2", "spdl"):
            pixels[f"  {name} rrc, {workers}"] = peer(name, "rrc", workers)
        for name in ("tfdata", "grain", "cv2"):
            pixels[f"  {name} rrc_u8, {workers}"] = peer(name, "rrc_u8", workers)
        pixels[f"  timm timm_ra, {workers}"] = peer("timm", "timm_ra", workers)
        pixels[f"  FFCV rrc at 500q90, {workers}"] = peer("ffcv", "rrc", workers, "imagenet-500q90")
    pixels["  timm cifar224_rrc, 2"] = peer("timm", "cifar224_rrc", 2)

wanted = [part for part in args.only.split(",") if part]
cases = {name: run for name, run in suites[args.suite].items() if not wanted or any(part in name for part in wanted)}
found = {}
for repetition in range(args.repeats):
    for name, run in cases.items():
        result = run()
        record = {"suite": args.suite, "case": name.strip(), "repetition": repetition, "at": datetime.datetime.now().isoformat(timespec="seconds"), **result}
        found.setdefault(name, []).append(record)
        if args.out:
            with open(args.out, "a") as file:
                file.write(json.dumps(record) + "\n")

print("| case | images/s, median (range) | CPU s a 1000 images | first batch, ms |\n|---|---:|---:|---:|")
for name, records in found.items():
    rates = [r["images_per_second"] for r in records if r.get("images_per_second")]
    if not rates:
        print(f"| {name} | failed: {records[0].get('error')} | | |")
        continue

    def median(*keys, scale=1.0):
        values = [r[key] * scale for r in records for key in keys if r.get(key)]
        return f"{statistics.median(values):.4g}" if values else ""

    print(f"| {name} | {statistics.median(rates):,.0f} ({min(rates):,.0f}-{max(rates):,.0f}) | {median('cpu_seconds_per_1000_images', 'cpu_s_per_1k')} | "
          f"{median('first_batch_seconds', 'first_batch_s', scale=1000)} |")
