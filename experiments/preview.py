r"""Shows the images that a config feeds to its networks, before anything is trained.

python -m experiments.preview --config=configs/gan_folder.py:moved --config.data.path=DIR
    --output=preview.png [--num=8] [--versions=7]

Each row holds an image and then versions of it, augmented by config.data.augment. If the
discriminator's images are augmented too (config.method.augment), a second row shows that. If the
config has pairs, each row holds four augmented pairs of input and target.
"""

from absl import flags

from imggen import cli, files, images
from imggen.data.preview import preview
from imggen.errors import UserError

_CONFIG = cli.define_config()
_OUTPUT = flags.DEFINE_string('output', 'preview.png', 'The sheet, a .png file.')
_OVERWRITE = flags.DEFINE_bool('overwrite', False, 'Replace a file at --output.')
_NUM = flags.DEFINE_integer('num', 8, 'Number of images.', lower_bound=1)
_VERSIONS = flags.DEFINE_integer(
    'versions', 7, 'Number of augmented versions of each.', lower_bound=1
)


def main(argv):
    del argv
    if not _OUTPUT.value.endswith('.png'):
        raise UserError(f'--output={_OUTPUT.value} cannot be written: give a .png file.')
    files.refuse_overwrite([_OUTPUT.value], overwrite=_OVERWRITE.value)
    shown = preview(_CONFIG.value.to_dict(), num_images=_NUM.value, versions=_VERSIONS.value)
    images.write_png(_OUTPUT.value, shown.sheet)
    print(f'{_OUTPUT.value}: {shown.description}')


if __name__ == '__main__':
    flags.mark_flags_as_required(['config'])
    cli.run(main)
