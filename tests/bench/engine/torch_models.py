#!/usr/bin/python3
"""The engine's networks in PyTorch, timed like bench_engine times them: samples per second of whole training steps.

usage: torch_models.py MODEL [batch=128] [threads=2] [steps=40] [rounds=5]
Needs Debian's python3-torch and dataset-fashion-mnist. Prints `MODEL value samples_per_s`, the median of the rounds.
"""
import gzip
import statistics
import sys
import time

import torch
from torch import nn

FOLDER = "/usr/share/datasets/fashion-mnist/"


def read(name, skip):
    with gzip.open(FOLDER + name) as file:
        return torch.frombuffer(bytearray(file.read()[skip:]), dtype=torch.uint8)


def block(channels, filters, kernel, padding):
    return nn.Conv2d(channels, filters, kernel, padding=padding), nn.ReLU(), nn.MaxPool2d(2)


NETWORKS = {
    "softmax": lambda: [nn.Flatten(), nn.Linear(784, 10)],
    "mlp": lambda: [nn.Flatten(), nn.Linear(784, 30), nn.Sigmoid(), nn.Linear(30, 10)],
    "cnn": lambda: [*block(1, 32, 5, 2), *block(32, 64, 5, 2), nn.Flatten(), nn.Linear(3136, 1024), nn.ReLU(), nn.Linear(1024, 10)],
    "lenet": lambda: [*block(1, 32, 3, 0), *block(32, 64, 3, 0), nn.Flatten(), nn.Linear(1600, 64), nn.ReLU(), nn.Linear(64, 10)],
}


def main():
    model = sys.argv[1]
    settings = dict(batch=128, threads=2, steps=40, rounds=5)
    settings.update((key, int(value)) for key, value in (text.split("=") for text in sys.argv[2:]))
    batch, steps = settings["batch"], settings["steps"]
    torch.set_num_threads(settings["threads"])
    images = read("train-images-idx3-ubyte.gz", 16)[: steps * batch * 784].view(-1, 1, 28, 28).float() / 255
    labels = read("train-labels-idx1-ubyte.gz", 8)[: steps * batch].long()
    batches = list(zip(images.split(batch), labels.split(batch)))
    network = nn.Sequential(*NETWORKS[model]())
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    loss_of = nn.CrossEntropyLoss()

    def run():
        for x, y in batches:
            optimiser.zero_grad()
            logits = network(x)
            loss = loss_of(logits, y)
            loss.backward()
            optimiser.step()
            loss.item(), (logits.argmax(1) == y).float().mean().item()  # what the engine gives each step

    run()
    rates = []
    for _ in range(settings["rounds"]):
        start = time.perf_counter()
        run()
        rates.append(len(images) / (time.perf_counter() - start))
    print(f"{model} {statistics.median(rates):.0f} samples_per_s")


main()
