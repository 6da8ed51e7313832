#!/usr/bin/env python3
"""Forty specs whose bottleneck is known, since it was made: does `millrace profile` name it?

    experiments/profile_cases.py [--only TEXT | --part I/N] [--seconds S] [--out FILE.md] [--records FILE.jsonl] [--program PATH]
    experiments/profile_cases.py --workers [--seconds S]      what-if for one worker more, against running it
    experiments/profile_cases.py --together [--seconds S]     loader and trainer beside one another, against the prediction

Slowed loaders wait busily in their last stage, slowed trainers sleep (or are real models), slow disks sleep in each read, slow
links hold up each sum; "busy core": another process spins beside it. Pictures are those of experiments/specs/bench/rrc.toml. Exit status: 0 if at most one verdict is wrong and none is wrong with high confidence.
"""
import argparse
import json
import multiprocessing
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
DIGITS = "experiments/specs/bench/sleep.toml"  # Generated digits, batch 64, one worker: about 0.5 ms a batch.
PICTURES = "experiments/specs/bench/rrc.toml"  # JPEG files, RandomResizedCrop: about 2 ms a picture.
QUICK = "experiments/specs/quickstart.toml"    # The digits and LeNet on one thread.


def sleeps(us):
    return [f"train.step_microseconds={us}"]


def loader(us, workers=1):
    return [f"loader.extra_us_per_image={us}", f"loader.workers={workers}"]


def pictures(step_us, workers=1, read_us=None, batch=16):
    read = [f"data.extra_us_per_read=[{read_us}]"] if read_us else []
    return ["train.model=sleep", f"loader.workers={workers}", f"data.batch={batch}"] + sleeps(step_us) + read


def link(mbit, model="lenet"):
    return ["train.ranks=2", "train.threads=1", f"train.link_mbit={mbit}", f"train.model={model}", "augment=[]", "data.batch_per_rank=64"]


# name, spec, settings, the verdict, whether a core is busy elsewhere.
CASES = [
    ("loader 30 us, step 0.5 ms", DIGITS, loader(30) + sleeps(500), "loader-bound", False),
    ("loader 100 us, step 2 ms", DIGITS, loader(100) + sleeps(2000), "loader-bound", False),
    ("loader 200 us, step 10 ms", DIGITS, loader(200) + sleeps(10000), "loader-bound", False),
    ("loader 500 us, step 20 ms", DIGITS, loader(500) + sleeps(20000), "loader-bound", False),
    ("loader 200 us, 2 workers, step 4 ms", DIGITS, loader(200, 2) + sleeps(4000), "loader-bound", False),
    ("loader 100 us, no worker, step 2 ms", DIGITS, loader(100, 0) + sleeps(2000), "loader-bound", False),
    ("loader 300 us before LeNet", QUICK, loader(300), "loader-bound", False),
    ("loader 100 us, busy core", DIGITS, loader(100) + sleeps(2000), "loader-bound", True),
    ("loader 300 us, busy core", DIGITS, loader(300) + sleeps(10000), "loader-bound", True),
    ("pictures, step 5 ms", PICTURES, pictures(5000), "loader-bound", False),
    ("trainer 5 ms", DIGITS, loader(0) + sleeps(5000), "compute-bound", False),
    ("trainer 20 ms", DIGITS, loader(0) + sleeps(20000), "compute-bound", False),
    ("trainer 10 ms, loader 100 us", DIGITS, loader(100) + sleeps(10000), "compute-bound", False),
    ("trainer 20 ms, loader 200 us", DIGITS, loader(200) + sleeps(20000), "compute-bound", False),
    ("trainer 20 ms, loader 200 us, 2 workers", DIGITS, loader(200, 2) + sleeps(20000), "compute-bound", False),
    ("trainer 20 ms, no worker", DIGITS, loader(20, 0) + sleeps(20000), "compute-bound", False),
    ("LeNet, one worker", QUICK, loader(0), "compute-bound", False),
    ("LeNet on plain digits", QUICK, loader(0) + ["augment=[]"], "compute-bound", False),
    ("trainer 10 ms, busy core", DIGITS, loader(0) + sleeps(10000), "compute-bound", True),
    ("trainer 20 ms, loader 100 us, busy core", DIGITS, loader(100) + sleeps(20000), "compute-bound", True),
    ("pictures, step 80 ms", PICTURES, pictures(80000), "compute-bound", False),
    ("disk 5 ms", PICTURES, pictures(20000, 1, 5000), "storage-bound", False),
    ("disk 10 ms", PICTURES, pictures(50000, 1, 10000), "storage-bound", False),
    ("disk 5 ms, 2 workers", PICTURES, pictures(20000, 2, 5000), "storage-bound", False),
    ("disk 20 ms, 4 workers", PICTURES, pictures(30000, 4, 20000), "storage-bound", False),
    ("disk 5 ms, 1 in 1000 takes 2 s", PICTURES, pictures(20000, 4, "5000, 2000000"), "storage-bound", False),
    ("disk 10 ms, busy core", PICTURES, pictures(50000, 1, 10000), "storage-bound", True),
    ("disk 5 ms behind a trainer of 200 ms", PICTURES, pictures(200000, 1, 5000), "compute-bound", False),
    ("link 20 Mbit/s, LeNet", QUICK, link(20), "communication-bound", False),
    ("link 50 Mbit/s, LeNet", QUICK, link(50), "communication-bound", False),
    ("link 100 Mbit/s, toy", QUICK, link(100, "toy"), "communication-bound", False),
    ("link 20 Mbit/s, LeNet, busy core", QUICK, link(20), "communication-bound", True),
    ("link 100 Gbit/s, LeNet", QUICK, link(100000) + ["loader.workers=0"], "compute-bound", False),
    ("loader 100 us against 6.8 ms", DIGITS, loader(100) + sleeps(6800), "balanced", False),
    ("loader 200 us against 13.3 ms", DIGITS, loader(200) + sleeps(13300), "balanced", False),
    ("loader 400 us, 2 workers against 12.9 ms", DIGITS, loader(400, 2) + sleeps(12950), "balanced", False),
    ("loader 200 us against 13.3 ms, busy core", DIGITS, loader(200) + sleeps(13300), "balanced", True),
    ("2 workers of 300 us beside LeNet", QUICK, loader(300, 2), "cpu-shared", False),
    ("2 workers of 60 us beside LeNet on 2 threads", QUICK, loader(60, 2) + ["train.threads=2"], "cpu-shared", False),
    ("worker of 150 us beside LeNet, busy core", QUICK, loader(150), "cpu-shared", True),
]


