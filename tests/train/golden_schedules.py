"""Writes golden_schedules.txt: learning rates as torch.optim.lr_scheduler gives them, for schedule_test.cpp.

Usage: golden_schedules.py > golden_schedules.txt      (needs torch 2.11.0)
Lines: KIND EVERY_STEP WARMUP_EPOCHS WARMUP_START STEP_EPOCHS STEP_FACTOR EPOCHS STEPS_AN_EPOCH LR then the rate of each step.
"""
import torch
from torch.optim import lr_scheduler as schedulers

CASES = [
    ("constant", 0, 0, 1, 30, 0.1, 3, 4, 0.1), ("constant", 0, 5, 0.25, 30, 0.1, 8, 2, 0.25), ("constant", 1, 2.5, 0.2, 30, 0.1, 4, 6, 0.25),
    ("cosine", 0, 0, 1, 30, 0.1, 10, 2, 0.001), ("cosine", 1, 0, 1, 30, 0.1, 3, 7, 0.1), ("cosine", 0, 3, 0.1, 30, 0.1, 8, 2, 0.1),
    ("cosine", 1, 1, 0.01, 30, 0.1, 4, 5, 0.1), ("step", 0, 0, 1, 2, 0.5, 7, 2, 0.1), ("step", 1, 1, 0.5, 3, 0.1, 7, 3, 0.1),
    ("one-cycle", 1, 0, 1, 30, 0.1, 4, 10, 0.1), ("one-cycle", 0, 0, 1, 30, 0.1, 20, 2, 0.4),
]

print("# Made by golden_schedules.py with torch", torch.__version__.split("+")[0])
for case in CASES:
    kind, every_step, warmup, start, step_epochs, step_factor, epochs, per_epoch, lr = case
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    unit = per_epoch if every_step else 1
    by_epoch, by_unit = [], []
    if kind == "cosine":
        by_unit.append(schedulers.CosineAnnealingLR(optimizer, T_max=epochs * unit))
    elif kind == "step":
        by_epoch.append(schedulers.StepLR(optimizer, step_size=step_epochs, gamma=step_factor))
    elif kind == "one-cycle":
        by_unit.append(schedulers.OneCycleLR(optimizer, max_lr=lr, total_steps=epochs * unit, cycle_momentum=False))
    if warmup:
        by_unit.append(schedulers.LinearLR(optimizer, start_factor=start, total_iters=int(warmup * unit)))
    rates = []
    for step in range(epochs * per_epoch):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        ends_epoch = (step + 1) % per_epoch == 0
        if step + 1 == epochs * per_epoch:
            break
        for scheduler in by_epoch if ends_epoch else []:
            scheduler.step()
        for scheduler in by_unit if every_step or ends_epoch else []:
            scheduler.step()
    print(*case, *(f"{r:.12g}" for r in rates))
