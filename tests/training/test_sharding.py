"""A state that is split over four devices is the state that one device would have."""

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from imggen import devices
from imggen.training import loop
from imggen.workdir.checkpoint import Checkpoints
from tests.helpers import cases

NAME = 'gan_dcgan'


@pytest.fixture(autouse=True)
def _small_arrays_are_split(monkeypatch):
    monkeypatch.setattr(devices, '_SMALL', 64)


def run(mesh, **options):
    return loop.run(cases.method(NAME), cases.source(), seed=0, mesh=mesh, **options)


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
    """The third step of the run with whole states."""
    return Checkpoints(tmp_path_factory.mktemp('saved'))


@pytest.fixture(scope='module')
def ends(saved):
    """The ends of a run on four devices: with whole states, and with split ones."""
    save = loop.StateHook(3, lambda step, phase, state, _: saved.save(step, state))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, '_SMALL', 64)
        mesh = devices.make_mesh()
        return run(mesh, hooks=[save]).state, run(mesh, shard_params=True).state


def bytes_on_first_device(state) -> int:
    return sum(leaf.addressable_shards[0].data.nbytes for leaf in jax.tree.leaves(state))


def num_bytes(state) -> int:
    return sum(leaf.nbytes for leaf in jax.tree.leaves(state))


def test_the_largest_axis_that_the_devices_divide_is_split():
    mesh = devices.make_mesh()
    shapes = {
        'kernel': (4, 4, 8, 32),
        'first': (64, 6),
        'odd': (9, 81),
        'small': (32,),
        'scalar': (),
    }
    state = {name: jax.ShapeDtypeStruct(shape, np.float32) for name, shape in shapes.items()}

    def specs(state, spec, **options):
        placed = devices.with_shardings(mesh, spec, state, **options)
        return {name: leaf.sharding.spec for name, leaf in placed.items()}

    split = {'kernel': P(None, None, None, 'data'), 'first': P('data')}
    whole = dict.fromkeys(shapes, P())
    assert specs(state, P(), shard_params=True) == whole | split
    assert specs(state, P()) == whole
    # A state that is split by images stays split by images.
    images = {'images': jax.ShapeDtypeStruct((8, 64), np.float32)}
    assert specs(images, P('data'), shard_params=True) == {'images': P('data')}


def test_a_split_state_ends_as_a_whole_one(ends):
    whole, split = ends
    cases.assert_close(jax.device_get(split), jax.device_get(whole), rtol=2e-2, atol=1e-3)


def test_a_device_holds_its_part(ends):
    whole, split = ends
    shapes = devices.with_shardings(devices.make_mesh(), P(), whole, shard_params=True)
    is_split = [leaf.sharding.spec != P() for leaf in jax.tree.leaves(shapes)]
    sizes = [leaf.nbytes for leaf in jax.tree.leaves(whole)]
    in_parts = sum(size for size, part in zip(sizes, is_split, strict=True) if part)
    assert in_parts > 0.9 * num_bytes(whole) == 0.9 * bytes_on_first_device(whole)
    assert bytes_on_first_device(split) == num_bytes(whole) - in_parts + in_parts // 4


def test_a_checkpoint_is_restored_to_any_layout_bit_for_bit(ends, tmp_path):
    _, split = ends
    four, one = devices.make_mesh(), devices.make_mesh(devices=jax.devices()[:1])
    shapes = jax.eval_shape(lambda: split)
    layouts = [
        devices.with_shardings(one, P(), shapes),
        devices.with_shardings(four, P(), shapes),
        devices.with_shardings(four, P(), shapes, shard_params=True),
    ]
    state = split
    for index, layout in enumerate([*layouts, layouts[0]]):
        checkpoints = Checkpoints(tmp_path / str(index))
        checkpoints.save(6, state)
        state = checkpoints.restore(layout)
        placed = [leaf.sharding for leaf in jax.tree.leaves(state)]
        assert placed == [leaf.sharding for leaf in jax.tree.leaves(layout)]
        cases.assert_equal_bits(jax.device_get(state), jax.device_get(split))


def test_a_run_with_whole_states_goes_on_with_split_ones(ends, saved):
    end = run(
        devices.make_mesh(),
        shard_params=True,
        restore=lambda like: (3, saved.restore(like, step=3)),
    )
    assert end.step == 6 and bytes_on_first_device(end.state) < num_bytes(end.state) / 2
    expected = jax.device_get(ends[0])
    cases.assert_close(jax.device_get(end.state), expected, rtol=2e-2, atol=1e-3)
