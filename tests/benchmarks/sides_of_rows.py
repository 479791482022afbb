"""Sides that are done at once."""

import os


def works(turns, *, flops=0):
    turns.repeat(lambda: print('a library says something'), 1, version='1.0', flops=flops)


def fails(turns, **options):
    raise ValueError('it cannot be done\nfor a reason')


def fails_later(turns):
    turns.ready(0.0)
    turns.wait()
    raise RuntimeError('it stopped')


def dies(turns):
    os._exit(3)
