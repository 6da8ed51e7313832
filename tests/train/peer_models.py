"""Millrace's models as PyTorch and timm have them: what golden values and comparisons of speed are made with.

Modules are registered in the order and under the names that Millrace uses. timm 1.0.31 is needed for mobilenetv3_small and
resnet18 alone.
"""
from torch import nn


def toy(pixels, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(pixels, 10), nn.ReLU(), nn.Linear(10, classes))


def lenet(channels, side, classes, padding):
    left = ((side + 2 * padding - 4) // 2 - 4) // 2
    return nn.Sequential(
        nn.Conv2d(channels, 6, 5, padding=padding), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(16 * left * left, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, classes))


class WideBlock(nn.Module):
    """Conv 3x3, BN, ReLU, dropout, conv 3x3, BN, ReLU, plus the input (through a 1x1 convolution where a width begins)."""

    def __init__(self, before, after, dropout, project):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.skip = nn.Conv2d(before, after, 1) if project else None

    def forward(self, x):
        y = self.dropout(self.bn1(self.conv1(x)).relu())
        y = self.bn2(self.conv2(y)).relu()
        return y + (x if self.skip is None else self.skip(x))


class WideResNet(nn.Module):
    def __init__(self, channels, classes, widen, dropout):
        super().__init__()
        self.conv = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(16)
        widths = [16] + [w * widen for w in (16, 16, 32, 32, 64, 64)]
        self.blocks = nn.Sequential(*(WideBlock(widths[i], widths[i + 1], dropout, i % 2 == 0) for i in range(6)))
        self.fc = nn.Linear(widths[-1], classes)

    def forward(self, x):
        x = self.bn(self.conv(x)).relu()
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in (1, 3):
                x = nn.functional.max_pool2d(x, 2)
        return self.fc(x.mean((2, 3)))


def make_peer(model, channels=1, side=28, classes=10, padding=2, widen=10, dropout=0.01):
    if model == "toy":
        return toy(channels * side * side, classes)
    if model == "lenet":
        return lenet(channels, side, classes, padding)
    if model == "wide_resnet":
        return WideResNet(channels, classes, widen, dropout)
    import timm
    return timm.create_model({"mobilenetv3_small": "mobilenetv3_small_100"}.get(model, model), in_chans=channels, num_classes=classes)
