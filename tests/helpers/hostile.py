"""Makes a folder of about two hundred files such as users and attackers leave in picture folders.

Nothing of it is committed. Each file has a verdict:

    GOOD      it is read
    REFUSED   it is named with a reason, and the others are used
    EITHER    damage that a reader may or may not notice
    UNSEEN    no picture by its name: hidden, or of another suffix
"""

import gzip
import io
import os
import pathlib
import pickle
import socket
import struct
import zlib

import cv2
import numpy as np
from PIL import Image

from tests.helpers import color_profile

GOOD, REFUSED, EITHER, UNSEEN = 'good', 'refused', 'either', 'unseen'
_FORMATS = {
    'png': 'PNG',
    'jpg': 'JPEG',
    'jfif': 'JPEG',
    'webp': 'WEBP',
    'gif': 'GIF',
    'bmp': 'BMP',
    'tif': 'TIFF',
    'avif': 'AVIF',
    'ppm': 'PPM',
}
# A program that never ends. Pillow gives PostScript to Ghostscript.
_POSTSCRIPT = b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n{} loop\n%%EOF\n'


def make(folder: pathlib.Path) -> dict[str, str]:
    """Fills a new folder; returns the verdict of each file by its path in the folder."""
    folder.mkdir()
    files = {}
    for part in (_formats, _aliens, _bombs, _modes, _profiles, _turned, _names, _shapes, _flipped):
        for name, content, verdict in part():
            assert name not in files, name
            (folder / name).write_bytes(content)
            files[name] = verdict
    return files | _special(folder)


def photograph(height: int = 16, width: int = 24) -> np.ndarray:
    """Returns a smooth color picture, uint8 [height, width, 3]."""
    rows, columns = np.mgrid[0:height, 0:width] / (max(height, width) + 1.0)
    return np.stack([255 * rows, 255 * columns, 128 + 100 * np.sin(9 * rows)], -1).astype(np.uint8)


