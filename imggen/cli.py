"""How every command starts and ends: configs and flags are read, errors are one sentence.

A command takes its config as `--config=NAME` (a shipped config), `--config=FILE`, or either of
them with an argument for its structure, `--config=gan_folder:size=64`. After it,

    --config.method.learning_rate=1e-3                sets one option,
    --config.method.generator="{'features': 16}"      replaces a whole section,
    --config.method.generator={}                      leaves a section at its defaults.

Replacing a section is what swaps a network, whose options the next one may not have:

    --config.method.network=residual --config.method.generator={}
    --config.method.generator.features=64,32
"""

import ast
import difflib
import functools
import importlib.util
import math
import os
import pathlib
import re
import shlex
import signal
import sys
import types
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from absl import app, flags, logging
from ml_collections import ConfigDict, config_flags

from imggen import files, options
from imggen.errors import UserError

flags.disclaim_key_flags()  # `define_config` defines a flag of the module that calls it.

_PACKAGE = pathlib.Path(__file__).parent
# Inside the package if it was installed, beside it in a clone.
_CONFIGS = next(
    folder / 'configs' for folder in (_PACKAGE, _PACKAGE.parent) if (folder / 'configs').is_dir()
)

_HELP = (
    'What to run: NAME of a shipped config or FILE, with :argument for its structure. '
    '--config.SECTION.OPTION=VALUE sets an option, --config.SECTION={...} replaces a section '
    'and --config.SECTION={} leaves it at its defaults.'
)


def run(main: Callable[[list[str]], int | None]) -> None:
    """Runs a command: absl flags, then `main(argv)`.

    After a UserError, after a file that cannot be read or written, after a flag or an option that
    does not exist, and after an address where a path belongs, the process prints one sentence on
    standard error and exits with status 1.
    After Ctrl-C the status is 130. If a reader closed the pipe (`... | head`), it is the shell's
    141.
    """
    # JAX and Orbax log a lot at the level INFO. XLA, in C++, also warns of what no user can mend.
    logging.set_verbosity(logging.WARNING)
    # A warning is a sentence, too, without the source line that logged it.
    logging.get_absl_handler().setFormatter(None)
    # Pillow warns of damaged files, which are read or named anyway.
    warnings.filterwarnings('ignore', module=r'PIL\.')
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
    # The name of a file may be no text; it is printed byte for byte.
    sys.stdout.reconfigure(errors='surrogateescape')
    app.run(functools.partial(status, main), flags_parser=_parse)


