"""A trained run behind the page: every picture that the page shows is made here."""

import base64
import contextlib
import functools
import json
import pathlib
import shlex
import tempfile
import threading
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from imggen import data, images, keys
from imggen.data import decode
from imggen.errors import UserError
from imggen.evaluation import evolution
from imggen.inference import load, projection, recipe, sampling, translate, translate_files
from imggen.inference.recipe import Recipe
from imggen.workdir.checkpoint import Checkpoints

MAX_SAMPLES = 64  # Of one request.
_MAX_HELD = 4096  # Images of a search that a page shows.
_MAX_PIXELS = 4_000_000  # Of a picture to translate; larger ones take minutes.
_COMMAND = 'python -m experiments.'


class Picture(NamedTuple):
    """A picture on the page.

    Attributes:
      pixels: uint8 [height, width, channels]; or bytes, a PNG file.
      about: what it is, in words.
      command: the command that makes it again; '' for a picture that was given.
      recipe: how it is made; None for pictures without one.
      place: its cell on the map of an archive.
    """

    pixels: np.ndarray | bytes
    about: str
    command: str = ''
    recipe: Recipe | None = None
    place: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns what the page's script takes; the PNG file is a data URI."""
        png = self.pixels
        if not isinstance(png, bytes):
            png = recipe.write_png(png, self.recipe)
        return {
            'src': f'data:image/png;base64,{base64.b64encode(png).decode()}',
            'about': self.about,
            'command': self.command,
            'recipe': None if self.recipe is None else recipe.to_json(self.recipe),
            'place': self.place,
        }


