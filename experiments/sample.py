r"""Generates images with a trained run.

python -m experiments.sample --workdir=runs/gan --num=100 --output=samples/
python -m experiments.sample --workdir=runs/gan --num=64 --output=grid.png
    [--label=dogs] [--truncation=1.0] [--best_of=4]
python -m experiments.sample --workdir=runs/gan --num=8 --label=all --output=classes.png
python -m experiments.sample --workdir=runs/gan --num=8 --interpolate --output=walk.mp4
python -m experiments.sample --workdir=runs/gan --project=photo.png --output=found.png
    [--extractor=lite0]
python -m experiments.sample --workdir=runs/gan --again=kept.png --output=same.png

If --output is a folder, it gets one PNG for each image; if it is a .png file, it becomes a sheet
of all images. --interpolate walks through latent space from one image to the next (a .mp4, .gif or
.webp, or a folder of frames). --project searches for the latent of a given image and puts the
result beside it. --label=all makes --num images of each class, one row a class, and prints the
names in that order. --again makes pictures that experiments.explore saved once more, by the recipe
in their files.

--best_of=4 makes four samples for each image and keeps the one that fits best among the pictures
that the run was trained on, which must still be there. It takes four times as long; broken images
become rare, and odd ones, too.

If the run has latents, they are saved, too: as latents.npz in the folder, or beside the file, as
grid.png.npz. `imggen.load(WORKDIR).sample(n, latent=..., label=...)` makes the images again.
Images of runs that keep transparency are RGBA.

What is at --output already is replaced only with --overwrite: a file, or the numbered images of a
folder.

Image i depends only on the seed, on i and on --best_of. It is the same however many images are
made, and it is the same up to rounding on any number of devices.
"""

import itertools
import pathlib

import numpy as np
from absl import flags

from imggen import cli, devices, features, files, images, keys, skipped
from imggen.data.loaders import fixed
from imggen.errors import UserError
from imggen.evaluation import selection
from imggen.inference import animation, load, projection, recipe, sampling
from imggen.progress import Progress

_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the run.')
_OUTPUT = flags.DEFINE_string(
    'output', None, 'A folder, a .png for a sheet, or a .mp4, .gif or .webp for a walk.'
)
_NUM = flags.DEFINE_integer('num', 64, 'Number of images, or of stops of a walk.', lower_bound=1)
_SEED = flags.DEFINE_integer('seed', 0, 'Image i depends on this and on i.')
_CHECKPOINT = flags.DEFINE_string('checkpoint', 'newest', "'newest', 'best' or a step.")
_BATCH_SIZE = flags.DEFINE_integer('batch_size', 256, 'Images at a time.', lower_bound=1)
_LABEL = flags.DEFINE_string(
    'label',
    None,
    'The class by name or number, or all; drawn by default, one for a whole walk.',
)
_TRUNCATION = flags.DEFINE_float('truncation', None, 'Largest absolute value in a latent.')
_GUIDANCE = flags.DEFINE_float(
    'guidance', None, 'Factor of guidance, of a flow that has it; as configured.'
)
_BEST_OF = flags.DEFINE_integer(
    'best_of', 1, 'Samples of which the most realistic becomes an image.', lower_bound=1
)
_INTERPOLATE = flags.DEFINE_bool('interpolate', False, 'Walk through latent space.')
_OVERWRITE = flags.DEFINE_bool('overwrite', False, 'Replace what is at --output.')
_FRAMES = flags.DEFINE_integer('frames', 16, 'Images between two stops.', lower_bound=1)
_PROJECT = flags.DEFINE_list('project', [], 'Image files whose latents to search for.')
_AGAIN = flags.DEFINE_list('again', [], 'Saved pictures (PNG) to make once more.')
_ALL = 'all'
# The optional flags that each kind of call reads; all others but --frames make new images.
_READ = {
    'again': {'again'},
    'project': {'project', 'seed', 'label', 'extractor'},
    'interpolate': {'interpolate', 'num', 'seed', 'label', 'truncation', 'frames', 'guidance'},
}
_OPTIONAL = set().union(*_READ.values(), {'best_of', 'batch_size'})
_MOST_PIXELS = 2**28  # Of a sheet, which is made in memory.
_EXTRACTOR = flags.DEFINE_enum(
    'extractor',
    None,
    list(features.EXTRACTORS),
    'Features that --project compares in addition to pixels; by default only pixels. Also those '
    "by which --best_of chooses; by default those of the run's config.",
)


