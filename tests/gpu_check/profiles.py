"""Profiles: does the loader keep up, do copies run beside steps, do the books close?"""

OVERLAP = 0.97


def check(machine, report):
    for name, spec, settings in [("LeNet", "lenet", []), ("ResNet-18 on u8 rows, bf16", "resnet", ["train.precision=bf16", "data.dtype=u8"])]:
        if report.left() < 60:
            report.leave_out("profile", name, "no time")
            continue
        sets = [word for setting in settings for word in ("--set", setting)]
        seconds = 8 if machine.double else 18
        done = machine.millrace("profile." + spec, "profile", machine.folder / f"{spec}.toml", *sets, "--seconds", str(seconds), "--json", seconds=90)
        result = done.json()
        if done.code or not result:
            report.add("profile", name, done.why(), "it ends", False, "the message names the cause")
            continue
        overlap = result.get("overlap_efficiency")
        legs = ", ".join(f"{leg} {rate:,.0f}" for leg, rate in result["legs"].items() if rate)
        report.add("profile", name, f"{result['verdict']} ({result['confidence']}); images/s: {legs}" + (f"; overlap {overlap:.3f}" if overlap else ""),
                   f"compute-bound, overlap at least {OVERLAP}", True if machine.double else result["verdict"] == "compute-bound" and (overlap or 0) >= OVERLAP,
                   "transfer-bound: pageable slots, or a slow bus (T times a row's bytes; 20-50 GB/s is healthy); loader-bound: more loader.workers, or data.dtype = \"u8\"")
