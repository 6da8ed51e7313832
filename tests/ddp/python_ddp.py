"""What PyTorch's DistributedDataParallel (Gloo, a process a rank) makes of the steps that python_ddp_test.cpp takes.

Usage: python_ddp.py FOLDER RANKS STEPS ROWS CASE...
FOLDER/rank<r>: the batches of rank r, for each step ROWS x 784 float32 then ROWS int64. FOLDER/values is written, for each case:
float32 weights after STEPS steps, then the running mean and variance where the model has BatchNorm, of rank 0. Little-endian,
without a header. CASE: model,optimizer,lr,momentum,bucket_mb,seed. Exits with 3 where torch or Gloo cannot be used.
"""
import os
import sys

try:
    import numpy
    import torch
    import torch.distributed as dist
    import torch.multiprocessing as mp
    from torch import nn
    assert dist.is_gloo_available()
except (ImportError, AssertionError) as error:
    print(error, file=sys.stderr)
    sys.exit(3)


def make_net(model):
    if model == "toy":
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.ReLU(), nn.Linear(10, 10))
    if model == "toy-norm":
        return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                             nn.Linear(8 * 14 * 14, 10))
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 120),
        nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))


def work(rank, folder, ranks, steps, rows, cases):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=ranks)
    with open(f"{folder}/rank{rank}", "rb") as file:
        batches = []
        for _ in range(steps):
            x = numpy.frombuffer(file.read(rows * 784 * 4), "<f4").reshape(rows, 1, 28, 28)
            y = numpy.frombuffer(file.read(rows * 8), "<i8")
            batches.append((torch.from_numpy(x.copy()), torch.from_numpy(y.copy())))
    out = open(f"{folder}/values", "wb") if rank == 0 else None
    for case in cases:
        model, optimizer, lr, momentum, bucket_mb, seed = case.split(",")
        torch.manual_seed(int(seed))
        net = make_net(model)
        ddp = nn.parallel.DistributedDataParallel(net, bucket_cap_mb=float(bucket_mb) or None)
        if optimizer == "sgd":
            opt = torch.optim.SGD(net.parameters(), lr=float(lr), momentum=float(momentum))
        else:
            opt = torch.optim.AdamW(net.parameters(), lr=float(lr), weight_decay=0)
        for x, y in batches:
            opt.zero_grad()
            nn.CrossEntropyLoss()(ddp(x), y).backward()
            opt.step()
        if out:
            tensors = list(net.parameters()) + [b for b in net.buffers() if b.dtype == torch.float32]
            for tensor in tensors:
                out.write(tensor.detach().numpy().astype("<f4").tobytes())
    dist.destroy_process_group()


if __name__ == "__main__":
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    folder, ranks, steps, rows = sys.argv[1], *map(int, sys.argv[2:5])
    mp.spawn(work, (folder, ranks, steps, rows, sys.argv[5:]), nprocs=ranks)
