"""Measures what Millrace's loader adds to a process's memory, beside what it forecast, over many images; prints a table.

usage: memory_benchmark.py [--program build/release/millrace] [--out FILE.jsonl] [--only TEXT,...] [--scale 1]

Each case is one `millrace bench loader` in a process of its own, which looks at its resident memory 50 times a second: before the loader is
made, and then until the end. Added: the highest less the first, code pages of libraries among it. Growth: what the second half of the images added
to the highest of the first. Needs nothing but Python's standard library.
"""
import argparse
import json
import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SPECS = os.path.join("experiments", "specs", "bench")

parser = argparse.ArgumentParser()
parser.add_argument("--program", default=os.path.join(ROOT, "build", "release", "millrace"))
parser.add_argument("--out", default="")
parser.add_argument("--only", default="", help="keep the cases whose name contains one of these, comma-separated")
parser.add_argument("--scale", type=float, default=1, help="of every window's length")
args = parser.parse_args()

# Name, spec, settings, seconds of the window.
CASES = [
    ("mnist, 2 workers", "mnist", {"loader.workers": 2}, 10),
    ("mnist, 0 workers", "mnist", {"loader.workers": 0}, 10),
    ("mnist_affine, 2 workers", "mnist_affine", {"loader.workers": 2}, 10),
    ("cifar224_rrc, 2 workers, batch 64", "cifar224_rrc", {"loader.workers": 2, "data.batch": 64}, 60),
    ("rrc_u8, 2 workers", "rrc_u8", {"loader.workers": 2}, 110),
    ("rrc, 2 workers", "rrc", {"loader.workers": 2}, 60),
    ("timm_ra, 2 workers", "timm_ra", {"loader.workers": 2}, 60),
    ("rrc_u8, 2 workers, encoded cache, 256 MiB", "rrc_u8", {"loader.workers": 2, "loader.cache": "encoded", "loader.memory": "256MiB"}, 20),
    ("rrc_u8, 2 workers, decoded cache, 256 MiB", "rrc_u8", {"loader.workers": 2, "loader.cache": "decoded", "loader.memory": "256MiB"}, 20),
    ("rrc_u8, 2 workers, bound of 60 MiB", "rrc_u8", {"loader.workers": 2, "loader.memory": "60MiB"}, 20),
]


def run(spec, settings, seconds):
    command = [args.program, "bench", "loader", os.path.join(SPECS, spec + ".toml"), "--json", "--seconds", str(seconds)]
    for key, value in settings.items():
        command += ["--set", f"{key}={value}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines and done.returncode == 0 else {"error": done.stderr.strip().splitlines()[-1:]}


def mib(size):
    return f"{size / 2**20:,.1f}"


wanted = [part for part in args.only.split(",") if part]
print("| case | images | images/s | forecast, MiB | added, MiB | of the forecast | growth in the second half, MiB |\n|---|---:|---:|---:|---:|---:|---:|", flush=True)
for name, spec, settings, seconds in CASES:
    if wanted and not any(part in name for part in wanted):
        continue
    result = run(spec, settings, seconds * args.scale)
    if args.out:
        with open(args.out, "a") as file:
            file.write(json.dumps({"case": name, **result}) + "\n")
    if "error" in result:
        print(f"| {name} | failed: {result['error']} | | | | | |", flush=True)
        continue
    memory, resident = result["memory"], result["resident"]
    added, forecast = resident["added_bytes"], memory["forecast_bytes"]
    print(f"| {name} | {resident['points'][-1][0]:,} | {result['images_per_second']:,.0f} | {mib(forecast)} | {mib(added)} | {100 * added / forecast:.0f} % | "
          f"{mib(resident['growth_bytes'])} |", flush=True)
