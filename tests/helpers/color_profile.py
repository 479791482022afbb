"""ICC profiles of version 2, written by hand: Display P3's primaries, and gray with a gamma."""

import struct

import numpy as np

GAMMA = 2.2
# XYZ of red, green and blue, one in each column, adapted to D50.
DISPLAY_P3 = np.array(
    [[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
)
SRGB = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
)
_D50 = (0.9642, 1.0, 0.8249)


def display_p3() -> bytes:
    """Returns a profile with the primaries of Display P3 and the tone curve x^2.2."""
    tags = {'wtpt': _xyz(_D50)}
    for index, color in enumerate('rgb'):
        tags |= {f'{color}XYZ': _xyz(DISPLAY_P3[:, index]), f'{color}TRC': _curve(GAMMA)}
    return _profile(b'RGB ', tags)


def gray(gamma: float) -> bytes:
    """Returns a profile for gray pictures with the tone curve x^gamma."""
    return _profile(b'GRAY', {'wtpt': _xyz(_D50), 'kTRC': _curve(gamma)})


def to_srgb(pixels: np.ndarray) -> np.ndarray:
    """Converts uint8 [..., 3] from `display_p3` to sRGB by its definition, float in [0, 255]."""
    linear = (pixels / 255.0) ** GAMMA @ (np.linalg.inv(SRGB) @ DISPLAY_P3).T
    return 255.0 * srgb_curve(np.clip(linear, 0, 1))


def srgb_curve(linear: np.ndarray) -> np.ndarray:
    """Returns what sRGB stores for linear light in [0, 1]."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def _profile(space: bytes, tags: dict[str, bytes]) -> bytes:
    text = b'made for a test\0'
    tags = {
        'desc': b'desc\0\0\0\0' + struct.pack('>I', len(text)) + text + bytes(78),
        'cprt': b'text\0\0\0\0' + text,
        **tags,
    }
    table, body, start = struct.pack('>I', len(tags)), b'', 132 + 12 * len(tags)
    for name, content in tags.items():
        table += name.encode() + struct.pack('>II', start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    size = start + len(body)
    header = struct.pack('>I4xI', size, 0x02100000) + b'mntr' + space + b'XYZ '
    header += struct.pack('>6H', 2026, 1, 1, 0, 0, 0) + b'acsp'
    header = header.ljust(68, b'\0') + b''.join(map(_fixed, _D50))
    return header.ljust(128, b'\0') + table + body


def _xyz(values) -> bytes:
    return b'XYZ \0\0\0\0' + b''.join(map(_fixed, values))


def _curve(gamma: float) -> bytes:
    return b'curv\0\0\0\0' + struct.pack('>IH', 1, round(gamma * 256))


def _fixed(value: float) -> bytes:
    return struct.pack('>i', round(value * 65536))
