"""Frames: borders of a picture of a painting that do not belong to it."""

import numpy as np

_MOST = 0.1  # Of a side; deeper edges belong to the picture.
_STEP = 40.0  # The least difference, in levels of 255, along most of the side.
_EVEN = 0.6  # Along the side a frame varies at most this much as the interior does.


def trim(rgb: np.ndarray) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """Cuts a frame off a picture.

    A side has a frame if a band along it, even in color, differs from what lies inside along most
    of the side.

    Args:
      rgb: uint8 [height, width, 3].

    Returns:
      The interior, and the pixels cut at (top, bottom, left, right).
    """
    cuts = []
    for lines in (rgb, rgb[::-1], rgb.swapaxes(0, 1), rgb[:, ::-1].swapaxes(0, 1)):
        cuts.append(_depth(lines.astype(np.float32)))
    top, bottom, left, right = cuts
    height, width = rgb.shape[:2]
    return rgb[top : height - bottom, left : width - right], (top, bottom, left, right)


def _depth(lines: np.ndarray) -> int:
    """Returns how many lines [n, m, 3], from the first, are a frame; 0 without one."""
    near = max(1, round(0.01 * len(lines)))  # Averages over a few lines hide brush strokes.
    deepest, best = 0, 0.0
    interior = lines[round(_MOST * len(lines)) :].mean(0).std(0).mean()
    for depth in range(near, round(_MOST * len(lines))):
        outside = lines[depth - near : depth].mean(0)
        inside = lines[depth : depth + near].mean(0)
        step = np.abs(outside - inside).max(-1)
        sharp = np.median(step)
        band = lines[:depth].mean(0)
        if sharp >= max(_STEP, best) and band.std(0).mean() <= _EVEN * interior:
            deepest, best = depth, sharp
    return deepest + near if deepest else 0  # No edge of a painting is quite straight.
