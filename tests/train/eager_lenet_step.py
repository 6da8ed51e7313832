"""The step that Millrace's LeNet step is compared with: eager PyTorch on resident batches, loss read at every step.

Usage: eager_lenet_step.py [--batch 32] [--threads 1] [--seconds 3] [--padding 2]
Prints one JSON object: median and first-decile wall time of a step, median CPU time of the calling thread (which other
programs on the machine do not touch as much), images a second. Run it in turns with `millrace bench step`.
"""
import argparse
import json
import time

import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--seconds", type=float, default=3.0)
parser.add_argument("--padding", type=int, default=2)
args = parser.parse_args()

torch.set_num_threads(args.threads)
torch.manual_seed(1)
net = nn.Sequential(
    nn.Conv2d(1, 6, 5, padding=args.padding), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
    nn.Linear(400 if args.padding == 2 else 256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
loss_function = nn.CrossEntropyLoss()
resident = [(torch.randn(args.batch, 1, 28, 28), torch.randint(0, 10, (args.batch,))) for _ in range(32)]


def step(x, y):
    optimizer.zero_grad(set_to_none=True)
    loss = loss_function(net(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()


wall, cpu = [], []
end = time.perf_counter() + args.seconds * 1.2
while time.perf_counter() < end:
    for x, y in resident:
        c, w = time.thread_time(), time.perf_counter()
        step(x, y)
        wall.append(time.perf_counter() - w)
        cpu.append(time.thread_time() - c)
warm = len(wall) // 6
wall, cpu = sorted(wall[warm:]), sorted(cpu[warm:])
median = wall[len(wall) // 2]
print(json.dumps({
    "torch": torch.__version__, "batch": args.batch, "threads": args.threads, "steps": len(wall), "step_seconds": round(median, 7),
    "step_seconds_p10": round(wall[len(wall) // 10], 7), "step_cpu_seconds": round(cpu[len(cpu) // 2], 7),
    "images_per_second": round(args.batch / median, 1)}))