def status(main: Callable[[list[str]], int | None], argv: list[str]) -> int | None:
    """Calls `main` as `run` does, and returns the status of the process."""
    try:
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return main(argv)
    except UserError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('interrupted; the same command continues a run or a sweep', file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Python flushes standard output once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        if error.strerror is None or isinstance(error, ConnectionError):
            raise
        named = 'a file' if error.filename is None else error.filename
        print(
            f'error: {named} cannot be read or written ({error.strerror}): make room, check the '
            'rights, or name another place.',
            file=sys.stderr,
        )
        return 1


def command_line() -> str:
    """Returns the command that started this process, as a user would type it."""
    spec = sys.modules['__main__'].__spec__
    program = f'python -m {spec.name}' if spec else f'python {sys.argv[0]}'
    return f'{as_typed(program)} {shlex.join(sys.argv[1:])}'


def as_typed(text: str) -> str:
    """Writes commands as `imggen train --config=gan_folder` if this one was started like that."""
    spec = sys.modules['__main__'].__spec__
    if spec is None or not spec.name.startswith('imggen.'):
        return text

    def words(match):
        return 'imggen ' + match[1].replace('.', ' ')

    text = re.sub(r'python -m (?:imggen\.)?experiments\.([\w.]*\w)', words, text)
    return re.sub(r'configs/(\w+)\.py', r'\1', text)


def define_config(*, flag_values: flags.FlagValues = flags.FLAGS) -> flags.FlagHolder:
    """Defines the flag --config; its value is a ConfigDict.

    Options of a section are checked where they are read, since a config may leave options at
    their defaults. Sections and options at the top level are checked here.
    """
    holder = config_flags.DEFINE_config_file(
        'config', None, _HELP, flag_values, lock_config=False, accept_new_attributes=True
    )
    flag_values['config'].parser = _ConfigParser()
    return holder


def given_config() -> tuple[str, dict[str, Any]]:
    """Returns --config as it was given, and the overrides by option: {'method.loss': 'hinge'}."""
    flag = flags.FLAGS['config']
    overrides = {
        name: value.to_dict() if isinstance(value, ConfigDict) else value
        for name, value in config_flags.get_override_values(flag).items()
    }
    return config_flags.get_config_filename(flag), overrides


def load_config(name: str) -> ConfigDict:
    """Returns a config by name or file, with an argument after a colon: 'gan_folder:size=64'.

    Raises:
      UserError: there is no such config, or it does not take the argument.
    """
    path, *argument = name.split(':', 1)
    return load_config_module(path).get_config(*argument)


def load_config_module(name: str | os.PathLike) -> types.ModuleType:
    """Imports a config by name or file; the module may define more than `get_config`.

    Config files import each other by names such as `configs.common`. The name `configs` is bound
    to the folder of the shipped configs, so that these imports also work outside of a clone and in
    users' own config files.

    Raises:
      UserError: there is no such config.
    """
    path = find_config(name)
    if path.suffix != '.py':
        raise UserError(f'--config={name} is not a Python file: name one of configs/.')
    if 'configs' not in sys.modules:
        _import_file('configs', _CONFIGS / '__init__.py', folders=[str(_CONFIGS)])
    return _import_file(f'config_{path.stem}', path)


def find_config(name: str | os.PathLike) -> pathlib.Path:
    """Returns the file of a config, given its path or the name of a shipped config.

    Raises:
      UserError: there is no such config.
    """
    path = pathlib.Path(name)
    if path.is_file():
        return path
    shipped = {file.stem: file for file in _CONFIGS.glob('*.py')}
    for other in ('__init__', 'common'):
        del shipped[other]
    if str(name) in shipped:
        return shipped[str(name)]
    close = difflib.get_close_matches(path.stem, shipped, n=1)
    hint = f'did you mean {close[0]!r}?' if close else f'the shipped ones are in {_CONFIGS}.'
    raise UserError(f'--config={name} is neither a file nor a shipped config: {hint}')


def height_and_width(flag: flags.FlagHolder) -> tuple[int, int]:
    """Reads a list flag that holds height,width, or WIDTHxHEIGHT as image tools write it.

    Raises:
      UserError: it does not hold two positive integers.
    """
    try:
        parts = flag.value[0].split('x')[::-1] if len(flag.value) == 1 else flag.value
        height, width = map(int, parts)
        if min(height, width) < 1:
            raise ValueError
    except ValueError as error:
        given = ','.join(flag.value)
        raise UserError(
            f'--{flag.name}={given} is not height,width: give two numbers, for example '
            f'--{flag.name}=64,48.'
        ) from error
    return height, width


def given(names: Iterable[str]) -> set[str]:
    """Returns the names of those flags that ask for something; 0 is a value as any other."""

    def is_given(flag):
        is_off = flag.value is False or flag.value in (None, '', [])
        return bool(flag.present) and not is_off

    return {name for name in names if is_given(flags.FLAGS[name])}


class _ConfigParser(flags.ArgumentParser):
    """Finds configs by name, replaces sections, and names options that do not exist."""

    def parse(self, path: str) -> ConfigDict:
        config = load_config(path)
        for option, text in _options(flags.FLAGS.read_flags_from_files(sys.argv)):
            section, name = _section(config, option)
            is_section = name not in section or isinstance(section[name], ConfigDict)
            if is_section and text.startswith('{'):
                section[name] = ConfigDict(_dictionary(option, text))
        return config


def _options(argv: list[str]) -> Iterator[tuple[str, str]]:
    """Yields ('method.loss', 'hinge') for --config.method.loss=hinge."""
    for argument, following in zip(argv, [*argv[1:], ''], strict=True):
        match = re.fullmatch(r'--?(?:no)?config\.([^=]+)(?:=(.*))?', argument, re.DOTALL)
        if match:
            yield match[1], following if match[2] is None else match[2]


def _section(config: ConfigDict, option: str) -> tuple[ConfigDict, str]:
    """Returns the section that holds an option, and the option's name in it."""
    section, done = config, '--config'
    *parents, name = option.split('.')
    for part in parents:
        if part not in section:
            known = [key for key in section if _is_section(section, key)]
            if section is config and not difflib.get_close_matches(part, known):
                hint = f': {_suggestion(config, name)}'
            else:
                hint = f', {options.suggestion(part, known)}' if known else '.'
            raise UserError(
                f'--config.{option} is not an option of this config: {done} has no section '
                f'{part!r}{hint}'
            )
        if not _is_section(section, part):
            raise UserError(
                f'--config.{option} is not an option of this config: {done}.{part} is a value, '
                'not a section.'
            )
        section, done = section[part], f'{done}.{part}'
    if not parents and name not in section:
        raise UserError(
            f'--config.{option} is not an option of this config: {_suggestion(config, name)}'
        )
    return section, name.split('[')[0]


def _suggestion(config: ConfigDict, name: str) -> str:
    """Names the option that is like `name`, inside or outside of sections."""
    sections = [part for part in config if _is_section(config, part)]
    inside = {key: f'{part}.{key}' for part in reversed(sections) for key in config[part]}
    close = difflib.get_close_matches(name, [*config, *inside], n=1)
    if close and close[0] in inside and close[0] not in config:
        return f'did you mean --config.{inside[close[0]]}?'
    return options.suggestion(name, list(config))


def _is_section(section: ConfigDict, name: str) -> bool:
    return isinstance(section[name], ConfigDict)


def _dictionary(option: str, text: str) -> dict:
    try:
        value = ast.literal_eval(text)
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise ValueError
    except (SyntaxError, ValueError) as error:
        raise UserError(
            f"--config.{option}={text} is not a section: write it as {{'option': value}}, or {{}} "
            'for the defaults.'
        ) from error
    return value


def _import_file(
    name: str, path: pathlib.Path, *, folders: list[str] | None = None
) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=folders)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _print_help(argv: list[str]) -> int:
    del argv
    print(as_typed(sys.modules['__main__'].__doc__ or ''))
    print(f'Flags:{flags.FLAGS.main_module_help()}', flush=True)
    return 0


