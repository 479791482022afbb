"""What a step sends between eight devices: one sum of gradients per update, and no images."""

import functools
import json
import os
import subprocess
import sys

import pytest

from benchmarks import hlo

SMALL = ('--devices=8', '--images_per_device=2', '--shape=8,8,1', '--json')
FEATURES = {'gan': '4', 'r3gan': '(8, 4)'}
# One kernel is large enough to be split.
OPTIONS = {name: (name, features) for name, features in FEATURES.items()} | {
    'split': ('gan', '4', '--shard_params', '--config.method.generator.features=64')
}


@pytest.fixture(scope='module')
def reports():
    """Compiles small versions of configs, each in a process with eight devices."""
    started = {}
    for name, (config, features, *options) in OPTIONS.items():
        command = [sys.executable, '-m', 'benchmarks.collectives', *SMALL]
        command.append(f'--config=configs/{config}_fashion_mnist.py')
        for network in ('generator', 'discriminator'):
            command.append(f'--config.method.{network}.features={features}')
        started[name] = subprocess.Popen(
            [*command, *options],
            env={**os.environ, 'JAX_NUM_CPU_DEVICES': '8'},
            stdout=subprocess.PIPE,
            text=True,
        )
    outputs = {name: process.communicate(timeout=180)[0] for name, process in started.items()}
    reports = {name: json.loads(text) for name, text in outputs.items()}
    for report in reports.values():
        report['collectives'] = [hlo.Collective(*one) for one in report['collectives']]
    return reports


@pytest.mark.parametrize('name', FEATURES)
def test_only_sums_are_sent_between_devices(reports, name):
    assert reports[name]['devices'] == 8
    assert {one.kind for one in reports[name]['collectives']} == {'all-reduce'}


def test_without_batch_statistics_a_step_has_one_collective_per_update(reports):
    discriminator, generator = reports['r3gan']['collectives']
    assert discriminator.kernels and generator.kernels
    # The metrics travel with the last gradients.
    assert (discriminator.scalars, generator.scalars > 0) == (0, True)


def test_each_batch_normalization_adds_one_collective_forward_and_one_backward(reports):
    # At 8 x 8 pixels the generator has one such layer and the discriminator has none.
    assert len(reports['gan']['collectives']) == 2 + 2


@pytest.mark.parametrize('name', FEATURES)
def test_the_bytes_sent_depend_on_the_parameters_and_not_on_the_batch(reports, name):
    # On a CPU each term of a loss (real, generated, two penalties) sums its own gradients.
    terms = {'gan': 2, 'r3gan': 4}[name]
    report = reports[name]
    sent = sum(one.bytes for one in report['collectives'])
    assert 0.9 * report['parameter_bytes'] < sent < terms * report['parameter_bytes']


def test_a_split_state_adds_gathers_of_parameters_and_moves_no_images(reports):
    split = reports['split']['collectives']
    gathers = [one for one in split if one.kind == 'all-gather']
    sums = [one.kind for one in split if one.kind != 'all-gather']
    assert sums == [one.kind for one in reports['gan']['collectives']]
    # Before the step, and after its update.
    kernel = 4 * 64 * 1024
    assert [(one.kernels, one.bytes) for one in gathers] == [(1, kernel)] * 2


def test_collectives_are_parsed_from_a_program():
    program = """
      %r = (f32[3,3,4,8]{3,2,1,0}, f32[8]{0}, f32[]) all-reduce(%a, %b, %c), channel_id=1
      %s = f32[16,1,4]{2,1,0} all-gather(%d), dimensions={0}
      %t = bf16[4,64]{1,0} all-reduce-start(%e), channel_id=2
      %u = bf16[4,64]{1,0} all-reduce-done(%t)
      %v = f32[8]{0} add(%all-reduce.1, %all-gather.2)
    """
    found = hlo.collectives(program, [(3, 3, 4, 8), (64, 4)])
    assert found == [
        hlo.Collective('all-reduce', 1, 1, 1, 4 * (288 + 8 + 1), 4 * 288),
        hlo.Collective('all-gather', 0, 1, 0, 4 * 64, 0),
        hlo.Collective('all-reduce', 1, 0, 0, 2 * 256, 2 * 256),
    ]


def test_small_sums_use_trees_and_large_ones_rings():
    hop, bandwidth = 1e-6, 1e9
    seconds = functools.partial(hlo.seconds, 'all-reduce')
    assert seconds(0, 256, bandwidth, hop) == pytest.approx(2 * 8 * hop)
    assert seconds(10**9, 2, bandwidth, hop) == pytest.approx(1.0 + 2 * hop)
    assert seconds(10**9, 4, bandwidth, hop) == pytest.approx(1.5 + 6 * hop)
    assert hlo.seconds('all-gather', 10**9, 4, bandwidth, hop) == pytest.approx(0.75 + 3 * hop)
