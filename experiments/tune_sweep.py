#!/usr/bin/env python3
"""Is what `millrace tune` advises as good as the best of a full sweep?

    experiments/tune_sweep.py [--only TEXT] [--seconds S] [--rounds N] [--out FILE.md] [--records FILE.jsonl] [--program PATH]

`tune` is run once a spec. The sweep owes it nothing: every number of workers with every prefetch depth is a training run of its own, of about two
seconds, in interleaved rounds. Exit status: 0 if each advice lies within 3 % of the sweep's best median, or inside its interval.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

from profile_cases import ROOT, asked, rate, table

NEAR = 0.03
WORKERS, DEPTHS = range(5), (1, 2, 4, 8)
STEP_SECONDS = 2.0

# name, spec, settings
CASES = [
    ("LeNet on digits", "quickstart.toml", []),
    ("loader of 100 us, steps of 4 ms", "bench/sleep.toml", ["loader.extra_us_per_image=100", "train.step_microseconds=4000"]),
    ("disk of 5 ms, steps of 20 ms", "bench/rrc.toml", ["train.model=sleep", "train.step_microseconds=20000", "data.batch=8", "data.extra_us_per_read=[5000]"]),
]


def trained(program, spec, sets, steps):
    """Images a second of a training run of its own, by the epochs' walls."""
    with tempfile.TemporaryDirectory() as out:
        command = [program, "train", spec, "--out", out]
        for setting in sets + [f"train.steps={steps}", "train.evaluate_every=0"]:
            command += ["--set", setting]
        run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        if run.returncode:
            raise SystemExit(f"{' '.join(command)}\n{run.stderr}")
        records = [json.loads(line) for line in open(pathlib.Path(out) / "results.jsonl")]
    epochs = [r for r in records if r["type"] == "epoch"]
    images = sum(e["images"] for e in epochs)
    return images / sum(e["wall_seconds"] for e in epochs)


def sweep(program, spec, sets, steps, rounds):
    rates = {}
    for _ in range(rounds):
        for workers in WORKERS:
            for depth in DEPTHS if workers else (2,):
                setting = sets + [f"loader.workers={workers}", f"loader.prefetch={depth}"]
                rates.setdefault((workers, depth), []).append(trained(program, spec, setting, steps))
    return rates


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="specs whose name has this in it")
    parser.add_argument("--seconds", type=float, default=40, help="of tune")
    parser.add_argument("--rounds", type=int, default=3, help="of the sweep")
    parser.add_argument("--out", help="the table, as Markdown")
    parser.add_argument("--records", help="advice and sweep, a line a spec (appended)")
    parser.add_argument("--program", default=str(ROOT / "build/release/millrace"))
    args = parser.parse_args()
    rows, off = [], 0
    for name, file, sets in CASES:
        if args.only and args.only not in name:
            continue
        spec = f"experiments/specs/{file}"
        advice = asked(args.program, "tune", spec, sets, args.seconds)
        batch = advice["batch"]
        steps = max(4, round(STEP_SECONDS * advice["images_per_second"] / batch))
        rates = sweep(args.program, spec, sets, steps, args.rounds)
        best = max(rates, key=lambda setting: statistics.median(rates[setting]))
        chosen = (advice["workers"], advice["prefetch"] if advice["workers"] else 2)
        if chosen not in rates:  # More workers than the sweep has.
            setting = sets + [f"loader.workers={chosen[0]}", f"loader.prefetch={chosen[1]}"]
            rates[chosen] = [trained(args.program, spec, setting, steps) for _ in range(args.rounds)]
        low, median, high = min(rates[best]), statistics.median(rates[best]), max(rates[best])
        got = statistics.median(rates[chosen])
        good = got >= (1 - NEAR) * median or got >= low
        off += not good
        rows.append((name, f"{chosen[0]}, {chosen[1]}", f"{advice['seconds']:.0f}", rate(got), f"{best[0]}, {best[1]}", f"{rate(median)} ({rate(low)}-{rate(high)})",
                     f"{100 * (got / median - 1):+.1f}", "yes" if good else "**no**"))
        print(rows[-1], file=sys.stderr, flush=True)
        if args.records:
            with open(args.records, "a") as out:
                sweep_rows = [{"workers": w, "prefetch": d, "images_per_second": r} for (w, d), r in rates.items()]
                out.write(json.dumps({"spec": file, "set": sets, "steps": steps, "advice": advice, "sweep": sweep_rows}) + "\n")
    text = table(rows, ["spec", "advised workers, prefetch", "s", "its images/s in the sweep", "the sweep's best", "images/s (range)", "difference %", "holds"])
    text += f"\n\n{len(rows) - off} of {len(rows)} hold.\n"
    print(text)
    if args.out:
        pathlib.Path(args.out).write_text(text)
    return 0 if rows and off == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
