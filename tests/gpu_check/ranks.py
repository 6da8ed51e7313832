"""Several ranks: threads that share a GPU, two ranks over NCCL, and one of them killed."""
import os
import re
import signal
import socket
import time

COMMON = ["--set", "data.batch=64", "--set", "train.steps=100"]
NCCL_REMEDY = ("the log of rank 0 names the cause; hang or time-out: NCCL_DEBUG=INFO writes to logs/, NCCL_SOCKET_IFNAME chooses the network interface; "
               "'Duplicate GPU': NCCL takes both ranks for one host's, whatever NCCL_HOSTID says")


def norm(machine, name):
    epochs = machine.records(name, "epoch")
    return epochs[-1]["weights_norm"] if epochs else None


def same(machine, a, b):
    return machine.double is not None or (a is not None and b is not None and abs(a - b) <= 1e-5 * abs(a))


def threads(machine, report):
    """Rank threads on the first GPU: the reference of what follows."""
    for ranks in (1, 2):
        done = machine.millrace(f"threads{ranks}", "train", machine.folder / "lenet.toml", *COMMON, "--ranks", str(ranks), "--out", machine.out(f"threads{ranks}"), seconds=60,
                                environment={**machine.environment, "CUDA_VISIBLE_DEVICES": "0"})
        if done.code:
            return report.add("ranks", f"{ranks} as threads on one GPU", done.why(), "it ends", False, "the message names the cause")
    one, two = norm(machine, "threads1"), norm(machine, "threads2")
    report.add("ranks", "threads on one GPU: weights' norm of 1 and 2", f"{one} {two}", "equal to 1e-5", same(machine, one, two), "sums of ranks are wrong: run test_train_gpu, test_ddp")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def pair(machine, report, name, *settings, kill_after=None):
    """Two processes over NCCL, with a GPU each where there are two; else on one, which NCCL_HOSTID makes two hosts' for NCCL and for us."""
    alone = report.gpus < 2
    port, started = free_port(), []
    for rank in (0, 1):
        variables = {**machine.gpus(2), "RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": "0" if alone and not machine.double else str(rank), "LOCAL_WORLD_SIZE": "1" if alone else "2",
                     "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "NCCL_DEBUG": "WARN", "NCCL_DEBUG_FILE": str(machine.logs / "nccl.%h.%p")}
        if alone and not machine.double:
            variables |= {"NCCL_HOSTID": f"gpu-check-{rank}", "NCCL_SOCKET_IFNAME": "lo"}
        out = machine.out(name) if rank == 0 else machine.folder / "runs" / name
        started.append(machine.start(f"{name}.rank{rank}", machine.program("train", machine.folder / "lenet.toml", *settings, "--out", out), variables))
    killed = None
    if kill_after:
        until = time.monotonic() + 40
        while time.monotonic() < until and not kill_after():
            time.sleep(0.05)
        os.kill(started[1].pid, signal.SIGKILL)
        killed = time.monotonic()
    first = machine.finish(f"{name}.rank0", started[0], 60)
    noticed = time.monotonic() - killed if killed else None
    machine.finish(f"{name}.rank1", started[1], 20)
    return first, noticed


def nccl(machine, report):
    done, _ = pair(machine, report, "nccl2", *COMMON)
    where = "two GPUs" if report.gpus > 1 else "one GPU, as two hosts"
    way = re.search(r"\((nccl: [^)]*)\)", done.err)
    report.add("ranks", f"two over NCCL on {where}: weights' norm", f"{norm(machine, 'nccl2')}{', ' + way[1] if way else ''}" if done.code == 0 else done.why(), "that of the threads to 1e-5",
               done.code == 0 and same(machine, norm(machine, "threads1"), norm(machine, "nccl2")), NCCL_REMEDY)
    done, _ = pair(machine, report, "nccl-syncbn", "--set", "data.batch=64", "--set", "train.steps=40", "--set", "train.model=toy-norm", "--set", "train.norm=syncbn")
    report.add("ranks", f"SyncBN over NCCL on {where}", f"norm {norm(machine, 'nccl-syncbn')}" if done.code == 0 else done.why(), "it ends", done.code == 0, NCCL_REMEDY)
    if report.gpus > 1:
        one_command(machine, report)
    results = machine.folder / "runs" / "nccl-killed" / "results.jsonl"
    done, noticed = pair(machine, report, "nccl-killed", "--set", "train.epochs=10000", kill_after=lambda: results.exists() and '"epoch"' in results.read_text())
    named = "rank 1 is gone" in done.err
    report.add("ranks", "rank 1 killed over NCCL", f"exit {done.code}, {'named' if named else 'not named'} after {noticed:.1f} s" if noticed else done.why(), "exit 5, rank 1 named within 2 s",
               done.code == 5 and named and (machine.double is not None or noticed < 2), NCCL_REMEDY)


def one_command(machine, report):
    done = machine.millrace("nccl-one-command", "train", machine.folder / "lenet.toml", *COMMON, "--ranks", "2", "--out", machine.out("nccl-one-command"), seconds=60, environment=machine.gpus(2))
    report.add("ranks", "--ranks 2 on two GPUs", "over NCCL" if "(nccl:" in done.err else done.why(), "processes over NCCL", done.code == 0 and "(nccl:" in done.err, NCCL_REMEDY)
