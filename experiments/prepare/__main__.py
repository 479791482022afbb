"""Makes data sets: free ones by name, portraits from photographs, and benchmarks.

python -m experiments.prepare                                 lists all
python -m experiments.prepare emoji --output=data/emoji       fetches a set
python -m experiments.prepare faces --source=photographs/ --output=faces/
"""

import ast
import difflib
import pathlib
import runpy
import sys

_NAMED = 'named'  # The module that makes all sets with a name.


def main() -> int:
    """Runs the command that the first argument names; returns the exit status."""
    arguments, commands = sys.argv[1:], _commands()
    if not arguments or arguments[0] in ('help', '--help', '-h'):
        print(_help(commands))
        return 0
    from imggen.data.free.sets import SETS

    name = arguments[0]
    if name not in (*commands, *SETS):
        close = difflib.get_close_matches(name, [*commands, *SETS], n=1)
        hint = f'did you mean {close[0]!r}' if close else 'experiments.prepare --help lists all'
        print(f'error: {name!r} is not a data set: {hint}.', file=sys.stderr)
        return 1
    if name in commands:
        sys.argv[1:] = arguments[1:]
    module = name if name in commands else _NAMED
    runpy.run_module(f'{__package__}.{module}', run_name='__main__', alter_sys=True)
    return 0


def _commands() -> dict[str, pathlib.Path]:
    """Returns the files of the commands that make sets from a user's own pictures."""
    paths = sorted(pathlib.Path(__file__).parent.glob('[!_]*.py'))
    return {path.stem: path for path in paths if path.stem != _NAMED}


def _help(commands: dict[str, pathlib.Path]) -> str:
    from imggen.data.free.sets import SETS

    width = max(map(len, [*SETS, *commands]))
    lines = ['Usage: python -m experiments.prepare NAME [--flag=value ...]', '']
    lines += ['Free sets, with the size of the download and the license:']
    for name, dataset in SETS.items():
        lines.append(f'  {name:<{width}}  {dataset.summary}')
        lines.append(f'  {"":<{width}}  {dataset.megabytes} MB; {dataset.license}')
    lines += ['', 'Sets from your own pictures:']
    for name, path in commands.items():
        summary = ast.get_docstring(ast.parse(path.read_text(encoding='utf-8'))).splitlines()[0]
        lines.append(f'  {name:<{width}}  {summary}')
    return '\n'.join([*lines, '', 'NAME --help describes a command and its flags.'])


if __name__ == '__main__':
    sys.exit(main())