class Session:
    """A run at one checkpoint. One request works at a time.

    Args:
      workdir: the folder of a run or of an exported model.
      which: the checkpoint, as in `load.load`.

    Raises:
      UserError: there is no run or no checkpoint.
    """

    def __init__(self, workdir: pathlib.Path, *, which: str | int = 'newest'):
        self._workdir = workdir
        self._restored = load.load(workdir, which=which)
        self._lock = threading.Lock()
        # A translator compiles for each size of a picture, once.
        self._translator = functools.cache(functools.partial(translate.make, self._restored))
        # While a point is dragged, the corners stay.
        self._latent = functools.lru_cache(maxsize=64)(
            lambda text: recipe.latent(self._restored, recipe.from_json(json.loads(text)))
        )

    @functools.cached_property
    def _class_names(self) -> Sequence[str]:
        names = self._restored.class_names
        unnamed = range(len(names), self._restored.method.num_classes or 0)
        return [*names, *map(str, unnamed)] if self._restored.method.num_classes else []

    @property
    def step(self) -> int:
        """The step of the checkpoint."""
        return self._restored.step

    def is_old(self) -> bool:
        """Returns whether the run has a newer checkpoint by now."""
        folder = self._workdir / 'checkpoints'
        newest = Checkpoints(folder, read_only=True).newest if folder.is_dir() else None
        return newest is not None and newest > self.step

    def about(self) -> dict[str, Any]:
        """Says what the page can do with the run; `kind` names the part of the page."""
        method = self._restored.method
        kind = 'samples'
        if method.output is None:
            kind = 'none'
        elif method.translation is not None and not self._starts_from_noise():
            kind = 'translation'
        elif sampling.num_held(self._restored) is not None:
            kind = 'held'
        shown = {
            'kind': kind,
            'step': self.step,
            'latents': method.latent_size is not None,
            'classes': self._class_names,
            'guidance': method.guidance,
            'filtered': False,
        }
        if kind == 'translation':
            taken = self._restored.batch.get('input', self._restored.batch.get('image'))
            shown['canvas'] = taken.shape[1:3]
            is_filter = data.input_filter(self._restored.config['data']) is not None
            shown['filtered'] = is_filter and taken.shape[-1] in (1, 3)
        return shown

    def samples(self, count: int, wanted: Recipe) -> list[Picture]:
        """Makes images 0 .. count - 1 of a seed, with the label and the rest of `wanted`."""
        if self._starts_from_noise():
            return self._from_noise(count, wanted.seed)
        with self._lock:
            made = self._generate(count, wanted)
        return [
            self._made(pixels, wanted._replace(index=index)) for index, pixels in enumerate(made)
        ]

    def between(self, corners: Sequence[Recipe], at: Sequence[float]) -> Picture:
        """Makes the picture between two to four others.

        Args:
          corners: two ends; or the top left, top right, bottom left and, if there are four,
            bottom right corner of a square. The class is that of the first.
          at: shares in [0, 1]: of the way from the left to the right, and down.
        """
        with self._lock:
            ends = [self._latent(json.dumps(recipe.to_json(corner))) for corner in corners]
            x, y = (*at, 0.0)[:2]
            latent = _slerp(ends[0], ends[1], x)
            if len(ends) > 2:
                latent = _slerp(latent, _slerp(ends[2], ends[-1], x), y)
            wanted = corners[0]._replace(truncation=None, latent=np.asarray(latent))
            (made,) = recipe.make(self._restored, [wanted])
        return self._made(made, wanted)

    def find(self, file: bytes, name: str, wanted: Recipe) -> list[Picture]:
        """Searches for the latent that makes a given picture; returns the given and the found."""
        height, width, channels = self._shape()
        with _stored(file, name) as path:
            if channels == 4:
                given = decode.decode_alpha(path)
            else:
                given = decode.to_channels(decode.decode(path), channels)
        given = decode.resize(given, (height, width))
        with self._lock:
            labels = None
            if wanted.label is not None:
                sampling.class_number(self._restored, wanted.label)
                labels = jnp.full(1, wanted.label, jnp.int32)
            elif self._restored.method.num_classes is not None:
                labels = sampling.draw_labels(keys.stream(wanted.seed, 'sample'), self._restored, 1)
            found = projection.project(
                keys.stream(wanted.seed, 'sample'),
                self._restored,
                images.from_uint8(given[None]),
                labels=labels,
            )
        how = Recipe(
            wanted.seed,
            label=None if labels is None else int(labels[0]),
            latent=found.latents[0],
        )
        error = f'found for {name}, mean squared error {found.errors[0]:.4f}'
        options = {'project': name, 'seed': wanted.seed, 'label': self._name(how.label)}
        command = self._command('sample', **options, output='found.png')
        made = Picture(images.to_uint8(found.images[0]), error, command, how)
        return [Picture(given, f'given: {name}'), made]

    def translate(self, file: bytes, name: str, *, seed: int, filtered: bool) -> list[Picture]:
        """Translates a picture as experiments.translate does; returns the given and the result.

        Args:
          file: the picture.
          name: of its file, on which the draws of a run with dropout depend.
          seed: of these draws.
          filtered: whether it is an input of the run already.
        """
        with _stored(file, name) as path, self._lock:
            shown = decode.decode(path)
            if shown.shape[0] * shown.shape[1] > _MAX_PIXELS:
                raise UserError(
                    f'{name} has more than {_MAX_PIXELS // 10**6} million pixels: translate it '
                    'with experiments.translate.'
                )
            target = path.with_name('translated.png')
            job = translate_files.Job(name, path, target)
            translator = self._translator(filtered=filtered)
            summary = translate_files.translate_files(translator, [job], seed=seed)
            if not summary.written:
                raise UserError(summary.skipped[0])
            made = target.read_bytes()
        options = {'input': name, 'filtered': filtered or None, 'seed': seed}
        command = self._command('translate', **options, output='translated.png')
        return [
            Picture(shown, f'given: {name}'),
            Picture(made, f'translated: {name}, seed {seed}', command),
        ]

    def held(self) -> list[Picture]:
        """Returns the images that a search holds, each with its place on the map of an archive."""
        held = sampling.num_held(self._restored)
        if held is None:
            raise UserError('the run draws its images and holds none.')
        count = min(held, _MAX_HELD)
        with self._lock:
            if evolution.evolves(self._restored):
                found = evolution.find(self._restored, num_images=count)
                names = [found.class_names[target] for target in found.target]
                odds = [f', probability {value:.4f}' for value in found.probability]
                made, places = found.images, found.place.tolist()
                about = map(''.join, zip(names, odds, strict=True))
            else:
                made, places = self._generate(count, Recipe(0)), range(count)
                about = (f'image {place}' for place in places)
        return [
            Picture(pixels, words, self._nth(place), place=place)
            for pixels, words, place in zip(made, about, places, strict=True)
        ]

    def _generate(self, count: int, wanted: Recipe) -> np.ndarray:
        key, output = keys.stream(wanted.seed, 'sample'), self._restored.method.output
        asked = {name: getattr(wanted, name) for name in ('label', 'truncation', 'guidance')}
        chunks = sampling.generate(key, self._restored, count, **asked)
        return np.concatenate([images.to_uint8(chunk[output]) for chunk in chunks])

    def _made(self, pixels: np.ndarray, how: Recipe) -> Picture:
        about = f'seed {how.seed}, image {how.index}'
        command = self._nth(
            how.index,
            seed=how.seed,
            label=self._name(how.label),
            truncation=how.truncation,
            guidance=how.guidance,
        )
        if how.latent is not None:
            about = 'between others'
            command = self._command('sample', again='picture.png', output='again.png')
        if how.label is not None:
            about += f', class {self._name(how.label)}'
        return Picture(pixels, f'{about}, step {self.step}', command, how)

    def _name(self, label: int | None) -> str | None:
        """Returns the name of a class, which --label takes for a name also if it is a number."""
        return None if label is None else self._class_names[label]

    def _nth(self, index: int, **options: Any) -> str:
        """Returns the command whose last file is image `index`."""
        return self._command('sample', num=index + 1, **options, output='samples/')

    def _command(self, name: str, **options: Any) -> str:
        words = [f'{_COMMAND}{name}', f'--workdir={shlex.quote(str(self._workdir))}']
        words.append(f'--checkpoint={self.step}')
        for option, value in options.items():
            if value is not None:
                shown = '' if value is True else f'={shlex.quote(str(value))}'
                words.append(f'--{option}{shown}')
        return ' '.join(words)

    def _shape(self) -> tuple[int, int, int]:
        if self._restored.method.latent_size is None or 'image' not in self._restored.batch:
            raise UserError('the run has no latents to search in.')
        return self._restored.batch['image'].shape[1:]

    def _starts_from_noise(self) -> bool:
        method, section = self._restored.method, self._restored.config['data']
        return method.translation is not None and data.starts_from_noise(section)

    def _from_noise(self, count: int, seed: int) -> list[Picture]:
        with self._lock:
            made = list(translate.from_noise(self._restored, num_images=count, seed=seed))
        return [
            Picture(
                pixels,
                f'seed {seed}, image {index}',
                self._command('translate', num=index + 1, seed=seed, output='samples/'),
            )
            for index, pixels in enumerate(made)
        ]


@contextlib.contextmanager
def _stored(file: bytes, name: str) -> Iterator[pathlib.Path]:
    """Puts a file from a browser where the one opener of pictures reads it.

    The path is ours. An error shows the name that the browser gave, which is never used as a path.
    """
    with tempfile.TemporaryDirectory(prefix='imggen-') as folder:
        path = pathlib.Path(folder) / 'picture.png'
        path.write_bytes(file)
        try:
            yield path
        except UserError as error:
            raise UserError(str(error).replace(str(path), name)) from None


def _slerp(start: jax.Array, end: jax.Array, t: float) -> jax.Array:
    return _compiled_slerp(start, end, np.float32([t]))[0]


_compiled_slerp = jax.jit(sampling.slerp)
