"""Pictures a second that experiments.explore makes while a point is dragged between four others.

python -m benchmarks.explore runs/demo
"""

import pathlib
import time

import numpy as np
from absl import app

from imggen import devices
from imggen.explore.session import Session
from imggen.inference.recipe import Recipe

_COUNT = 200


def main(argv):
    _, path = argv
    devices.cache_compilations()
    session = Session(pathlib.Path(path))
    corners = [picture.recipe for picture in session.samples(4, Recipe(0))]
    session.between(corners, [0.5, 0.5])  # Compiles.
    start = time.perf_counter()
    for share in np.linspace(0.0, 1.0, _COUNT):
        session.between(corners, [share, 1.0 - share]).to_json()
    print(f'{_COUNT / (time.perf_counter() - start):.0f} pictures a second')


if __name__ == '__main__':
    app.run(main)
