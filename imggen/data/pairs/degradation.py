"""What happens to pictures before people have them: blur, a smaller size, noise and JPEG, twice.

A short form of the model of Real-ESRGAN (Wang et al. 2021), within the compiled step. Images are
float32 [n, height, width, 1 or 3] in [-1, 1]; every image draws its own strengths from its key.

  round 1   blur, downscale by the scale, noise, JPEG
  round 2   blur, a smaller size and back, noise, JPEG, each about half as strong
"""

import jax
import jax.numpy as jnp
import numpy as np

from imggen import images, keys

_RADIUS = 6  # Pixels. The widest blur is cut off there.
_EDGE = 4  # Pixels that are repeated around an image while its size changes.
_MOST_NOISE = 0.1  # Standard deviation, where images have [-1, 1]: about 13 levels.
# The tables of ITU-T T.81, annex K. Encoders scale them by the quality.
_LUMA_STEPS = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    np.float32,
)
_CHROMA_STEPS = np.full((8, 8), 99, np.float32)
_CHROMA_STEPS[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
_YCC = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32
)


def degrade(key: jax.Array, pictures: jax.Array, scale: int) -> jax.Array:
    """Returns degraded copies, 1/scale as high and wide, rounded to 8 bits."""
    image_keys = keys.per_image(key, len(pictures))
    blurred = jax.vmap(lambda key, x: _blurred(key, x, 0.5 * scale))(_fold(image_keys, 0), pictures)
    small = images.downscale(blurred, scale)

    def finish(key, x):
        noise, jpeg, blur, resize, noise_again, jpeg_again = jax.random.split(key, 6)
        x = _compressed(jpeg, _noisy(noise, x, _MOST_NOISE), (50.0, 95.0))
        x = _resized(resize, _blurred(blur, x, 0.8))
        return _compressed(jpeg_again, _noisy(noise_again, x, 0.5 * _MOST_NOISE), (70.0, 95.0))

    levels = jax.vmap(finish)(_fold(image_keys, 1), small) * 127.5 + 127.5
    return images.from_uint8(jnp.clip(jnp.round(levels), 0.0, 255.0))


def jpeg(x: jax.Array, quality: jax.Array) -> jax.Array:
    """Quantizes the blocks of an image [height, width, 1 or 3] as JPEG does, at full chroma.

    Args:
      x: in [-1, 1].
      quality: a scalar from 1 to 100, as encoders take it.
    """
    height, width, channels = x.shape
    to_ycc = jnp.asarray(_YCC if channels == 3 else np.eye(1, dtype=np.float32))
    padded = jnp.pad(x, ((0, -height % 8), (0, -width % 8), (0, 0)), mode='edge')
    rows, columns = padded.shape[0] // 8, padded.shape[1] // 8
    # Luma counts from level 128, and chroma from its middle.
    middle = jnp.array([-0.5, 0.0, 0.0])[None, None, :channels]
    ycc = jnp.dot(padded, to_ycc.T, precision='highest') * 127.5 + middle
    blocks = ycc.reshape(rows, 8, columns, 8, channels)
    dct = jnp.asarray(_dct())
    coefficients = jnp.einsum('ui,risjc,vj->rscuv', dct, blocks, dct, precision='highest')
    percent = jnp.where(quality < 50.0, 5000.0 / quality, 200.0 - 2.0 * quality) / 100.0
    tables = np.stack([_LUMA_STEPS, _CHROMA_STEPS, _CHROMA_STEPS][:channels])
    steps = jnp.clip(jnp.floor(percent * tables + 0.5), 1.0, 255.0)[None, None]
    coefficients = jnp.round(coefficients / steps) * steps
    blocks = jnp.einsum('ui,rscuv,vj->risjc', dct, coefficients, dct, precision='highest')
    ycc = (blocks.reshape(padded.shape) - middle)[:height, :width] / 127.5
    rgb = jnp.dot(ycc, jnp.linalg.inv(to_ycc).T, precision='highest')
    return jnp.clip(rgb, -1.0, 1.0)


def _fold(image_keys: jax.Array, number: int) -> jax.Array:
    return jax.vmap(lambda key: jax.random.fold_in(key, number))(image_keys)


def _compressed(key: jax.Array, x: jax.Array, qualities: tuple[float, float]) -> jax.Array:
    return jpeg(x, jax.random.uniform(key, minval=qualities[0], maxval=qualities[1]))


def _noisy(key: jax.Array, x: jax.Array, most: float) -> jax.Array:
    """Adds normal noise: half of the images get gray noise, the others one in each channel."""
    strength, kind, draw = jax.random.split(key, 3)
    # The square makes weak noise the common case.
    sigma = most * jnp.square(jax.random.uniform(strength))
    noise = jax.random.normal(draw, x.shape)
    noise = jnp.where(jax.random.bernoulli(kind), noise, noise[..., :1])
    return jnp.clip(x + sigma * noise, -1.0, 1.0)


def _blurred(key: jax.Array, x: jax.Array, widest: float) -> jax.Array:
    """Blurs by a Gaussian whose standard deviations, up to `widest` pixels, differ by axis."""
    places = jnp.arange(-_RADIUS, _RADIUS + 1, dtype=jnp.float32)
    sigmas = jax.random.uniform(key, (2,), minval=0.1, maxval=widest)
    for axis, sigma in enumerate(sigmas):
        kernel = jax.nn.softmax(-0.5 * jnp.square(places / sigma))
        pads = [(_RADIUS, _RADIUS) if axis == other else (0, 0) for other in range(3)]
        padded = jnp.pad(x, pads, mode='edge')
        slices = [
            jax.lax.slice_in_dim(padded, start, start + x.shape[axis], axis=axis)
            for start in range(2 * _RADIUS + 1)
        ]
        x = sum(weight * one for weight, one in zip(kernel, slices, strict=True))
    return x


def _resized(key: jax.Array, x: jax.Array) -> jax.Array:
    """Shrinks an image to 0.6 to 1 of its size and enlarges it again."""
    factor = jax.random.uniform(key, minval=0.6, maxval=1.0)
    padded = jnp.pad(x, ((_EDGE, _EDGE), (_EDGE, _EDGE), (0, 0)), mode='edge')
    for scale in (factor, 1.0 / factor):
        padded = jax.image.scale_and_translate(
            padded,
            padded.shape,
            (0, 1),
            jnp.stack([scale, scale]),
            # The center of the canvas stays where it is.
            jnp.asarray(padded.shape[:2]) / 2.0 * (1.0 - scale),
            method='linear',
        )
    return padded[_EDGE:-_EDGE, _EDGE:-_EDGE]


def _dct() -> np.ndarray:
    """Returns the orthonormal DCT-II of 8 values, [frequencies, places]."""
    frequencies, places = np.arange(8)[:, None], np.arange(8)[None]
    basis = np.cos(np.pi * (2 * places + 1) * frequencies / 16) / 2.0
    basis[0] /= np.sqrt(2.0)
    return basis.astype(np.float32)
