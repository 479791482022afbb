"""What configs share: structure from the argument after the colon, and run defaults."""

from ml_collections import ConfigDict

from imggen import options
from imggen.errors import UserError


def parse(arg: str | None, **defaults) -> ConfigDict:
    """Reads 'key=value,flag,...' over typed defaults.

    A bare key is a flag: 'smoke' is 'smoke=True'.

    Args:
      arg: what stands after the colon of --config, or None.
      **defaults: the known keys; a value takes the type of its default.

    Raises:
      UserError: an unknown key, or a value of another type.
    """
    values = ConfigDict(defaults)
    for part in filter(None, (arg or '').split(',')):
        key, _, text = part.partition('=')
        if key not in defaults:
            raise UserError(f'config argument {key!r}: {options.suggestion(key, list(defaults))}.')
        default = defaults[key]
        try:
            if isinstance(default, bool):
                values[key] = {'true': True, 'false': False, '': True}[text.lower()]
            else:
                values[key] = type(default)(text)
        except (KeyError, ValueError) as error:
            kind = type(default).__name__
            raise UserError(f'config argument {key}={text!r} is no {kind}.') from error
    return values


def run(*, smoke: bool, **options) -> ConfigDict:
    """Returns the `run` section; with `smoke` every hook fires within a few steps."""
    section = ConfigDict(options)
    if smoke:
        for name in options:
            if name.endswith('_every_steps') and section[name]:
                section[name] = 1
        section.num_samples = 4
    return section


def pictures(arg: ConfigDict, *, batch_size: int) -> ConfigDict:
    """Returns the `data` section of a config that runs on pictures of several kinds.

    Args:
      arg: `data`, one of fashion_mnist, digits and folder; `kind`, the one class to keep,
        '' for all; `size` in pixels and square, of a folder, whose path is
        --config.data.path.
      batch_size: images a step.
    """
    section = ConfigDict({'name': arg.data, 'batch_size': batch_size})
    if arg.data == 'folder':
        section.update({'path': '', 'size': (arg.size, arg.size), 'fit': 'crop'})
        section.augment = ConfigDict({'flip': True})
    elif arg.data in ('fashion_mnist', 'digits'):
        section.class_names = (arg.kind,) if arg.kind else ()
    else:
        raise UserError(
            f'config argument data={arg.data!r} is no choice: there are fashion_mnist, digits '
            'and folder.'
        )
    return section


def teaching(arg: str | None, *, method: str, scores: tuple[str, ...]) -> ConfigDict:
    """Returns a row of the evaluators' table, all but the options of its method.

    Args:
      arg: what stands after the colon of --config: smoke, and as for `pictures`.
      method: config.method.name.
      scores: config.run.scores.
    """
    arg = parse(arg, smoke=False, data='fashion_mnist', kind='', size=32)
    config = ConfigDict()
    config.seed = 0
    config.total_images = 128 if arg.smoke else 60_000
    config.data = pictures(arg, batch_size=16)
    config.method = ConfigDict()
    config.method.name = method
    config.method.num_steps = config.get_ref('total_images') // config.data.get_ref('batch_size')
    config.run = run(
        smoke=arg.smoke,
        scores=scores,
        log_every_steps=200,
        sample_every_steps=1000,
        checkpoint_every_steps=4000,
    )
    return config
