"""Runs that are killed, stopped, filled up, damaged or wrongly asked for."""

import os
import resource
import shutil
import signal

import pytest

from imggen import cli
from imggen.errors import UserError
from imggen.training import train
from imggen.workdir import reader
from imggen.workdir.checkpoint import Checkpoints
from tests.helpers import cases, processes

# The GAN that compiles fastest.
METHOD = {
    'name': 'gan',
    'network': 'perceptron',
    'generator': {'features': (8,)},
    'discriminator': {'features': (4,), 'pieces': 2},
    'latent_size': 4,
    'learning_rate': 1e-3,
    'learning_rate_end': 1.0,
}
NUM_STEPS = 60
SAVE_EVERY = 10


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('resume')


@pytest.fixture(scope='module')
def config(folder):
    return processes.write_config(
        folder,
        method=METHOD,
        num_steps=NUM_STEPS,
        log_every_steps=7,
        checkpoint_every_steps=SAVE_EVERY,
        keep_newest=3,
        sample_every_steps=25,
    )


@pytest.fixture(scope='module')
def whole(folder, config):
    """The run that nothing interrupts."""
    processes.finish(processes.start(config, folder / 'whole'))
    return folder / 'whole'


def unfinished(whole, copy):
    """Copies the whole run as it was before its last checkpoint."""
    shutil.copytree(whole, copy)
    shutil.rmtree(copy / 'checkpoints' / str(NUM_STEPS))
    return copy


def newest(workdir):
    return Checkpoints(workdir / 'checkpoints', read_only=True).newest


def halves(workdir):
    """Returns the checkpoints that are being written."""
    return list((workdir / 'checkpoints').glob('*.orbax-checkpoint-tmp*'))


def catches(process, signum):
    """Whether a process has a handler of its own for a signal."""
    with open(f'/proc/{process.pid}/status') as status:
        caught = next(line for line in status if line.startswith('SigCgt:'))
    return bool(int(caught.split()[1], 16) >> (signum - 1) & 1)


def kill_in_a_save(process, workdir):
    """Kills a run while it writes a checkpoint that is not its first."""

    def caught():
        if newest_on_disk(workdir) is None or not halves(workdir):
            return False
        process.send_signal(signal.SIGSTOP)  # Nothing can be renamed from here on.
        if halves(workdir):
            return True
        process.send_signal(signal.SIGCONT)
        return False

    processes.wait_until(caught, process)
    process.kill()
    processes.finish(process, status=-signal.SIGKILL)


def newest_on_disk(workdir):
    steps = (workdir / 'checkpoints').glob('[0-9]*')
    return max((int(step.name) for step in steps if step.name.isdecimal()), default=None)


def assert_one_sentence(stderr, *parts):
    (line,) = [line for line in stderr.splitlines() if line.startswith('error: ')]
    for part in parts:
        assert str(part) in line, line
    assert line.endswith(('.', '?'))


def test_killed_and_stopped_and_run_again_it_is_the_same_run(folder, config, whole):
    workdir = folder / 'killed'
    kill_in_a_save(processes.start(config, workdir), workdir)
    saved = newest(workdir)
    assert halves(workdir)
    assert saved and saved % SAVE_EVERY == 0
    assert processes.records(workdir)[-1]['step'] >= saved + SAVE_EVERY

    process = processes.start(config, workdir)
    processes.wait_until(lambda: catches(process, signal.SIGTERM), process)
    process.terminate()
    processes.finish(process, status=143)
    stopped = newest(workdir)
    # Where the signal came while XLA compiled for long, nothing new was there to save.
    assert saved <= stopped < NUM_STEPS
    assert reader.read(workdir).info['status'] == 'stopped'

    process = processes.start(config, workdir)
    # Python always catches Ctrl-C; the training catches both signals from the same moment on.
    processes.wait_until(lambda: catches(process, signal.SIGTERM), process)
    process.send_signal(signal.SIGINT)
    processes.finish(process, status=130)
    assert stopped <= newest(workdir) < NUM_STEPS
    assert reader.read(workdir).info['status'] == 'stopped'

    processes.finish(processes.start(config, workdir))
    assert not halves(workdir)
    assert reader.read(workdir).info['status'] == 'finished'
    cases.assert_equal_bits(processes.state(workdir, NUM_STEPS), processes.state(whole, NUM_STEPS))
    assert processes.records(workdir) == processes.records(whole)
    for sheet in ('000025.png', '000050.png', '000060.png'):
        assert (workdir / 'samples' / sheet).read_bytes() == (
            whole / 'samples' / sheet
        ).read_bytes()


def test_a_finished_run_says_so_and_may_be_watched_otherwise(config, whole):
    before = (whole / 'metrics.jsonl').read_bytes()
    again = processes.start(config, whole, '--config.run.log_every_steps=3')
    (stderr,) = processes.finish(again)
    assert f'is finished: step {NUM_STEPS} of {NUM_STEPS}' in stderr
    assert (whole / 'metrics.jsonl').read_bytes() == before


