"""Lists and runs the commands.

`imggen train ...` does what `python -m experiments.train ...` does, once imggen is installed. In a
clone, `python -m experiments train ...` does so, too.
"""

import ast
import difflib
import pathlib
import runpy
import sys

_GROUPS = ('studies',)  # Their commands take two words: imggen studies rows.


def main() -> int:
    """Runs the command that the first arguments name; returns the exit status."""
    arguments, commands = sys.argv[1:], _commands()
    if not arguments or arguments[0] in ('help', '--help', '-h'):
        print(_help(commands))
        return 0
    num_words = 2 if arguments[0] in _GROUPS else 1
    name = ' '.join(arguments[:num_words])
    if name not in commands:
        close = difflib.get_close_matches(' '.join(arguments[:2]), commands, n=1)
        close = close or difflib.get_close_matches(name, commands, n=1)
        hint = f'did you mean {close[0]!r}' if close else 'imggen --help lists all'
        print(f'error: {name!r} is not a command: {hint}.', file=sys.stderr)
        return 1
    sys.argv[1:] = arguments[num_words:]
    module = name.replace(' ', '.')
    runpy.run_module(f'{__package__}.{module}', run_name='__main__', alter_sys=True)
    return 0


def _commands() -> dict[str, pathlib.Path]:
    """Returns the file of each command, by the words that a user types."""
    folder = pathlib.Path(__file__).parent
    commands = {'prepare': folder / 'prepare' / '__main__.py'}
    for group in ('', *_GROUPS):
        for path in sorted((folder / group).glob('[!_]*.py')):
            commands[f'{group} {path.stem}'.strip()] = path
    return dict(sorted(commands.items(), key=lambda item: (' ' in item[0], item[0])))


def _help(commands: dict[str, pathlib.Path]) -> str:
    """Lists the commands, each with the first line of its docstring."""
    width = max(map(len, commands))
    lines = ['Usage: imggen COMMAND [--flag=value ...]', '']
    for name, path in commands.items():
        # The file is parsed and not imported, since the import would load JAX.
        summary = ast.get_docstring(ast.parse(path.read_text(encoding='utf-8'))).splitlines()[0]
        lines.append(f'  {name:<{width}}  {summary}')
    return '\n'.join([*lines, '', 'imggen COMMAND --help describes a command and its flags.'])


if __name__ == '__main__':
    sys.exit(main())
