"""Writes one self-contained HTML page about runs.

  python -m experiments.report WORKDIR_OR_SWEEP... [--output=report.html]

The page opens from disk and asks the network for nothing. By default it is written into the
folder that it is about; several folders need --output. A page replaces an older page; any other
file only with --overwrite.
"""

from absl import flags

from imggen import cli, report

_OUTPUT = flags.DEFINE_string(
    'output', None, 'The page to write; by default report.html in the folder.'
)
_OVERWRITE = flags.DEFINE_bool('overwrite', False, 'Replace a file that is not such a page.')


def main(argv):
    page = report.write(argv[1:], output=_OUTPUT.value, overwrite=_OVERWRITE.value)
    print(f'{page} ({page.stat().st_size / 1e6:.1f} MB)')


if __name__ == '__main__':
    cli.run(main)