def main(argv):
    del argv
    devices.cache_compilations()
    output = _checked(pathlib.Path(_OUTPUT.value))
    recipes = [recipe.read_png(pathlib.Path(path)) for path in _AGAIN.value]
    restored = load.load(_WORKDIR.value, which=_CHECKPOINT.value)
    sampling.check(restored)
    if _GUIDANCE.value is not None:
        restored = load.with_guidance(restored, _GUIDANCE.value)
    key = keys.stream(_SEED.value, 'sample')
    if recipes:
        _write(output, recipe.make(restored, recipes))
        print(f'{output}: step {restored.step} of {_WORKDIR.value}')
        return
    if _PROJECT.value:
        _project(key, restored, output)
    elif _INTERPOLATE.value:
        _walk(key, restored, output)
    else:
        _generate(key, restored, output)
    print(f'{output}: step {restored.step} of {_WORKDIR.value}, seed {_SEED.value}')
    if _LABEL.value == _ALL and restored.class_names:
        listed = skipped.printable(', '.join(restored.class_names))
        print(f'classes, {_NUM.value} of each in this order: {listed}')


def _generate(key, restored, output: pathlib.Path) -> None:
    count, label, columns = _NUM.value, _LABEL.value, None
    if label == _ALL:
        classes, columns = sampling.num_classes(restored), count
        count, label = classes * columns, np.arange(classes, dtype=np.int32).repeat(columns)
    image = restored.batch.get('image')  # A run that holds its images has none to copy.
    pixels = count * (0 if image is None else image[0, ..., 0].size)
    if not _is_folder(output) and pixels > _MOST_PIXELS:
        raise UserError(
            f'--num={_NUM.value} makes a sheet of {count:,} images: lower it, or give a folder.'
        )
    chunks = _chunks(key, restored, count, label)
    progress = Progress(count, unit='image')
    done, kept, numbers = 0, [], []
    for chunk, of_chunk in chunks:
        made = images.to_uint8(chunk)
        numbers.append(of_chunk)
        if not _is_folder(output):
            kept.append(made)
        else:
            _write_files(output, made, first=done)
        done += len(made)
        progress.advance(done)
    progress.close()
    if kept:
        images.write_png(output, images.grid(np.concatenate(kept), columns=columns))
    numbers = np.concatenate(numbers)
    label = selection.labels(key, restored, count, _BEST_OF.value, label)
    if isinstance(label, np.ndarray):
        label = label[numbers]
    inputs = sampling.drawn(key, restored, numbers, label=label, truncation=_TRUNCATION.value)
    _save_latents(output, restored, inputs)


def _chunks(key, restored, count: int, label):
    """Yields chunks of images, and the number of the sample that each of them is."""
    how = {'batch_size': _BATCH_SIZE.value, 'label': label, 'truncation': _TRUNCATION.value}
    if _BEST_OF.value > 1:
        how['extractor'] = _EXTRACTOR.value
        yield from selection.best_of(key, restored, count, _BEST_OF.value, **how)
        return
    first = 0
    for chunk in sampling.generate(key, restored, count, **how):
        made = chunk[restored.method.output]
        yield made, np.arange(first, first + len(made))
        first += len(made)


def _walk(key, restored, output: pathlib.Path) -> None:
    path = sampling.walk(
        key, restored, _NUM.value, frames_between=_FRAMES.value, truncation=_TRUNCATION.value
    )
    label = _given_label(restored)
    if label is None and restored.method.num_classes is not None:
        label = int(sampling.draw_labels(key, restored, 1)[0])
    progress = Progress(len(path), unit='frame')
    frames = sampling.from_latents(key, restored, path, label=label, advance=progress.advance)
    progress.close()
    frames = images.to_uint8(frames)
    _write(output, frames)
    labels = {} if label is None else {'label': np.full(len(path), label, np.int32)}
    _save_latents(output, restored, {'latent': path, **labels})


