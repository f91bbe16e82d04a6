#!/usr/bin/python3
"""What the seeds' classifiers reach in PyTorch on Fashion-MNIST's test images, trained as `trainbot-train` trains them.

usage: torch_accuracy.py cnn|lenet|mlp|cnn3 [samples=…] [batch=…] [seed=1] [threads=2] [augment=0|1]
Adam, lr 0.001, shuffled anew each epoch. cnn drops a quarter before its last layer. cnn3 holds a tenth of the training
images back and turns (±10°), zooms (±10 % each way) and shifts (±10 % of the size) the rest, bilinear, borders repeated.
Prints `MODEL_accuracy value share` and `MODEL_seconds value s`.
"""
import gzip
import math
import sys
import time

import torch
from torch import nn
from torch.nn import functional

FOLDER = "/usr/share/datasets/fashion-mnist/"
DEFAULTS = {"cnn": (200000, 128), "lenet": (600000, 32), "mlp": (6400000, 128), "cnn3": (600000, 128)}


def read(name, skip):
    with gzip.open(FOLDER + name) as file:
        return torch.frombuffer(bytearray(file.read()[skip:]), dtype=torch.uint8)


def load(prefix):
    images = read(prefix + "-images-idx3-ubyte.gz", 16).view(-1, 1, 28, 28).float() / 255
    return images, read(prefix + "-labels-idx1-ubyte.gz", 8).long()


def convolution(channels, filters, kernel, padding=0, pool=True):
    return [nn.Conv2d(channels, filters, kernel, padding=padding), nn.ReLU()] + ([nn.MaxPool2d(2)] if pool else [])


def dense(inputs, hidden, *between):
    return [nn.Flatten(), nn.Linear(inputs, hidden), *between, nn.Linear(hidden, 10)]


NETWORKS = {
    "mlp": lambda: dense(784, 30, nn.Sigmoid()),
    "cnn": lambda: convolution(1, 32, 5, 2) + convolution(32, 64, 5, 2) + dense(3136, 1024, nn.ReLU(), nn.Dropout(0.25)),
    "lenet": lambda: convolution(1, 32, 3) + convolution(32, 64, 3) + dense(1600, 64, nn.ReLU()),
    "cnn3": lambda: convolution(1, 32, 3) + convolution(32, 64, 3) + convolution(64, 64, 3, pool=False) + dense(576, 64, nn.ReLU()),
}


def augment(images):
    """Each image turned, zoomed and shifted by its own random amounts."""
    n = len(images)
    uniform = lambda low, high: torch.rand(n) * (high - low) + low
    angle, zoom_x, zoom_y = uniform(-math.pi / 18, math.pi / 18), uniform(0.9, 1.1), uniform(0.9, 1.1)
    shift_x, shift_y = uniform(-0.2, 0.2), uniform(-0.2, 0.2)  # grid_sample's image is 2 wide
    cos, sin = torch.cos(angle), torch.sin(angle)
    affine = torch.stack([cos * zoom_x, -sin * zoom_y, shift_x, sin * zoom_x, cos * zoom_y, shift_y], 1).view(n, 2, 3)
    grid = functional.affine_grid(affine, images.shape, align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def main():
    model = sys.argv[1]
    settings = dict(zip(("samples", "batch"), DEFAULTS[model]), seed=1, threads=2, augment=int(model == "cnn3"))
    settings.update((key, int(value)) for key, value in (text.split("=") for text in sys.argv[2:]))
    torch.set_num_threads(settings["threads"])
    torch.manual_seed(settings["seed"])
    images, labels = load("train")
    if model == "cnn3":
        kept = torch.randperm(len(images))[len(images) // 10:]
        images, labels = images[kept], labels[kept]
    network = nn.Sequential(*NETWORKS[model]())
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    batch, start, order = settings["batch"], time.perf_counter(), torch.empty(0, dtype=torch.long)
    for _ in range(settings["samples"] // batch):
        if len(order) < batch:
            order = torch.randperm(len(images))
        now, order = order[:batch], order[batch:]
        x = augment(images[now]) if settings["augment"] else images[now]
        optimiser.zero_grad()
        functional.cross_entropy(network(x), labels[now]).backward()
        optimiser.step()
    seconds = time.perf_counter() - start
    network.eval()
    images, labels = load("t10k")
    with torch.no_grad():
        right = sum(int((network(x).argmax(1) == y).sum()) for x, y in zip(images.split(500), labels.split(500)))
    print(f"{model}_accuracy {right / len(labels):.4f} share\n{model}_seconds {seconds:.1f} s")


main()
