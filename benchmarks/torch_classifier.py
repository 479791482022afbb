"""A classifier in PyTorch that gets one image per call, as in the original evolution.

`benchmarks.evolution` runs this file with a Python that has PyTorch; it needs nothing from this
project. Arguments: the weights of the classifier and an answer to check (both .npz), its
architecture, and the duration of the measurement in seconds. Prints images evaluated per second.
"""

import json
import os
import sys
import time

import numpy as np
import torch

PIXELS, MOST, TARGET = 784, 20, 2


class Climb:
    """One image; changes of 1 to 20 random pixels are kept if the class gets no less probable.

    Args:
      ask: image float32 [pixels] -> probability of the target class.
    """

    def __init__(self, ask):
        self._ask = ask
        self._random = np.random.default_rng(0)
        self._image = self._random.uniform(-1, 1, PIXELS).astype(np.float32)
        self._value = ask(self._image)

    def step(self) -> None:
        """Tries one change."""
        image = self._image.copy()
        count = self._random.integers(1, MOST + 1)
        image[self._random.integers(0, PIXELS, count)] = self._random.uniform(-1, 1, count)
        value = self._ask(image)
        if value >= self._value:
            self._image, self._value = image, value


def repeat(function, seconds: float) -> float:
    """Calls a function until the seconds have passed; returns calls per second."""
    function()
    calls, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < seconds:
        function()
        calls += 1
    return calls / passed


def dense(weights) -> torch.nn.Module:
    """Builds imggen.networks.classifier.DenseClassifier."""
    return torch.nn.Sequential(
        torch.nn.Flatten(), _linear(weights, 0), torch.nn.ReLU(), _linear(weights, 1)
    ).eval()


def convolutional(weights) -> torch.nn.Module:
    """Builds imggen.networks.classifier.Classifier."""
    layers, index = [], 0
    for stage in range(3):
        layers += [torch.nn.MaxPool2d(2)] if stage else []
        for _ in range(2):
            kernel = weights[f'params/Conv_{index}/kernel'].transpose(3, 2, 0, 1)
            conv = torch.nn.Conv2d(kernel.shape[1], kernel.shape[0], 3, padding=1, bias=False)
            conv.weight.data = torch.from_numpy(kernel.copy())
            norm = torch.nn.BatchNorm2d(kernel.shape[0])
            norm.weight.data = torch.from_numpy(weights[f'params/BatchNorm_{index}/scale'])
            norm.bias.data = torch.from_numpy(weights[f'params/BatchNorm_{index}/bias'])
            norm.running_mean = torch.from_numpy(weights[f'batch_stats/BatchNorm_{index}/mean'])
            norm.running_var = torch.from_numpy(weights[f'batch_stats/BatchNorm_{index}/var'])
            layers += [conv, norm, torch.nn.ReLU()]
            index += 1
    layers += [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), _linear(weights, 0)]
    return torch.nn.Sequential(*layers).eval()


def _linear(weights, index: int) -> torch.nn.Linear:
    kernel = weights[f'params/Dense_{index}/kernel']
    linear = torch.nn.Linear(*kernel.shape)
    linear.weight.data = torch.from_numpy(kernel.T.copy())
    linear.bias.data = torch.from_numpy(weights[f'params/Dense_{index}/bias'])
    return linear


def main(weights: str, check: str, architecture: str, seconds: str) -> None:
    """Times the loop; raises ValueError if the classifier does not give the expected answer."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    network = {'convolutional': convolutional, 'dense': dense}[architecture](np.load(weights))

    @torch.inference_mode()
    def ask(image):
        logits = network(torch.from_numpy(image).reshape(1, 1, 28, 28))
        return float(torch.softmax(logits, -1)[0, TARGET])

    expected = np.load(check)
    found = ask(expected['image'].reshape(-1))
    if abs(found - float(expected['probability'])) > 1e-4:
        raise ValueError(f'The classifier answers {found}, not {expected["probability"]}.')
    speed = repeat(Climb(ask).step, float(seconds))
    print(json.dumps({'speed': speed, 'version': f'PyTorch {torch.__version__}'}))


if __name__ == '__main__':
    main(*sys.argv[1:])