ABOUT = """# Constructed cases

Slowed loaders wait busily, slowed trainers sleep or are LeNet, slow disks and links wait; "busy core": another process spins beside it. 5 s a profile, so slow cases have one round, and
say so. Rates are images/s; E % is E of the predicted. `experiments/profile_cases.py`, profiles in `cases.jsonl`.

"""


def spin():
    while True:
        pass


class BusyCore:
    """A process beside the measurement that never rests."""

    def __init__(self, wanted):
        self.process = multiprocessing.Process(target=spin, daemon=True) if wanted else None

    def __enter__(self):
        if self.process:
            self.process.start()

    def __exit__(self, *_):
        if self.process:
            self.process.terminate()
            self.process.join()


def asked(program, verb, spec, sets, seconds):
    """What `millrace profile` or `tune` says of a spec (relative to the source tree), as an object."""
    command = [program, verb, str(spec), "--json", "--seconds", str(seconds)]
    for setting in sets:
        command += ["--set", setting]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if run.returncode:
        raise SystemExit(f"{' '.join(command)}\n{run.stderr}")
    return json.loads(run.stdout.splitlines()[-1])


def profile(program, spec, sets, seconds):
    return asked(program, "profile", spec, sets, seconds)


def table(rows, header):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(str(c) for c in row) + " |" for row in rows])


