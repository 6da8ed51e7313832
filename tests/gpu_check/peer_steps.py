"""PyTorch's step on the first GPU: peer_steps.py "lenet 32 fp32 eager" ... prints one JSON object a case.

Models are Millrace's (61,706 parameters of LeNet; ResNet-18 of one channel and ten classes), the optimiser is fused SGD with momentum.
"""
import contextlib
import json
import sys
import time

import torch
from torch import nn


class Block(nn.Module):
    """ResNet's basic block."""

    def __init__(self, before, after, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.skip = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)) if stride > 1 else nn.Identity()

    def forward(self, x):
        return nn.functional.relu(self.bn2(self.conv2(nn.functional.relu(self.bn1(self.conv1(x)), True))) + self.skip(x), True)


def resnet18():
    widths = [64, 64, 64, 128, 128, 256, 256, 512, 512]
    blocks = [Block(a, b, 2 if a != b else 1) for a, b in zip(widths, widths[1:])]
    return nn.Sequential(nn.Conv2d(1, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(True), nn.MaxPool2d(3, 2, 1), *blocks,
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10)), 224


def lenet():
    return nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)), 28


def graphed(step):
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def measure(model, batch, precision, way, seconds=2.0):
    net, side = {"lenet": lenet, "resnet18": resnet18}[model]()
    layout = torch.channels_last if precision == "bf16" else torch.contiguous_format
    net = net.cuda().to(memory_format=layout)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, fused=True)
    x = torch.randn(batch, 1, side, side, device="cuda").to(memory_format=layout)
    y = torch.randint(0, 10, (batch,), device="cuda")

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cuda", torch.bfloat16, cache_enabled=way != "graph") if precision == "bf16" else contextlib.nullcontext():
            loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()

    for _ in range(5):
        step()
    run = graphed(step) if way == "graph" else step
    torch.cuda.synchronize()
    samples, began = [], time.perf_counter()
    while time.perf_counter() - began < seconds:
        start = time.perf_counter()
        for _ in range(16):
            run()
        torch.cuda.synchronize()
        samples.append((time.perf_counter() - start) / 16)
    return sorted(samples)[len(samples) // 2]


for case in sys.argv[1:]:
    model, batch, precision, way = case.split()
    print(json.dumps({"case": case, "step_seconds": measure(model, int(batch), precision, way)}), flush=True)
