#!/usr/bin/env python3
"""PyTorch's training step of a classifier on a CUDA device, eager and as one captured graph, and what the device could do.

usage: torch_gpu.py MODEL [batch=128] [precision=float32|tf32|bf16] [steps=200] [rounds=3]
Prints `eager US`, `graph US` (microseconds a step, median of the rounds, CUDA events around each), and
`roofline US`: the larger of operations over peak and bytes over bandwidth, both counted here, both peaks the device's
own numbers. Input and labels are random and on the device; metrics are not read back. Adam is fused in both.
"""
import contextlib
import statistics
import subprocess
import sys

import torch
from torch import nn
from torch.nn import functional

MODELS = {
    "softmax": lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)),
    "mlp": lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 30), nn.Sigmoid(), nn.Linear(30, 10)),
    "cnn": lambda: nn.Sequential(
        nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(3136, 1024), nn.ReLU(), nn.Dropout(0.25), nn.Linear(1024, 10)),
    "lenet": lambda: nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1600, 64), nn.ReLU(), nn.Linear(64, 10)),
    "cnn3": lambda: nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten(), nn.Linear(576, 64), nn.ReLU(), nn.Linear(64, 10)),
}
# Operations a clock of one multiprocessor, dense: (float32, tf32, bf16) by compute capability (NVIDIA's white papers).
PER_CLOCK = {(8, 0): (128, 1024, 2048), (8, 6): (256, 512, 1024), (8, 9): (256, 512, 1024), (9, 0): (256, 2048, 4096)}


def arguments():
    options = {"batch": "128", "precision": "float32", "steps": "200", "rounds": "3"}
    names = [word for word in sys.argv[1:] if "=" not in word]
    options.update(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
    if len(names) != 1 or names[0] not in MODELS or options["precision"] not in ("float32", "tf32", "bf16"):
        sys.exit(__doc__)
    return names[0], int(options["batch"]), options["precision"], int(options["steps"]), int(options["rounds"])


def count(net, x):
    """Operations and compulsory bytes of one step: each product three times (forward, data, weights; the first layer
    has no data), activations written, read forward and backward, their gradients written and read, parameters read
    twice, their gradients and Adam's seven accesses."""
    operations, floats, first = 0, 2 * x.numel(), True
    with torch.no_grad():
        for layer in net:
            x = layer(x)
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                inner = layer.weight.numel() // layer.weight.shape[0]
                operations += 2 * x.numel() * inner * (2 if first else 3)
                first = False
            if isinstance(layer, (nn.Linear, nn.MaxPool2d)):
                floats += 5 * x.numel()
    floats += 10 * sum(p.numel() for p in net.parameters())
    return operations, 4 * floats


def peaks(precision):
    """Operations and bytes a second."""
    device = torch.cuda.get_device_properties(0)
    query = subprocess.run(["nvidia-smi", "-i", "0", "--query-gpu=clocks.max.sm,clocks.max.mem",
                            "--format=csv,noheader,nounits"], capture_output=True, text=True, check=True)
    clock, memory = (float(word) * 1e6 for word in query.stdout.split("\n")[0].split(","))
    per_clock = PER_CLOCK.get((device.major, device.minor))
    if per_clock is None:
        sys.exit(f"no peak is known for compute {device.major}.{device.minor}")
    width = getattr(device, "memory_bus_width", None)  # PyTorch before 2.5 does not tell
    if width is None:
        sys.exit("this PyTorch does not tell the width of the device's memory")
    return (device.multi_processor_count * clock * per_clock[("float32", "tf32", "bf16").index(precision)],
            2 * memory * width / 8)


def measure(step, steps, rounds):
    for _ in range(30):
        step()
    times = []
    for _ in range(rounds):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(steps):
            step()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) * 1000 / steps)
    return statistics.median(times)


def main():
    model, batch, precision, steps, rounds = arguments()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision != "float32"
    torch.backends.cudnn.benchmark = True
    device = torch.device("cuda")
    images, labels = torch.rand(batch, 1, 28, 28, device=device), torch.randint(0, 10, (batch,), device=device)
    host_images, host_labels = images.cpu().pin_memory(), labels.cpu().pin_memory()
    net = MODELS[model]().to(device)

    def train(optimiser):
        images.copy_(host_images, non_blocking=True)  # a batch is brought to the device in every step, as ours is
        labels.copy_(host_labels, non_blocking=True)
        compute(optimiser)

    def compute(optimiser):
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cuda", torch.bfloat16) if precision == "bf16" else contextlib.nullcontext():
            loss = functional.cross_entropy(net(images), labels)
        loss.backward()
        optimiser.step()

    eager = torch.optim.Adam(net.parameters(), 1e-3, fused=True)
    print(f"eager {measure(lambda: train(eager), steps, rounds):.2f}")

    captured = torch.optim.Adam(net.parameters(), 1e-3, fused=True, capturable=True)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(5):
            train(captured)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    captured.zero_grad(set_to_none=True)
    with torch.cuda.graph(graph):
        compute(captured)

    def replay():
        images.copy_(host_images, non_blocking=True)
        labels.copy_(host_labels, non_blocking=True)
        graph.replay()

    print(f"graph {measure(replay, steps, rounds):.2f}")
    operations, size = count(net, images)
    most, bandwidth = peaks(precision)
    print(f"roofline {max(operations / most, size / bandwidth) * 1e6:.2f}")


main()
