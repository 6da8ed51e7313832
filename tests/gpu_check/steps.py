"""Steps on resident batches, eager and as a graph, beside PyTorch's on the same GPU."""
import json
import pathlib

SLOWER = 1.05
REMEDY = "eager: launches a step decide, take train.step = \"graph\"; bf16 no faster than fp32: the memory order (train.layout)"

# Name, spec, settings, PyTorch's case.
CASES = [
    ("LeNet, batch 32", "lenet", [], "lenet 32 fp32 eager"),
    ("LeNet, batch 32, graph", "lenet", ["train.step=graph"], "lenet 32 fp32 graph"),
    ("LeNet, batch 256", "lenet", ["data.batch=256"], "lenet 256 fp32 eager"),
    ("ResNet-18, batch 128, bf16", "resnet", ["train.precision=bf16"], "resnet18 128 bf16 eager"),
    ("ResNet-18, batch 128, bf16, graph", "resnet", ["train.precision=bf16", "train.step=graph"], "resnet18 128 bf16 graph"),
    ("ResNet-18, batch 128", "resnet", [], "resnet18 128 fp32 eager"),
    ("ResNet-18, fp16, AdamW, clipping", "resnet", ["train.precision=fp16", "train.optimizer=adamw", "train.clip_norm=1"], None),
]


def peers(machine, report):
    """Seconds of PyTorch's steps by case; empty where there is no PyTorch."""
    if not machine.python:
        report.leave_out("steps", "PyTorch's", "no Python with torch")
        return {}
    script = pathlib.Path(__file__).parent / "peer_steps.py"
    done = machine.run("peer", [machine.python, script, *dict.fromkeys(peer for *_, peer in CASES if peer)], 90)
    return {case["case"]: case["step_seconds"] for case in map(json.loads, filter(lambda line: line.startswith("{"), done.out.splitlines()))}


def check(machine, report):
    side, batch = (224, 128) if not machine.double else (32, 32)
    specs = {"lenet": machine.spec("lenet", "lenet", 32), "resnet": machine.spec("resnet", "resnet18", batch, side)}
    theirs = peers(machine, report)
    for name, spec, settings, peer in CASES:
        sets = [word for setting in settings for word in ("--set", setting)]
        done = machine.millrace("step." + name.replace(" ", "_"), "bench", "step", specs[spec], *sets, "--seconds", "0.5" if machine.double else "2", "--json", seconds=60)
        result = done.json()
        if done.code or not result:
            report.add("steps", name, done.why(), "it runs", False, REMEDY)
            continue
        seconds, other = result["step_seconds"], theirs.get(peer)
        text = f"{1e6 * seconds:,.0f} us, {result['images_per_second']:,.0f} images/s" + (f"; PyTorch {1e6 * other:,.0f} us" if other else "")
        judged = other and not machine.double
        report.add("steps", name, text, f"at most {SLOWER} times PyTorch's" if other else "", seconds <= SLOWER * other if judged else None, REMEDY)
