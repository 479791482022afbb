"""ICC profiles, which say what the numbers of a file mean as colors: here they become sRGB."""

import functools
import io
import struct

from PIL import Image, ImageCms


@functools.cache
def srgb() -> bytes:
    """Returns a profile of sRGB, always the same bytes."""
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    # The header holds the time at which it was made.
    return made[:24] + struct.pack('>6H', 2000, 1, 1, 0, 0, 0) + made[36:]


def read(image: Image.Image) -> ImageCms.ImageCmsProfile | None:
    """Returns the color profile in a file; None if there is none, or it is damaged, or sRGB."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info['icc_profile']))
        return None if 'sRGB' in ImageCms.getProfileDescription(profile) else profile
    except (KeyError, TypeError, OSError, ImageCms.PyCMSError):
        return None


def to_srgb(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    """Converts a picture of the mode L, RGB, RGBA or CMYK to sRGB, keeping its alpha.

    A profile for other modes than the picture's is ignored, as viewers do.
    """
    mode = image.mode if image.mode == 'RGBA' else 'RGB'
    target = ImageCms.createProfile('sRGB')
    try:
        if image.mode == 'L':  # Its 256 levels suffice. Few levels can be converted exactly.
            levels = Image.frombytes('L', (256, 1), bytes(range(256)))
            exact = {'outputMode': mode, 'flags': ImageCms.Flags.NOOPTIMIZE}
            table = ImageCms.profileToProfile(levels, profile, target, **exact)
            return image.point(table.convert('L').tobytes())
        return ImageCms.profileToProfile(image, profile, target, outputMode=mode)
    except ImageCms.PyCMSError:
        return image
