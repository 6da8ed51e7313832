"""LeNet on digits, as a graph and eager, and a run that is resumed."""
import shutil

GRAPH_SECONDS, ACCURACY, UNACCOUNTED = 5, 0.99, 0.01


def wall(epochs):
    return sum(epoch["wall_seconds"] for epoch in epochs)


def lenet(machine, report):
    spec = machine.spec("lenet", "lenet", 32)
    done = machine.millrace("lenet-graph", "train", spec, "--set", "train.epochs=10", "--set", "train.step=graph", "--set", "train.evaluate_every=10", "--out", machine.out("lenet-graph"), seconds=90)
    epochs = machine.records("lenet-graph", "epoch")
    if done.code or not epochs:
        report.add("training", "LeNet as a graph, 10 epochs", done.why(), "it ends", False, "does it without train.step = \"graph\"? then the capture is at fault")
    else:
        last, seconds = epochs[-1], wall(epochs)
        result = f"{seconds:.2f} s, best epoch {max(e['images_per_second'] for e in epochs):,.0f} images/s, accuracy {100 * last['accuracy']:.2f} %"
        good = machine.double or (seconds < GRAPH_SECONDS and (last["accuracy"] >= ACCURACY or machine.digits != "mnist"))
        report.add("training", f"LeNet on {machine.digits} as a graph, 10 epochs", result, f"under {GRAPH_SECONDS} s, accuracy at least {100 * ACCURACY:.0f} % on mnist", good,
                   "slow: compare the rows of steps; accuracy of 10 %: compare the eager run below")
    done = machine.millrace("lenet-eager", "train", spec, "--set", "train.epochs=2", "--out", machine.out("lenet-eager"), seconds=90)
    eager = machine.records("lenet-eager", "epoch")
    if done.code or not eager:
        return report.add("training", "LeNet eager, 2 epochs", done.why(), "it ends", False, "the message names the cause")
    books = eager[-1]["unaccounted_seconds"] / eager[-1]["wall_seconds"]
    memory = eager[-1]["loader"]["memory"]
    report.add("training", "LeNet eager, 2 epochs", f"{eager[-1]['images_per_second']:,.0f} images/s, unaccounted {100 * books:.2f} %, slots {memory}",
               f"unaccounted within {100 * UNACCOUNTED:.0f} %, slots page-locked", memory == "page-locked" and (machine.double or abs(books) <= UNACCOUNTED),
               "pageable: ulimit -l, or the container's limit on locked memory")
    if epochs and not machine.double:
        first = [run[0]["loss"] for run in (epochs, eager)]
        report.add("training", "first epoch's loss, graph and eager", f"{first[0]:.4f} {first[1]:.4f}", "within 1 %", abs(first[0] - first[1]) <= 0.01 * abs(first[1]),
                   "the graph trains on another batch or rate: run test_train_gpu's Graph tests")


def resume(machine, report):
    spec = machine.folder / "lenet.toml"
    common = ["--set", "train.epochs=2", "--set", "train.checkpoint_every=1", "--set", "train.keep_checkpoints=9"]
    whole = machine.millrace("whole", "train", spec, *common, "--out", machine.out("whole"), seconds=60)
    first = machine.out("resumed")
    if whole.code:
        return report.add("resume", "a run of two epochs", whole.why(), "it ends", False, "the message names the cause")
    shutil.copytree(machine.folder / "runs/whole", first)
    (first / "results.jsonl").unlink()
    for checkpoint in sorted((first / "checkpoints").iterdir())[1:]:
        shutil.rmtree(checkpoint)
    done = machine.millrace("resumed", "train", spec, *common, "--out", first, "--resume", "auto", seconds=60)
    norms = [machine.records(name, "epoch")[-1:] for name in ("whole", "resumed")]
    if done.code or not all(norms):
        return report.add("resume", "from the first epoch's end", done.why(), "it ends", False, "the message names the cause")
    a, b = (epoch[0]["weights_norm"] for epoch in norms)
    report.add("resume", "from the first epoch's end: weights' norm", f"{a} {b}", "equal to 1e-6", True if machine.double else abs(a - b) <= 1e-6 * abs(a),
               "cuDNN may choose kernels whose sums differ from run to run; train.deterministic = true keeps them to the bit")
