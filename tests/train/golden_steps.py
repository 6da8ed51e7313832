"""What Python's torch makes of the steps that golden_test.cpp takes: initial weights, gradients, losses, trained weights.

Usage: golden_steps.py STEPS ROWS CASE... < batches > values
CASE: model,padding,optimizer,lr,momentum,nesterov,weight_decay,clip_norm,label_smoothing,seed
batches: for each step ROWS x 784 float32 then ROWS int64. values, for each case: float32 initial weights, gradients of the
first batch's summed loss, outputs of the first batch, weights after STEPS steps; then one float64, the mean loss over all
rows. All little-endian, without a header. Exits with 3 where torch cannot be imported.
"""
import sys

try:
    import numpy
    import torch
    from torch import nn
except ImportError as error:
    print(error, file=sys.stderr)
    sys.exit(3)

steps, rows = int(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(1)


def make_net(model, padding):
    if model == "toy":
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.ReLU(), nn.Linear(10, 10))
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=padding), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(256 if padding == 0 else 400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))


def make_optimizer(name, parameters, lr, momentum, nesterov, decay):
    if name == "sgd":
        return torch.optim.SGD(parameters, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=decay)
    return {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name](parameters, lr=lr, weight_decay=decay)


def emit(tensors):
    for tensor in tensors:
        sys.stdout.buffer.write(tensor.detach().numpy().astype("<f4").tobytes())


def batch():
    x = numpy.frombuffer(sys.stdin.buffer.read(rows * 784 * 4), "<f4").reshape(rows, 1, 28, 28)
    y = numpy.frombuffer(sys.stdin.buffer.read(rows * 8), "<i8")
    return torch.from_numpy(x.copy()), torch.from_numpy(y.copy())


batches = [batch() for _ in range(steps)]
for case in sys.argv[3:]:
    model, padding, optimizer, lr, momentum, nesterov, decay, clip, smoothing, seed = case.split(",")
    torch.manual_seed(int(seed))
    net = make_net(model, int(padding))
    opt = make_optimizer(optimizer, net.parameters(), float(lr), float(momentum), nesterov == "1", float(decay))
    emit(net.parameters())
    outputs = net(batches[0][0])
    nn.CrossEntropyLoss(reduction="sum")(outputs, batches[0][1]).backward()
    emit(p.grad for p in net.parameters())
    emit([outputs])
    total = 0.0
    for x, y in batches:
        opt.zero_grad(set_to_none=True)
        loss = nn.CrossEntropyLoss(label_smoothing=float(smoothing))(net(x), y)
        loss.backward()
        if float(clip) > 0:
            nn.utils.clip_grad_norm_(net.parameters(), float(clip))
        opt.step()
        total += loss.item()
    emit(net.parameters())
    sys.stdout.buffer.write(numpy.array([total / steps], "<f8").tobytes())