def rate(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def judged(name, expected, p):
    right = p["verdict"] == expected
    print(f"{'right' if right else 'WRONG':5}  {p['confidence']:6}  {p['verdict']:20} {name}", file=sys.stderr, flush=True)
    legs = p["legs"]
    return right, (name, expected, p["verdict"], "right" if right else "**wrong**", p["confidence"], rate(legs["L"]), rate(legs["C"]), rate(legs["A"]),
                   rate(p["predicted"]), rate(p["measured"]), f"{100 * p['overlap_efficiency']:.0f}")


def report(cases, out):
    rows = [judged(*case) for case in cases]
    wrong = sum(not right for right, _ in rows)
    badly = sum(not right and row[4] == "high" for right, row in rows)
    text = table([row for _, row in rows], ["case", "made to be", "verdict", "", "confidence", "L", "C", "A", "predicted", "E", "E %"])
    text += f"\n\n{len(rows) - wrong} of {len(rows)} right, {badly} wrong with high confidence.\n"
    print(text)
    if out:
        pathlib.Path(out).write_text(ABOUT + text)
    return 0 if rows and wrong <= 1 and badly == 0 else 1


def run_cases(args):
    cases = []
    part, parts = (int(n) for n in args.part.split("/"))
    for index, (name, spec, sets, expected, busy) in enumerate(CASES):
        if index * parts // len(CASES) != part - 1 or (args.only and args.only not in name):
            continue
        with BusyCore(busy):
            if busy:
                time.sleep(0.2)
            p = profile(args.program, spec, sets, args.seconds)
        cases.append((name, expected, p))
        if args.records:
            with open(args.records, "a") as out:
                out.write(json.dumps({"case": name, "expected": expected, "busy_core": busy, "set": sets, "profile": p}) + "\n")
    return report(cases, args.out)


WORKER_CASES = [
    ("digits, loader 100 us, step 0.5 ms", DIGITS, loader(100) + sleeps(500), 0),
    ("digits, loader 100 us, step 0.5 ms", DIGITS, loader(100) + sleeps(500), 1),
    ("digits, loader 100 us, step 4 ms", DIGITS, loader(100) + sleeps(4000), 1),
    ("pictures, step 10 ms", PICTURES, pictures(10000), 1),
    ("disk 5 ms, step 20 ms", PICTURES, pictures(20000, 1, 5000), 1),
    ("disk 5 ms, step 20 ms", PICTURES, pictures(20000, 1, 5000), 2),
    ("LeNet", QUICK, loader(0), 0),
    ("LeNet", QUICK, loader(0), 1),
]


def run_workers(args):
    rows, off = [], 0
    for name, spec, sets, workers in WORKER_CASES:
        # Before, after and before again: a machine that drifts drifts through all three.
        first, after, again = (profile(args.program, spec, sets + [f"loader.workers={w}"], args.seconds) for w in (workers, workers + 1, workers))
        before = (first["measured"] + again["measured"]) / 2
        said = sum(next(w["images_per_second"] for w in p["what_if"] if w["change"].startswith("one worker more")) for p in (first, again)) / 2
        error = said / after["measured"] - 1
        off += abs(error) > 0.1
        rows.append((name, f"{workers} to {workers + 1}", rate(before), rate(said), rate(after["measured"]), f"{100 * error:+.1f}"))
        print(rows[-1], file=sys.stderr, flush=True)
    text = table(rows, ["spec", "workers", "E before", "what-if", "E after", "error %"])
    text += f"\n\n{len(rows) - off} of {len(rows)} within 10 %.\n"
    print(text)
    if args.out:
        pathlib.Path(args.out).write_text(text)
    return 0 if off == 0 else 1


SPECS = pathlib.Path("experiments/specs")
TOGETHER = [
    ("LeNet on digits", "quickstart.toml", ["loader.workers=1"]),
    ("LeNet on MNIST, affine", "mnist-workers.toml", ["loader.workers=1"]),
    ("LeNet on MNIST, affine, no worker", "mnist-workers.toml", ["loader.workers=0"]),
    ("a trainer of 2 ms on digits", "bench/sleep.toml", []),
    ("Toy, 2 ranks", "esd-ddp.toml", ["train.model=toy", "train.ranks=2", "loader.workers=1"]),
    ("MobileNetV3 on MNIST", "esd-ddp.toml", ["train.model=mobilenetv3_small", "train.precision=fp32", "train.threads=1", "loader.workers=1"]),
    ("WideResNet on Fashion-MNIST", "fashion-ddp-cpu.toml", ["train.ranks=1", "data.batch_per_rank=32"]),
    ("ResNet-18 on CIFAR-100, timm's recipe", "cifar-ddp-cpu.toml", ["train.ranks=1", "data.batch_per_node=32"]),
    ("photographs, a trainer of 5 ms", "bench/rrc.toml", ["train.model=sleep", "train.step_microseconds=5000"]),
    ("RandAugment on photographs, a trainer of 80 ms", "bench/timm_ra.toml", ["train.model=sleep", "train.step_microseconds=80000"]),
]
LEAST_TOGETHER = 0.97


def run_together(args):
    rows, short = [], 0
    for name, spec, sets in TOGETHER:
        if args.only and args.only not in name:
            continue
        p = profile(args.program, SPECS / spec, sets, args.seconds)
        e, predicted = p["intervals"]["E"], p["predicted"]
        short += e["median"] < LEAST_TOGETHER * predicted
        rows.append((name, p["workers"], rate(p["legs"]["L"]), rate(p["legs"]["A"]), rate(predicted), rate(e["median"]) + ("" if e["low"] is None else f" ({rate(e['low'])}-{rate(e['high'])})"),
                     f"{e['median'] / predicted:.2f}", p["verdict"], p["confidence"], p["rounds"]))
        print(rows[-1], file=sys.stderr, flush=True)
    text = table(rows, ["spec", "workers", "L", "A", "predicted", "E (interval)", "E / predicted", "verdict", "confidence", "rounds"])
    text += f"\n\n{len(rows) - short} of {len(rows)} reach {LEAST_TOGETHER} of the prediction.\n"
    print(text)
    if args.out:
        pathlib.Path(args.out).write_text(text)
    return 0 if rows and short == 0 else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="cases whose name has this in it")
    parser.add_argument("--part", default="1/1", metavar="I/N", help="the Ith of N parts of the cases")
    parser.add_argument("--from-records", metavar="FILE", help="the table again, of profiles that --records kept; nothing is run")
    parser.add_argument("--seconds", type=float, default=6, help="of each profile")
    parser.add_argument("--out", help="the table, as Markdown")
    parser.add_argument("--records", help="every profile, a line each (appended)")
    parser.add_argument("--program", default=str(ROOT / "build/release/millrace"))
    parser.add_argument("--workers", action="store_true", help="check the what-if for one worker more by running it")
    parser.add_argument("--together", action="store_true", help="ten specs: what loader and trainer do together, against the prediction")
    args = parser.parse_args()
    if args.from_records:
        records = [json.loads(line) for line in open(args.from_records)]
        return report([(r["case"], r["expected"], r["profile"]) for r in records], args.out)
    if args.together:
        return run_together(args)
    return run_workers(args) if args.workers else run_cases(args)


if __name__ == "__main__":
    sys.exit(main())
