"""Films of a run's results, whatever lies among them."""

import numpy as np
import pytest
from absl import flags

from imggen import images
from imggen.errors import UserError
from tests.helpers import commands


@pytest.fixture(scope='module')
def animate():
    with commands.imported('experiments.animate') as command:
        flags.FLAGS(['animate', '--workdir=w', '--output=o.gif'])
        yield command


def test_stages_of_another_size_than_the_last_are_left_out(animate, tmp_path):
    stages = tmp_path / 'results' / 'photo'
    for name, side in (('1', 8), ('2', 4), ('3', 4)):
        images.write_png(stages / f'{name}.png', np.zeros((side, side, 3), np.uint8))
    assert [frame.shape for frame in animate._frames(tmp_path)] == [(4, 4, 3)] * 2


def test_a_result_without_stages_is_named(animate, tmp_path):
    (tmp_path / 'results' / 'photo').mkdir(parents=True)
    with pytest.raises(UserError, match=r'photo holds no \.png files'):
        animate._frames(tmp_path)


def test_a_film_ends(animate):
    with pytest.raises(flags.IllegalFlagValueError, match='--seconds'):
        flags.FLAGS(['animate', '--workdir=w', '--output=o.gif', '--seconds=1e300'])
