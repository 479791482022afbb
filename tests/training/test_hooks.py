"""Sheets of samples: their layout."""

import jax.numpy as jnp
import numpy as np
import pytest

from imggen import devices
from imggen.data import decode
from imggen.method import Method
from imggen.training import hooks
from imggen.workdir.writer import Writer


@pytest.mark.parametrize(
    ('num_classes', 'each', 'columns'),
    [(3, 2, 2), (10, 6, 6), (32, 2, 8), (100, 1, 10), (2, 32, 8), (2, 31, 31), (1, 64, 8)],
)
def test_a_row_holds_whole_classes_or_a_class_whole_rows(num_classes, each, columns):
    assert hooks.class_columns(num_classes * each, each) == columns


def test_all_classes_are_beside_reconstructions_of_a_small_batch(tmp_path):
    """64 samples are asked for, but the batch has 12 images to reconstruct: four of each class."""
    batch = {'image': jnp.full((12, 2, 2, 1), 0.5)}

    def sample(image_keys, state, frozen, batch):
        classes = batch['label'][:, None, None, None] / 2.0 - jnp.ones((1, 2, 2, 1))
        return {'generated': classes, 'reconstructed': batch['image'][: len(image_keys)]}

    method = Method(
        lambda *_: 0, (), sample, num_classes=3, reconstruct=lambda state, images: images
    )
    hook = hooks.write_samples(
        Writer(tmp_path, {}, command=''),
        method,
        batch,
        seed=0,
        mesh=devices.make_mesh(),
        num_samples=64,
        every_steps=1,
        postprocess=None,
        inspect=lambda *args: None,
    )
    hook.run(1, 'train', 0, {})
    sheet = decode.decode(tmp_path / 'samples' / '000001.png')
    values, counts = np.unique(sheet[..., 0], return_counts=True)
    assert values.tolist() == [0, 64, 128, 191, 255]  # Three classes, real ones, and the gaps.
    np.testing.assert_array_equal(counts[:4] / counts[0], [1, 1, 1, 3])
