"""Configs by name or file, and options of the command line."""

import os
import pathlib
import subprocess
import sys

import pytest
from absl import flags

from imggen import cli, methods
from imggen.errors import UserError


@pytest.fixture
def parse(monkeypatch):
    def parse(*arguments):
        argv = ['train', *arguments]
        monkeypatch.setattr(sys, 'argv', argv)
        values = flags.FlagValues()
        holder = cli.define_config(flag_values=values)
        values(argv)
        return holder.value

    return parse


def test_a_config_is_found_by_name_by_file_and_with_an_argument(parse):
    by_name = parse('--config=gan_folder:size=32')
    assert by_name.data.size == (32, 32)
    by_file = parse(f'--config={cli.find_config("gan_folder")}:size=32')
    assert by_file.to_dict() == by_name.to_dict() == cli.load_config('gan_folder:size=32').to_dict()


def test_options_are_set_also_where_the_config_leaves_their_default(parse):
    config = parse('--config=gan_folder', '--config.method.latent_size=7', '--config.seed', '3')
    assert config.method.latent_size == 7 and config.seed == 3
    assert not parse('--config=gan_folder', '--noconfig.data.augment.flip').data.augment.flip


def test_a_network_is_swapped_with_its_options(parse):
    network = ['--config=gan_folder', '--config.method.network=residual']
    clear = ['--config.method.generator={}', '--config.method.discriminator={}']
    with pytest.raises(flags.Error):  # As the integer that the first network takes.
        parse(*network, '--config.method.generator.features=8,4')
    config = parse(*network, *clear, '--config.method.generator.features=8,4')
    assert config.method.generator.to_dict() == {'features': (8, 4)}
    assert config.method.discriminator.to_dict() == {}
    config = parse(*network, "--config.method.generator={'features': (8, 4)}", clear[1])
    assert config.method.generator.features == (8, 4)
    methods.make(config.method.to_dict())


def test_a_section_that_the_config_leaves_out_is_added(parse):
    config = parse('--config=gan_folder', "--config.method.augment={'kinds': ('color',)}")
    assert config.method.augment.kinds == ('color',)


def test_text_in_braces_stays_text(parse):
    assert parse('--config=gan_folder', '--config.data.path={a}').data.path == '{a}'


@pytest.mark.parametrize(
    'options, message',
    [
        (['--config=gan_foldr'], "gan_foldr is neither a file nor .* did you mean 'gan_folder'"),
        (['--config.sed=1'], "config.sed is not an option of this config: did you mean 'seed'"),
        (['--config.batch_size=8'], 'did you mean --config.data.batch_size?'),
        (['--config.batchsize=8'], 'did you mean --config.data.batch_size?'),
        (['--config.optimizer.learning_rat=1'], 'did you mean --config.method.learning_rate?'),
        (['--config.metod.loss=x'], "--config has no section 'metod', did you mean 'method'"),
        (['--config.method.x.y=1'], "no section 'x', there are augment, discriminator, generator"),
        (['--config.seed.x=1'], 'config.seed is a value, not a section'),
        (['--config.data={'], 'is not a section: write it as'),
    ],
)
def test_mistakes_are_named(parse, options, message):
    with pytest.raises(UserError, match=message):
        parse('--config=gan_folder', *options)


@pytest.mark.parametrize(
    ('said', 'plain'),
    [
        (
            'flag --output=None: Flag --output must have a value other than None.',
            '--output is missing: give it a value.',
        ),
        (
            "flag --config.seed=a: invalid literal for int() with base 10: 'a'",
            "flag --config.seed=a: 'a' is no integer",
        ),
        ("could not convert string to float: 'b'", "'b' is no number"),
        (
            "flag --a=maybe: ('Non-boolean argument to boolean flag', 'maybe')",
            "flag --a=maybe: 'maybe' is neither true nor false",
        ),
        (
            'Found --config.data.path=x in argv before a value for --config was specified',
            '--config.data.path=x stands before --config: put --config first.',
        ),
        ('flag --q=x: value should be one of <|good|best>', 'flag --q=x: choose one of good, best'),
        ('anything else', 'anything else'),
    ],
)
def test_what_flags_say_is_put_in_words(said, plain):
    assert cli._plain(said) == plain


@pytest.mark.parametrize('value', ['nan', 'inf'])
def test_a_number_that_compares_with_no_bound_is_refused(value):
    values = flags.FlagValues()
    flags.DEFINE_float('strength', 0.5, '', 0.0, flag_values=values)
    values(['x'])
    cli._check_finite(values)
    values.strength = float(value)
    with pytest.raises(UserError, match=f'--strength={value} is no finite number'):
        cli._check_finite(values)


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path, capsys):
    (tmp_path / 'a').write_text('')

    def full(_):
        os.write(os.open('/dev/full', os.O_WRONLY), b'x')

    def below_a_file(_):
        (tmp_path / 'a/b.png').write_bytes(b'x')

    for main, named in ((below_a_file, tmp_path), (full, 'a file')):
        assert cli.status(main, []) == 1
        said = capsys.readouterr().err
        assert said.startswith(f'error: {named}') and said.endswith('or name another place.\n')


@pytest.mark.parametrize(
    'argument',
    [
        'gs://a/b',
        '--workdir=gs://a',
        '--config=s3://a.py',
        '--config.data.path=hdfs://a/b',
        '--axis=data.path=http://a/b',
        '--project=a.png,https://a/b.png',
    ],
)
def test_an_address_is_refused_before_a_command_starts(argument, tmp_path, capsys):
    (tmp_path / 'flags').write_text(argument)
    for arguments in ([argument], [f'--flagfile={tmp_path}/flags']):
        with pytest.raises(SystemExit, match='1'):
            cli._parse(['command', *arguments])
        said = capsys.readouterr().err
        assert said.startswith(f'error: {argument} is an address') and said.count('\n') == 1


def test_every_command_refuses_addresses():
    """They all have the one parser of `cli.run`."""
    files = list(pathlib.Path('experiments').rglob('[!_]*.py'))
    assert len(files) > 15
    for path in files:
        assert '\n    cli.run(main)\n' in path.read_text(), path


def test_a_file_of_ones_own_imports_the_shipped_configs(tmp_path):
    file = tmp_path / 'mine.py'
    file.write_text(
        'from configs import common, gan_folder\n'
        'def get_config(arg=None):\n'
        '    return gan_folder.get_config("size=16")\n'
    )
    code = f'from imggen import cli; print(cli.load_config({str(file)!r}).data.size)'
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout == '(16, 16)\n', done.stderr


def test_help_whose_reader_left_ends_in_silence():
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, '-m', 'experiments.train', '--help']
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b'')