def encoded(picture, kind: str = 'PNG', **options) -> bytes:
    """Returns a file's bytes, from an array or a Pillow image."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _formats():
    whole = {suffix: encoded(photograph(), kind) for suffix, kind in _FORMATS.items()}
    others = [*list(whole.values())[1:], whole['png']]
    for (suffix, content), other in zip(whole.items(), others, strict=True):
        yield f'whole.{suffix}', content, GOOD
        yield f'upper.{suffix.upper()}', content, GOOD
        yield f'other format.{suffix}', other, GOOD
        yield f'no bytes.{suffix}', b'', REFUSED
        yield f'zeros.{suffix}', bytes(1000), REFUSED
        yield f'ten bytes.{suffix}', content[:10], REFUSED
        # The second half of a file is missing; a GIF may be complete before its end.
        yield f'half.{suffix}', content[: len(content) // 2], EITHER if suffix == 'gif' else REFUSED
        noise = np.random.default_rng(1).bytes(len(content) - 30)
        yield f'noise.{suffix}', content[:30] + noise, EITHER
        yield f'more after the end.{suffix}', content + noise, GOOD


def _aliens():
    """Files of other formats under the name of a picture."""
    texts = {
        'postscript': _POSTSCRIPT,
        'svg': b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        'html': b'<!doctype html><script>alert(1)</script>',
        'text': b'not found\n',
        'program': b'#!/bin/sh\nrm -rf /\n',
        'zip': b'PK\x03\x04' + bytes(99),
        'elf': b'\x7fELF' + bytes(99),
        'gzip': gzip.compress(bytes(99)),
        'pickle': pickle.dumps({'a': 1}),
        'movie': b'\0\0\0\x18ftypmp42' + bytes(99),
        'photoshop': b'8BPS\0\1' + bytes(99),
        'metafile': b'\xd7\xcd\xc6\x9a' + bytes(99),
        'fits': b'SIMPLE  =                    T'.ljust(2880),
        'lfs pointer': b'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n',
    }
    for name, content in texts.items():
        yield f'{name}.png', content, REFUSED
    yield 'postscript.jpg', _POSTSCRIPT, REFUSED
    yield 'postscript.tif', _POSTSCRIPT, REFUSED
    for kind in ('ICO', 'TGA', 'PCX', 'SGI', 'DDS', 'IM', 'EPS', 'PDF', 'JPEG2000', 'ICNS'):
        yield f'{kind}.png', encoded(Image.fromarray(photograph(32, 32)), kind), REFUSED


def _bombs():
    """Small files that ask for much memory."""
    yield 'bomb.png', _png(60_000, 60_000, zlib.compress(bytes(99))), REFUSED
    yield 'bomb wide.png', _png(2**31 - 1, 1, zlib.compress(bytes(99))), REFUSED
    yield 'bomb flat.png', _png(2**31 - 1, 2**31 - 1, b''), REFUSED
    yield 'bomb of nothing.png', _png(0, 0, b''), REFUSED
    gif = encoded(photograph(), 'GIF')
    yield 'bomb.gif', gif[:6] + b'\xff\xff\xff\xff' + gif[10:], REFUSED
    bmp = encoded(photograph(), 'BMP')
    yield 'bomb.bmp', bmp[:18] + struct.pack('<ii', 99_999, 99_999) + bmp[26:], REFUSED
    yield 'bomb.ppm', b'P6 100000 100000 255\n', REFUSED
    yield 'bomb of digits.ppm', b'P3 ' + b'9' * 10_000 + b' 1 255\n', REFUSED
    jpeg = encoded(photograph(), 'JPEG')
    place = jpeg.index(b'\xff\xc0') + 5
    yield 'bomb.jpg', jpeg[:place] + b'\xff\xdc\xff\xdc' + jpeg[place + 4 :], REFUSED
    tiff = encoded(photograph(), 'TIFF')
    for tag in (256, 257):  # Width and height.
        place = tiff.index(struct.pack('<HH', tag, 4)) + 8
        tiff = tiff[:place] + struct.pack('<I', 2**31 - 1) + tiff[place + 4 :]
    yield 'bomb.tif', tiff, REFUSED
    pixels = zlib.compress(bytes(8 * 25))
    inflated = zlib.compress(bytes(200_000_000), 9)
    yield 'bomb of text.png', _png(24, 8, pixels, zTXt=b'a\0\0' + inflated), REFUSED
    yield 'bomb of color.png', _png(24, 8, pixels, iCCP=b'a\0\0' + inflated), EITHER


def _png(width: int, height: int, data: bytes, **chunks: bytes) -> bytes:
    """Returns a gray PNG of 8 bits with its compressed data and other chunks before them."""
    header = struct.pack('>IIBBBBB', width, height, 8, 0, 0, 0, 0)
    parts = {'IHDR': header, **chunks, 'IDAT': data, 'IEND': b''}
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(content))
        + name.encode()
        + content
        + struct.pack('>I', zlib.crc32(name.encode() + content))
        for name, content in parts.items()
    )


def _modes():
    image = Image.fromarray(photograph())
    clear = image.copy()
    clear.putalpha(Image.fromarray(photograph()[..., 0]))
    palette = image.quantize(16)
    ramp = np.arange(16 * 24).reshape(16, 24)
    deep = (photograph().astype(np.uint16) * 257)[..., ::-1]
    frames = [Image.fromarray(np.roll(photograph(), shift, axis=1)) for shift in range(30)]
    film = {'save_all': True, 'append_images': frames[1:]}
    yield 'cmyk.jpg', encoded(image.convert('CMYK'), 'JPEG'), GOOD
    yield 'cmyk.tif', encoded(image.convert('CMYK'), 'TIFF'), GOOD
    yield 'gray.jpg', encoded(image.convert('L'), 'JPEG'), GOOD
    yield 'progressive.jpg', encoded(image, 'JPEG', progressive=True), GOOD
    yield 'palette.png', encoded(palette), GOOD
    yield 'palette clear.png', encoded(palette, transparency=3), GOOD
    yield 'palette alpha.png', encoded(palette, transparency=bytes(range(16))), GOOD
    yield 'gray clear.png', encoded(image.convert('L'), transparency=9), GOOD
    yield 'one bit.png', encoded(image.convert('1')), GOOD
    yield 'one bit.tif', encoded(image.convert('1'), 'TIFF', compression='group4'), GOOD
    yield 'gray alpha.png', encoded(clear.convert('LA')), GOOD
    yield 'alpha.png', encoded(clear), GOOD
    yield 'all clear.png', encoded(Image.new('RGBA', (9, 9))), GOOD
    yield 'alpha.webp', encoded(clear, 'WEBP'), GOOD
    yield 'alpha.tif', encoded(clear, 'TIFF'), GOOD
    yield '16.png', encoded((ramp * 170).astype(np.uint16)), GOOD
    yield '16.tif', encoded((ramp * 170).astype(np.uint16), 'TIFF'), GOOD
    yield '12 in 16.png', encoded((ramp * 10).astype(np.uint16)), GOOD
    yield '16 color.png', cv2.imencode('.png', deep)[1].tobytes(), GOOD
    yield '16 color.tif', cv2.imencode('.tif', deep)[1].tobytes(), GOOD
    alpha = np.dstack([deep, deep[..., :1]])
    yield '16 alpha.png', cv2.imencode('.png', alpha)[1].tobytes(), GOOD
    yield '32 small.tif', encoded((ramp % 256).astype(np.int32), 'TIFF'), GOOD
    yield '32 large.tif', encoded((ramp * 10**6).astype(np.int32), 'TIFF'), REFUSED
    yield '32 negative.tif', encoded((ramp - 99).astype(np.int32), 'TIFF'), REFUSED
    yield 'float.tif', encoded((ramp / ramp.max()).astype(np.float32), 'TIFF'), GOOD
    yield 'float 255.tif', encoded((ramp / ramp.max() * 255).astype(np.float32), 'TIFF'), GOOD
    yield 'float large.tif', encoded((ramp * 9.0).astype(np.float32), 'TIFF'), REFUSED
    yield 'float nan.tif', encoded(np.full((9, 9), np.nan, np.float32), 'TIFF'), REFUSED
    yield 'float infinite.tif', encoded(np.full((9, 9), np.inf, np.float32), 'TIFF'), REFUSED
    yield 'lab.tif', encoded(Image.new('LAB', (9, 9)), 'TIFF'), GOOD
    yield 'ycbcr.tif', encoded(image.convert('YCbCr'), 'TIFF'), GOOD
    for how in ('tiff_lzw', 'tiff_adobe_deflate', 'jpeg', 'packbits'):
        yield f'{how}.tif', encoded(image, 'TIFF', compression=how), GOOD
    yield 'pages.tif', encoded(frames[0], 'TIFF', **film), GOOD
    yield 'film.gif', encoded(frames[0], 'GIF', **film), GOOD
    yield 'film.webp', encoded(frames[0], 'WEBP', **film), GOOD
    yield 'film.png', encoded(frames[0], 'PNG', **film), GOOD
    yield 'film.avif', encoded(frames[0], 'AVIF', **film), GOOD
    yield 'two pictures.jpg', encoded(frames[0], 'MPO', **film), GOOD
    yield '16.pgm', b'P5 2 1 65535\n\x00\x00\xff\xff', GOOD
    yield 'text.pgm', b'P2 2 1 255\n0 255\n', GOOD


def _profiles():
    gray = photograph()[..., 0]
    p3 = color_profile.display_p3()
    yield 'display p3.png', encoded(photograph(), icc_profile=p3), GOOD
    yield 'display p3.jpg', encoded(photograph(), 'JPEG', icc_profile=p3), GOOD
    yield 'gamma.png', encoded(gray, icc_profile=color_profile.gray(1.0)), GOOD
    yield 'color profile of gray.png', encoded(gray, icc_profile=p3), GOOD
    yield 'damaged profile.png', encoded(photograph(), icc_profile=p3[:99]), GOOD
    yield 'no profile.jpg', encoded(photograph(), 'JPEG', icc_profile=b'nothing' * 99), GOOD


def _turned():
    for orientation in (*range(9), 99):
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield f'turned {orientation}.jpg', encoded(photograph(), 'JPEG', exif=exif), GOOD
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield f'turned {orientation}.tif', encoded(photograph(), 'TIFF', exif=exif), GOOD
    word = b'Exif\0\0II*\0\x08\0\0\0' + struct.pack('<HHHI4sI', 1, 0x0112, 2, 3, b'up', 0)
    yield 'turned up.jpg', encoded(photograph(), 'JPEG', exif=word), GOOD
    yield 'damaged exif.jpg', encoded(photograph(), 'JPEG', exif=b'Exif\0\0II*\0\xff' * 5), GOOD
    yield 'no exif.png', encoded(photograph(), exif=b'Exif\0\0nothing'), GOOD


def _names():
    content = encoded(photograph())
    for name in (
        'x' * 251 + '.png',
        'ü' * 125 + '.png',
        os.fsdecode(b'\xff\xfe.png'),
        'new\nline.png',
        'tab\t.png',
        '\x1b[31mred\x1b[2J.png',
        '-rf.png',
        '--output=x.png',
        ' space .png',
        'quote\'".png',
        '`$(touch it)`.png',
        '%s%n%999d.png',
        '{0} {name}.png',
        'semicolon; a & b | c.png',
        'back\\slash.png',
        '<script>alert(1)</script>.png'.replace('/', ''),
        '日本 🙂.png',
        '\u202egnp.evil.png',
        'a.b.c.png',
        'a.gif.png',
        'CON.png',
    ):
        yield name, content, GOOD
    gif = encoded(photograph(), 'GIF')
    yield 'a.gif', gif, GOOD
    yield 'y' * 251 + '.gif', gif, GOOD
    for name in ('._a.png', '.hidden.png', '..png', 'no suffix', 'a.png.txt', 'a.svg', 'a.eps'):
        yield name, content, UNSEEN


def _shapes():
    for height, width in ((1, 1), (1, 20_000), (20_000, 1), (2, 3), (300, 7)):
        yield f'{height} x {width}.png', encoded(np.full((height, width, 3), 90, np.uint8)), GOOD


def _flipped():
    """One bit is wrong, at places spread over the file."""
    for suffix in ('png', 'jpg', 'tif', 'webp'):
        content = encoded(photograph(), _FORMATS[suffix])
        for number in range(6):
            place = len(content) * (number + 1) // 8
            flipped = bytearray(content)
            flipped[place] ^= 16
            yield f'flipped {number}.{suffix}', bytes(flipped), EITHER


def _special(folder: pathlib.Path) -> dict[str, str]:
    """What is no regular file, and links."""
    os.mkfifo(folder / 'pipe.png')
    with socket.socket(socket.AF_UNIX) as listener:
        descriptor = os.open(folder, os.O_RDONLY)  # The path of a socket must be short.
        listener.bind(f'/proc/self/fd/{descriptor}/socket.png')
        os.close(descriptor)
    links = {
        'loop.png': 'loop.png',
        'loop one.png': 'loop two.png',
        'loop two.png': 'loop one.png',
        'dangling.png': 'nowhere.png',
        'device.png': '/dev/zero',
        'link.png': 'whole.png',
        'link to a folder.png': '.',
        'folder above': '..',
    }
    for name, target in links.items():
        (folder / name).symlink_to(target)
    with open(folder / 'sparse.png', 'wb') as sparse:
        sparse.truncate(2**40)
    (folder / 'folder.png').mkdir()
    (folder / 'folder.png' / 'inside.png').write_bytes(encoded(photograph()))
    deep = folder.joinpath(*['deep'] * 40)
    deep.mkdir(parents=True)
    (deep / 'inside.png').write_bytes(encoded(photograph()))
    (folder / 'locked.png').write_bytes(encoded(photograph()))
    (folder / 'locked.png').chmod(0)
    return {
        'pipe.png': REFUSED,
        'socket.png': REFUSED,
        **dict.fromkeys(links, REFUSED),
        'link.png': GOOD,
        'sparse.png': REFUSED,
        'folder.png/inside.png': GOOD,
        f'{"deep/" * 40}inside.png': GOOD,
        # Root reads everything.
        'locked.png': REFUSED if os.geteuid() else GOOD,
    }
