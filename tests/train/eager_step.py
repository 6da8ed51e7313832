"""The step that Millrace's step is compared with: eager PyTorch on resident batches, loss read at every step.

Usage: eager_step.py MODEL [--batch 64] [--side 28] [--channels 1] [--classes 10] [--threads 1] [--seconds 3]
       [--layout nchw|nhwc] [--precision fp32|bf16] [--optimizer sgd|adamw] [--widen 10]
MODEL: toy, lenet, mobilenetv3_small, resnet18 (both timm's, which must be importable) or wide_resnet.
Prints one JSON object: median and first-decile wall time of a step, median CPU time of the calling thread (which other
programs on the machine do not touch as much), images a second. Run it in turns with `millrace bench step`.
"""
import argparse
import contextlib
import json
import time

import torch
from torch import nn

from peer_models import make_peer

parser = argparse.ArgumentParser()
parser.add_argument("model")
parser.add_argument("--batch", type=int, default=64)
parser.add_argument("--side", type=int, default=28)
parser.add_argument("--channels", type=int, default=1)
parser.add_argument("--classes", type=int, default=10)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--seconds", type=float, default=3.0)
parser.add_argument("--padding", type=int, default=2)
parser.add_argument("--widen", type=int, default=10)
parser.add_argument("--layout", choices=["nchw", "nhwc"], default="nchw")
parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
parser.add_argument("--optimizer", choices=["sgd", "adamw"], default="sgd")
args = parser.parse_args()

torch.set_num_threads(args.threads)
torch.manual_seed(1)
layout = torch.channels_last if args.layout == "nhwc" else torch.contiguous_format
net = make_peer(args.model, args.channels, args.side, args.classes, args.padding, args.widen).to(memory_format=layout)
if args.optimizer == "sgd":
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
else:
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
loss_function = nn.CrossEntropyLoss()
count = max(1, 2048 // args.batch) if args.side <= 64 else 2
resident = [(torch.randn(args.batch, args.channels, args.side, args.side).to(memory_format=layout),
             torch.randint(0, args.classes, (args.batch,))) for _ in range(count)]


def autocast():
    return torch.autocast("cpu", torch.bfloat16) if args.precision == "bf16" else contextlib.nullcontext()


def step(x, y):
    optimizer.zero_grad(set_to_none=True)
    with autocast():
        loss = loss_function(net(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()


wall, cpu = [], []
end = time.perf_counter() + args.seconds * 1.2
while time.perf_counter() < end:
    x, y = resident[len(wall) % len(resident)]
    c, w = time.thread_time(), time.perf_counter()
    step(x, y)
    wall.append(time.perf_counter() - w)
    cpu.append(time.thread_time() - c)
warm = max(1, len(wall) // 6) if len(wall) > 1 else 0
wall, cpu = sorted(wall[warm:]), sorted(cpu[warm:])
median = wall[len(wall) // 2]
print(json.dumps({
    "model": args.model, "torch": torch.__version__, "batch": args.batch, "threads": args.threads, "layout": args.layout,
    "precision": args.precision, "steps": len(wall), "step_seconds": round(median, 7),
    "step_seconds_p10": round(wall[len(wall) // 10], 7), "step_cpu_seconds": round(cpu[len(cpu) // 2], 7),
    "images_per_second": round(args.batch / median, 1)}))