def test_what_cannot_go_on_says_why_and_loses_nothing(folder, config, whole):
    other = [
        '--config.method.learning_rate=0.5',
        '--config.data.batch_size=8',
        '--config.run.log_every_steps=3',
    ]
    refused = processes.start(config, whole, *other)

    full = unfinished(whole, folder / 'full')
    # No file may grow beyond the limit: what a full disk is to a process.
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
    unwritten = processes.start(config, full, preexec_fn=limit)

    diverging = folder / 'diverging'
    broken = processes.start(
        config,
        diverging,
        '--config.method.learning_rate_end=1e33',  # The first step is harmless, the second is not.
        '--config.run.checkpoint_every_steps=1',
    )

    said = processes.finish(refused, unwritten, broken, status=1)
    assert_one_sentence(said[0], whole, 'method.learning_rate', 'data.batch_size', '0.5')
    assert 'log_every_steps' not in said[0]
    assert newest(whole) == NUM_STEPS

    assert_one_sentence(said[1], full, 'make room', 'step 50')
    assert Checkpoints(full / 'checkpoints', read_only=True).steps() == [40, 50]
    cases.assert_equal_bits(processes.state(full, 50), processes.state(whole, 50))

    assert_one_sentence(said[2], 'NaN', 'at step 1', 'last good checkpoint is step 1', 'on_nan')
    assert reader.read(diverging).info['status'] == 'failed'


def test_a_damaged_checkpoint_is_moved_away_and_the_one_before_it_goes_on(folder, config, whole):
    damaged = unfinished(whole, folder / 'damaged')
    for file in (damaged / 'checkpoints' / '50' / 'state').rglob('*'):
        if file.is_file():
            os.truncate(file, file.stat().st_size // 2)
    (damaged / 'checkpoints' / '99').mkdir()
    (stderr,) = processes.finish(processes.start(config, damaged))
    assert 'step 40 of 60' in stderr
    for step in ('50', '99'):
        assert f'checkpoint {damaged}/checkpoints/{step} is damaged' in stderr
        assert (damaged / 'damaged' / step).is_dir()
    cases.assert_equal_bits(processes.state(damaged, NUM_STEPS), processes.state(whole, NUM_STEPS))
    assert processes.records(damaged) == processes.records(whole)


def test_bad_input_gets_one_sentence_before_anything_is_written(folder, config):
    """In a process, what is refused while the command line is read, and what later."""
    workdir = folder / 'never'
    asked = {
        ('smokee', 'smoke'): ('configs/gan_fashion_mnist.py:smokee',),
        ('batch_size=6', '4 devices'): (config, '--config.data.batch_size=6'),
    }
    said = processes.finish(
        *(
            processes.start(file, workdir, *options, num_devices=4)
            for file, *options in asked.values()
        ),
        status=1,
    )
    for parts, stderr in zip(asked, said, strict=True):
        assert_one_sentence(stderr, *parts)
    assert not workdir.exists()


@pytest.mark.parametrize(
    ('section', 'options', 'sentence'),
    [
        ('method', {'learning_rte': 1.0}, r'learning_rte.*learning_rate'),
        ('data', {'path': 'none'}, r'\bnone\b'),
        ('data', {'path': 'empty'}, r'\bempty\b'),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(
    config, tmp_path, monkeypatch, section, options, sentence
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'empty').mkdir()
    bad = cli.load_config(str(config)).to_dict()
    bad[section] |= options
    with pytest.raises(UserError, match=sentence):
        train.train(bad, tmp_path / 'never')
    assert not (tmp_path / 'never').exists()


def test_a_longer_run_goes_on_where_the_shorter_one_ended(config, tmp_path):
    """Without schedules it is the longer run, bit for bit."""
    section = cli.load_config(str(config)).to_dict()
    short = {**section, 'method': {**section['method'], 'num_steps': NUM_STEPS // 2}}
    assert train.train(short, tmp_path / 'run').finished
    result = train.train(section, tmp_path / 'run')
    info = reader.read(tmp_path / 'run').info
    assert result.step == NUM_STEPS and info['lengthened'] == [NUM_STEPS // 2]
    whole = train.train(section, tmp_path / 'whole')
    cases.assert_equal_bits(result.state, whole.state)
    # The same command finds it finished, and a shorter run is another one.
    assert train.train(section, tmp_path / 'run').state is None
    assert reader.read(tmp_path / 'run').info['lengthened'] == [NUM_STEPS // 2]
    with pytest.raises(UserError, match=r'another config: method.num_steps \(there 60, now 30\)'):
        train.train(short, tmp_path / 'run')
    with pytest.raises(UserError, match=r'another config: method.num_steps .*, seed '):
        longer = {**section['method'], 'num_steps': 2 * NUM_STEPS}
        train.train({**section, 'method': longer, 'seed': 1}, tmp_path / 'run')


def test_a_run_of_phases_gets_no_longer(config, tmp_path):
    """Its first phase would have to end later, and has ended."""
    section = cli.load_config(str(config)).to_dict()
    section['method'] = {**cases.CONFIGS['latent_flow'], 'num_steps': 4}
    train.train(section, tmp_path / 'run')
    section['method']['num_steps'] = 6
    with pytest.raises(
        UserError,
        match=r'several phases cannot get longer.* the networks of this one: --config\.init_from',
    ):
        train.train(section, tmp_path / 'run')
