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
from torch.nn import functional

FOLDER = "/usr/share/datasets/fashion-mnist/"


def read(name, skip):
    with gzip.open(FOLDER + name) as file:
        return torch.frombuffer(bytearray(file.read()[skip:]), dtype=torch.uint8)


def block(channels, filters, kernel, padding):
    return nn.Conv2d(channels, filters, kernel, padding=padding), nn.ReLU(), nn.MaxPool2d(2)


def dense(*widths, between=nn.ReLU):
    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [nn.Linear(inputs, outputs), between()]
    return layers[:-1]


def dcgan_discriminator():
    return [nn.Unflatten(1, (1, 28, 28)), nn.Conv2d(1, 32, 5), nn.LeakyReLU(0.01), nn.MaxPool2d(2), nn.Conv2d(32, 64, 5),
            nn.LeakyReLU(0.01), nn.MaxPool2d(2), nn.Flatten(), *dense(1024, 1024, 1, between=lambda: nn.LeakyReLU(0.01))]


def dcgan_generator():
    return [nn.Linear(96, 1024), nn.ReLU(), nn.BatchNorm1d(1024), nn.Linear(1024, 6272), nn.ReLU(), nn.BatchNorm1d(6272),
            nn.Unflatten(1, (128, 7, 7)), nn.ConvTranspose2d(128, 64, 4, 2, padding=1), nn.ReLU(), nn.BatchNorm2d(64),
            nn.ConvTranspose2d(64, 1, 4, 2, padding=1), nn.Tanh(), nn.Flatten()]


CLASSIFIERS = {
    "softmax": lambda: [nn.Flatten(), nn.Linear(784, 10)],
    "mlp": lambda: [nn.Flatten(), *dense(784, 30, 10, between=nn.Sigmoid)],
    "cnn": lambda: [*block(1, 32, 5, 2), *block(32, 64, 5, 2), nn.Flatten(), *dense(3136, 1024, 10)],
    "lenet": lambda: [*block(1, 32, 3, 0), *block(32, 64, 3, 0), nn.Flatten(), *dense(1600, 64, 10)],
    "cnn3": lambda: [*block(1, 32, 3, 0), *block(32, 64, 3, 0), nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten(),
                     *dense(576, 64, 10)],
}
AUTOENCODERS = {
    "autoencoder": lambda: [nn.Flatten(), *dense(784, 128, 64, 12, 3), *dense(3, 12, 64, 128, 784), nn.Tanh(),
                            nn.Unflatten(1, (1, 28, 28))],
    "conv-autoencoder": lambda: [nn.Conv2d(1, 16, 3, 3, 1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 8, 3, 2, 1), nn.ReLU(),
                                 nn.MaxPool2d(2, 1), nn.ConvTranspose2d(8, 16, 3, 2), nn.ReLU(),
                                 nn.ConvTranspose2d(16, 8, 5, 3, 1), nn.ReLU(), nn.ConvTranspose2d(8, 1, 2, 2, 1), nn.Tanh()],
}
ADVERSARIES = {
    "gan": (lambda: dense(784, 256, 256, 1, between=lambda: nn.LeakyReLU(0.2)),
            lambda: [*dense(96, 1024, 1024, 784), nn.Tanh()]),
    "dcgan": (dcgan_discriminator, dcgan_generator),
}
ADVERSARIES["lsgan"] = ADVERSARIES["gan"]


def classifier(name):
    network = nn.Sequential(*CLASSIFIERS[name]())
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)

    def step(x, y):
        optimiser.zero_grad()
        logits = network(x)
        loss = functional.cross_entropy(logits, y)
        loss.backward()
        optimiser.step()
        return loss.item(), (logits.argmax(1) == y).float().mean().item()  # what the engine gives each step

    return step


def autoencoder(name):
    network = nn.Sequential(*AUTOENCODERS[name]())
    optimiser = torch.optim.Adam(network.parameters(), 1e-3, weight_decay=1e-5 if name == "conv-autoencoder" else 0)

    def step(x, _):
        optimiser.zero_grad()
        loss = functional.mse_loss(network(x), x, reduction="sum") / len(x)
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def variational(_):
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 400), nn.ReLU())
    mean, log_variance = nn.Linear(400, 20), nn.Linear(400, 20)
    decoder = nn.Sequential(*dense(20, 400, 784), nn.Tanh())
    networks = nn.ModuleList([encoder, mean, log_variance, decoder])
    optimiser = torch.optim.Adam(networks.parameters(), 1e-3)

    def step(x, _):
        optimiser.zero_grad()
        hidden = encoder(x)
        mu, logvar = mean(hidden), log_variance(hidden)
        image = decoder(mu + (0.5 * logvar).exp() * torch.randn_like(mu))
        divergence = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
        loss = (functional.mse_loss(image, x.flatten(1), reduction="sum") + divergence) / len(x)
        loss.backward()
        optimiser.step()
        return loss.item(), divergence.item()

    return step


def adversaries(name):
    d, g = (nn.Sequential(*layers()) for layers in ADVERSARIES[name])
    optimisers = [torch.optim.Adam(network.parameters(), 3e-4, betas=(0.5, 0.999)) for network in (d, g)]

    def judge(logits, target):
        if name == "lsgan":
            return 0.5 * ((logits - target) ** 2).mean()
        return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))

    def step(x, _):
        noise = 2 * torch.rand(len(x), 96) - 1
        d_loss = judge(d(x.flatten(1)), 1.0) + judge(d(g(noise)), 0.0)
        optimisers[0].zero_grad()
        d_loss.backward()
        optimisers[0].step()
        g_loss = judge(d(g(noise)), 1.0)
        optimisers[1].zero_grad()
        g_loss.backward()
        optimisers[1].step()
        return d_loss.item(), g_loss.item()

    return step


def main():
    model = sys.argv[1]
    settings = dict(batch=128, threads=2, steps=40, rounds=5)
    settings.update((key, int(value)) for key, value in (text.split("=") for text in sys.argv[2:]))
    batch, steps = settings["batch"], settings["steps"]
    torch.set_num_threads(settings["threads"])
    images = read("train-images-idx3-ubyte.gz", 16)[: steps * batch * 784].view(-1, 1, 28, 28).float() / 255
    labels = read("train-labels-idx1-ubyte.gz", 8)[: steps * batch].long()
    kinds = {classifier: CLASSIFIERS, autoencoder: AUTOENCODERS, adversaries: ADVERSARIES, variational: ("vae",)}
    make = next(kind for kind, names in kinds.items() if model in names)
    if make is not classifier:
        images = (images - 0.5) / 0.5
    batches = list(zip(images.split(batch), labels.split(batch)))
    step = make(model)

    def run():
        for x, y in batches:
            step(x, y)

    run()
    rates = []
    for _ in range(settings["rounds"]):
        start = time.perf_counter()
        run()
        rates.append(len(images) / (time.perf_counter() - start))
    print(f"{model} {statistics.median(rates):.0f} samples_per_s")


main()