def _project(key, restored, output: pathlib.Path) -> None:
    """Writes the given images, each with the result on its right."""
    height, width, channels = restored.batch['image'].shape[1:]
    kept = {'alpha': True} if channels == 4 else {'channels': channels}
    given = fixed.read(_PROJECT.value, size=(height, width), option='--project', **kept)
    label, count = _given_label(restored), len(given)
    labels = None if label is None else np.full(count, label, np.int32)
    if label is None and restored.method.num_classes is not None:
        labels = np.asarray(sampling.draw_labels(key, restored, count))
    extractor = None if _EXTRACTOR.value is None else features.make(_EXTRACTOR.value)
    found = projection.project(
        key, restored, images.from_uint8(given), labels=labels, extractor=extractor
    )
    for path, error in zip(_PROJECT.value, found.errors, strict=True):
        print(f'{path}: mean squared error {error:.4f} (pixels in [-1, 1])')
    _write(output, np.concatenate([given, images.to_uint8(found.images)], axis=2))
    labels = {} if labels is None else {'label': labels}
    _save_latents(output, restored, {'latent': found.latents, **labels})


def _given_label(restored) -> int | None:
    """Returns the number of the class that --label names; None without it."""
    if _LABEL.value == _ALL:
        raise UserError(
            '--label=all does not go with --interpolate or --project: name one class, or leave it '
            'out.'
        )
    return None if _LABEL.value is None else sampling.class_number(restored, _LABEL.value)


def _save_latents(output: pathlib.Path, restored, inputs: dict[str, np.ndarray]) -> None:
    """Saves latents and labels in the order of the images, if the run has latents."""
    if 'latent' not in inputs:
        return
    with files.writing(_latents_path(output)) as partial, open(partial, 'wb') as file:
        np.savez(file, **inputs, step=restored.step, seed=_SEED.value)


def _latents_path(output: pathlib.Path) -> pathlib.Path:
    return output / 'latents.npz' if _is_folder(output) else output.with_name(f'{output.name}.npz')


def _checked(output: pathlib.Path) -> pathlib.Path:
    """Refuses an output that cannot be written or replaced, before the work."""
    given = cli.given(_OPTIONAL)
    kind = next((kind for kind in _READ if kind in given), None)
    if kind and (idle := sorted(given - _READ[kind])):
        raise UserError(f'--{idle[0]} does nothing with --{kind}: leave it out.')
    if 'frames' in given and not kind:
        raise UserError('--frames does nothing without --interpolate: leave it out.')
    if _EXTRACTOR.value and not _PROJECT.value and _BEST_OF.value == 1:
        raise UserError('--extractor does nothing without --project or --best_of: leave it out.')
    walks = kind == 'interpolate'
    if walks and _NUM.value < 2:
        raise UserError('--num=1 is no walk: give 2 stops or more.')
    suffixes = animation.SUFFIXES if walks else ('.png',)
    if not _is_folder(output) and output.suffix not in suffixes:
        file = 'a .mp4, .gif or .webp for the walk' if walks else 'a .png for a sheet'
        raise UserError(f'--output={output} cannot be written: give a folder, or {file}.')
    for path in (output, _latents_path(output)):  # The one that was typed first.
        files.refuse_foreign(path, overwrite=_OVERWRITE.value)
    return output


def _write(output: pathlib.Path, pictures: np.ndarray) -> None:
    if _is_folder(output):
        _write_files(output, pictures, first=0)
    elif output.suffix == '.png':
        images.write_png(output, images.grid(pictures))
    else:
        animation.write(output, pictures)


def _is_folder(output: pathlib.Path) -> bool:
    return output.is_dir() or not output.suffix or _OUTPUT.value.endswith('/')


def _write_files(folder: pathlib.Path, pictures: np.ndarray, *, first: int) -> None:
    if first == 0:  # Images of an older call must not stand among these.
        for older in folder.glob('[0-9][0-9][0-9][0-9][0-9][0-9].png'):
            older.unlink()
    for index, picture in zip(itertools.count(first), pictures, strict=False):
        images.write_png(folder / f'{index:06d}.png', picture)


if __name__ == '__main__':
    flags.mark_flags_as_required(['workdir', 'output'])
    cli.run(main)
