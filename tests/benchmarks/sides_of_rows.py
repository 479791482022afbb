"""Sides that are done at once."""

import os
import pathlib
import time


def works(turns, *, flops=0):
    turns.repeat(lambda: print('a library says something'), 1, version='1.0', flops=flops)


def tells(turns, *, steps):
    turns.finish = lambda: time.sleep(0.05)
    turns.peak_mib = lambda: 7.0
    turns.repeat(lambda: None, steps, version=f'{steps} steps in {turns.precision}')


def writes(turns, *, path, seconds, steps):
    """Prepares for some seconds; writes when it is ready, and when its turn begins and ends."""

    def say(what):
        with pathlib.Path(path).open('a') as file:
            file.write(f'{what} {os.getpid()}\n')

    time.sleep(seconds)
    say('ready')
    turns.ready(0.0)
    while turns.wait():
        say('begin')
        time.sleep(0.2)
        say('end')


def fails(turns, **options):
    raise ValueError('it cannot be done\nfor a reason')


def fails_later(turns):
    turns.ready(0.0)
    turns.wait()
    raise RuntimeError('it stopped')


def dies(turns):
    os._exit(3)
