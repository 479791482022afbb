"""How every entry point starts and ends: flags read, errors said in one sentence."""

import os
import pathlib
import re
import sys
from collections.abc import Callable

from absl import app, flags, logging
from ml_collections import config_flags

from imggen import options
from imggen.errors import UserError

# For DEFINE_config_file: options that a config leaves at their defaults can be set too. What
# there is, the part that reads an option knows; it names what it does not.
ANY_OPTION = {'lock_config': False, 'accept_new_attributes': True}


def run(main: Callable[[list[str]], int | None]) -> None:
    """Runs an entry point: absl flags, then `main(argv)`.

    A UserError and a flag or config option that does not exist end with one
    sentence on standard error and status 1; Ctrl-C ends with status 130, and a reader
    that closed the pipe (`... | head`) with the shell's 141.
    """

    def guarded(argv):
        try:
            return main(argv)
        except UserError as error:
            print(f'error: {error}', file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print('interrupted; the same command goes on with a run or a sweep', file=sys.stderr)
            return 130
        except BrokenPipeError:
            # Python flushes standard output once more at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141

    # JAX and Orbax narrate at the level of information; what is left are warnings.
    logging.set_verbosity(logging.WARNING)
    app.run(guarded, flags_parser=_parse)


def _parse(argv: list[str]) -> list[str]:
    try:
        rest = flags.FLAGS(argv)
        _check_config_files()
        return rest
    except (UserError, flags.Error) as error:
        message = str(error)
    except (AttributeError, KeyError) as error:
        # ml_collections refuses an override with the last part of its name.
        message = _unknown_override(str(error.args[0] if error.args else error), argv)
    except (TypeError, ValueError) as error:
        message = str(error)
    print(f'error: {" ".join(message.split())}', file=sys.stderr)
    sys.exit(1)


def _check_config_files() -> None:
    """Raises UserError for a config file that is not there, or an option outside its sections."""
    for flag in map(flags.FLAGS.__getitem__, flags.FLAGS):
        # Only the flag of a config file has the attribute, and only where it was given.
        if flag.value is not None and hasattr(flag, 'config_filename'):
            path = pathlib.Path(flag.config_filename.split(':')[0])
            if not path.is_file():
                raise UserError(f'--{flag.name}={path} is no file: name one of configs/.')
            written = flag.parser.parse(flag.config_filename)  # Without what the flags added.
            for name in config_flags.get_override_values(flag):
                if '.' not in name and name not in written:
                    hint = options.suggestion(name, list(written))
                    raise UserError(f'--{flag.name}.{name} is no option of this config: {hint}.')


def _unknown_override(message: str, argv: list[str]) -> str:
    """Returns a sentence that names the option of `argv` which a message like "'lr'" is about."""
    if deeper := re.search(r'lookup: ([\w.]+)', message):
        return f'--config.{deeper[1]} is no option of this config: it goes too deep.'
    quoted = re.findall(r'\w+', message.replace(r'\n', ' '))
    for option in (argument.split('=')[0] for argument in argv if argument.startswith('--')):
        if quoted and quoted[0] in option.split('.')[1:]:
            there = re.search(r'Did you mean "(\w+)"', message)
            hint = f'did you mean {there[1]!r}' if there else 'the config file lists what there is'
            return f'{option} is no option of this config: {hint}.'
    return message
