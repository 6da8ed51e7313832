"""Writes golden_models.txt: what PyTorch and timm make of the larger models, for golden_models_test.cpp.

Usage: golden_models.py > golden_models.txt      (needs torch 2.11.0 and timm 1.0.31)
A case is a line "case MODEL channels side classes widen rows", then lines of numbers and one line a parameter:
  initial SEED                 the parameters' sums and norms below are after torch.manual_seed(SEED)
  loss, outputs, evaluated     of formula weights: summed loss and outputs in training mode; outputs in evaluation mode after
                               the step, so with the running statistics of two forward passes
  p NAME SIZE SUM NORM GRADIENT_NORM GRADIENT_PROBE STEP_PROBE
                               initial sum and norm; norm of the gradient of the summed loss and its dot product with the
                               probe; the probe's with the weights after one step of SGD, lr 0.01, momentum 0.9, on the mean
Weights, pictures, labels and the probe come from `noise`, which the test has too. Dropout is off.
"""
import sys

import numpy
import torch
from torch import nn

from peer_models import make_peer

SEED = 5
CASES = [("mobilenetv3_small", 1, 28, 10, 0, 32), ("mobilenetv3_small", 3, 64, 7, 0, 16), ("resnet18", 3, 64, 100, 0, 8),
         ("wide_resnet", 1, 28, 10, 2, 8)]
COUNTED = [("mobilenetv3_small", 1, 10, 0), ("resnet18", 3, 100, 0), ("wide_resnet", 1, 10, 10), ("wide_resnet", 1, 10, 4),
           ("wide_resnet", 1, 10, 1)]


def noise(salt, count):
    """Integers below 2^32 that look random: a multiplication and shifts of (salt, index), modulo 2^64."""
    x = (numpy.arange(count, dtype=numpy.uint64) + (numpy.uint64(salt) << numpy.uint64(32))) * numpy.uint64(0x9E3779B97F4A7C15)
    x ^= x >> numpy.uint64(29)
    x *= numpy.uint64(0xBF58476D1CE4E5B9)
    return x >> numpy.uint64(32)


def uniform(salt, count):
    """In [-1, 1), exactly the same as float32 everywhere."""
    return ((noise(salt, count) >> numpy.uint64(8)).astype(numpy.float64) / 2.0**23 - 1).astype(numpy.float32)


def formula(salt, name, shape):
    count = int(numpy.prod(shape))
    u = uniform(salt, count)
    if len(shape) > 1:
        u = u * numpy.float32((6 / (count / shape[0])) ** 0.5)
    elif name.endswith("bias"):
        u = u * numpy.float32(0.125)
    else:
        u = 1 + u * numpy.float32(0.25)
    return torch.from_numpy(u.astype(numpy.float32)).reshape(shape)


def numbers(values):
    return " ".join(f"{v:.9g}" for v in values)


def in_bf16():
    """How far the gradients under autocast lie from float32's, as a share of these: what GoldenModels.InBf16 expects."""
    for model, channels, side, classes, widen, rows in CASES:
        gradients = []
        for half in (False, True):
            net = make_peer(model, channels, side, classes, widen=widen, dropout=0.0)
            with torch.no_grad():
                for i, (name, p) in enumerate(net.named_parameters()):
                    p.copy_(formula(i + 1, name, tuple(p.shape)))
            images = torch.from_numpy(uniform(1000, rows * channels * side * side)).reshape(rows, channels, side, side)
            labels = torch.from_numpy((noise(1001, rows) % numpy.uint64(classes)).astype(numpy.int64))
            net.train()
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                loss = nn.CrossEntropyLoss()(net(images), labels)
            loss.backward()
            gradients.append(torch.cat([p.grad.flatten() for p in net.parameters()]).double())
        print(model, channels, ((gradients[1] - gradients[0]).norm() / gradients[0].norm()).item())


torch.set_num_threads(1)
if sys.argv[1:] == ["--bf16"]:
    in_bf16()
    sys.exit()
print("# Made by golden_models.py with torch", torch.__version__.split("+")[0], "and timm", __import__("timm").__version__)
for model, channels, classes, widen in COUNTED:
    net = make_peer(model, channels, 28, classes, widen=widen)
    print("count", model, channels, classes, widen, sum(p.numel() for p in net.parameters()), len(list(net.parameters())))
for model, channels, side, classes, widen, rows in CASES:
    print("case", model, channels, side, classes, widen, rows)
    print("initial", SEED)
    torch.manual_seed(SEED)
    net = make_peer(model, channels, side, classes, widen=widen, dropout=0.0)
    parameters = list(net.named_parameters())
    initial = [(p.detach().double().sum().item(), p.detach().double().norm().item()) for _, p in parameters]
    with torch.no_grad():
        for i, (name, p) in enumerate(parameters):
            p.copy_(formula(i + 1, name, tuple(p.shape)))
    images = torch.from_numpy(uniform(1000, rows * channels * side * side)).reshape(rows, channels, side, side)
    labels = torch.from_numpy((noise(1001, rows) % numpy.uint64(classes)).astype(numpy.int64))
    net.train()
    outputs = net(images)
    loss = nn.CrossEntropyLoss(reduction="sum")(outputs, labels)
    loss.backward()
    print("loss", numbers([loss.item()]))
    print("outputs", numbers(outputs.detach()[:2, :5].flatten().tolist()))
    gradients = [p.grad.clone() for _, p in parameters]
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    optimizer.zero_grad()
    nn.CrossEntropyLoss()(net(images), labels).backward()
    optimizer.step()
    net.eval()
    with torch.no_grad():
        print("evaluated", numbers(net(images)[:2, :5].flatten().tolist()))
    for i, (name, p) in enumerate(parameters):
        probe = torch.from_numpy(uniform(500, p.numel())).double()
        g = gradients[i].double()
        values = [*initial[i], g.norm().item(), (g.flatten() @ probe).item(), (p.detach().double().flatten() @ probe).item()]
        print("p", name, p.numel(), numbers(values))