def _parse(argv: list[str]) -> list[str]:
    if {'--help', '-help', '-h'} & set(argv[1:]):
        sys.exit(status(_print_help, argv))
    try:
        for argument in flags.FLAGS.read_flags_from_files(argv[1:]):
            files.refuse_address(argument)
        rest = flags.FLAGS(argv)
        _check_finite(flags.FLAGS)
        if 'config' in flags.FLAGS and isinstance(flags.FLAGS['config'].value, ConfigDict):
            options.resolve(flags.FLAGS['config'].value)
        return rest
    except KeyError as error:
        message = str(error.args[0] if error.args else error)
    except (UserError, flags.Error, AttributeError, TypeError, ValueError) as error:
        message = str(error)
    print(f'error: {_plain(" ".join(message.split()))}', file=sys.stderr)
    sys.exit(1)


def _plain(message: str) -> str:
    """Says in words what absl and Python say of a flag."""
    missing = re.fullmatch(
        r'flag (--\w+)=None: Flag \1 must have a value other than None\.', message
    )
    if missing:
        return f'{missing[1]} is missing: give it a value.'
    early = re.match(r'Found (--\w+)(\S+) in argv before a value for', message)
    if early:
        return f'{early[1]}{early[2]} stands before {early[1]}: put {early[1]} first.'
    boolean = r"\('Non-boolean argument to boolean flag', ('.*')\)"
    message = re.sub(boolean, r'\1 is neither true nor false', message)
    message = re.sub(
        r'value should be one of <\|?(.*)>',
        lambda found: f'choose one of {found[1].replace("|", ", ")}',
        message,
    )
    message = re.sub(
        r'invalid literal for int\(\) with base 10: (.*)', r'\1 is no integer', message
    )
    return re.sub(r'could not convert string to float: (.*)', r'\1 is no number', message)


def _check_finite(values: flags.FlagValues) -> None:
    """Refuses --strength=nan, which lies within all bounds since it compares with none."""
    for name, value in values.flag_values_dict().items():
        is_number = isinstance(value, float) and not name.startswith('config.')
        if is_number and not math.isfinite(value):
            raise UserError(f'--{name}={value} is no finite number.')
