"""The static geometry of a convolution: sizes, strides and padding.

Pairs are (height, width). The first window begins `padding` pixels above and to the left of
the image.
"""

from typing import NamedTuple

Sides = tuple[tuple[int, int], tuple[int, int]]  # (top, bottom), (left, right).


class Window(NamedTuple):
    """How the windows of a convolution lie on its input."""

    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: Sides
    input_size: tuple[int, int]
    groups: int = 1

    @property
    def output_size(self) -> tuple[int, int]:
        return tuple(
            (size + low + high - kernel) // stride + 1
            for kernel, stride, (low, high), size in zip(*self[:4], strict=True)
        )

    @property
    def tight_padding(self) -> Sides:
        """The padding with which the last window ends on the last row and column.

        It is negative if the stride leaves rows or columns unread.
        """
        return tuple(
            (low, (outputs - 1) * stride + kernel - size - low)
            for outputs, kernel, stride, (low, _), size in zip(
                self.output_size, *self[:4], strict=True
            )
        )

    @property
    def is_strided(self) -> bool:
        return self.stride != (1, 1)

    @property
    def blocks(self) -> tuple[int, int]:
        """The kernel's size in blocks of one stride, rounded up."""
        return tuple(-(-k // s) for k, s in zip(self.kernel_size, self.stride, strict=True))

    @property
    def is_blocked(self) -> bool:
        """Whether the stride is above 1 and divides the kernel size."""
        whole = all(k % s == 0 for k, s in zip(self.kernel_size, self.stride, strict=True))
        return whole and self.is_strided

    def mirrored(self) -> 'Window':
        """The window of the stride-1 convolution that transposes a stride-1 convolution."""
        sides = tuple(
            (size - 1 - low, size - 1 - high)
            for size, (low, high) in zip(self.kernel_size, self.padding, strict=True)
        )
        return Window(self.kernel_size, (1, 1), sides, self.output_size)
