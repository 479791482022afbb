"""Fetches Fashion-MNIST if it is missing, checks both splits and prints where they are."""

import sys

from absl import logging

from imggen.data.loaders import fashion_mnist
from imggen.errors import UserError

logging.set_verbosity(logging.INFO)
try:
    for split in ('train', 'test'):
        print(fashion_mnist.load(split=split).description)
except UserError as error:
    sys.exit(str(error))
