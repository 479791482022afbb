"""Packages; everything else is in setup.cfg."""

from setuptools import find_packages, setup

# An installation has one top-level name, imggen. In a clone the commands and the configs are
# beside it, where `python -m experiments.train --config=configs/gan_folder.py` finds them.
beside = ('configs', 'experiments')

setup(
    packages=[
        *find_packages(include=['imggen*']),
        *(f'imggen.{name}' for name in find_packages(include=[f'{top}*' for top in beside])),
    ],
    package_dir={f'imggen.{top}': top for top in beside},
)
