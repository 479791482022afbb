"""How every entry point starts and ends: flags read, errors said in one sentence."""

import sys
from collections.abc import Callable

from absl import app, flags, logging

from imggen.errors import UserError


def run(main: Callable[[list[str]], int | None]) -> None:
    """Runs an entry point: absl flags, then `main(argv)`.

    A UserError and a flag or config option that does not exist end with one
    sentence on standard error and status 1; Ctrl-C ends with status 130.
    """

    def guarded(argv):
        try:
            return main(argv)
        except UserError as error:
            print(f'error: {error}', file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print('interrupted; the same command goes on from the last checkpoint', file=sys.stderr)
            return 130

    # JAX and Orbax narrate at the level of information; what is left are warnings.
    logging.set_verbosity(logging.WARNING)
    app.run(guarded, flags_parser=_parse)


def _parse(argv: list[str]) -> list[str]:
    try:
        return flags.FLAGS(argv)
    except UserError as error:
        message = str(error)
    except flags.Error as error:
        message = str(error)
    except (AttributeError, KeyError, TypeError, ValueError, FileNotFoundError) as error:
        # ml_collections raises these while it loads a config and applies its overrides.
        message = str(error.args[0] if error.args else error)
    print(f'error: {" ".join(message.split())}', file=sys.stderr)
    sys.exit(1)
