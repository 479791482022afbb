"""Folders as users and attackers leave them: good files are used, each bad one is named."""

import contextlib
import resource
import signal
import time

import numpy as np
import pytest

from imggen import skipped
from imggen.data import decode
from imggen.data.faces import portrait_set, portraits
from imggen.data.loaders import folder
from imggen.inference import translate_files
from imggen.inference.translate import Translator
from tests.helpers import hostile, processes

# Pillow warns about damaged files; commands do not show it.
pytestmark = pytest.mark.filterwarnings('ignore:::PIL')


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp('hostile') / 'pictures'
    return root, hostile.make(root)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


@contextlib.contextmanager
def within(seconds):
    """Raises TimeoutError after so many seconds, even in a system call that waits."""

    def stop(signum, frame):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def check(verdicts, skipped, root):
    """Checks that sentences name all refused files of the corpus, and no good one."""
    names = [name for name in verdicts if any(f'{root / name} ' in line for line in skipped)]
    refused = {name for name, verdict in verdicts.items() if verdict == hostile.REFUSED}
    allowed = {name for name, verdict in verdicts.items() if verdict == hostile.EITHER}
    assert refused <= set(names) <= refused | allowed
    assert len(skipped) == len(names)


def test_each_file_is_read_or_refused_in_little_time_and_memory(corpus):
    root, verdicts = corpus
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, verdict in verdicts.items():
        start = time.process_time()
        with within(60):
            try:
                picture = decode.read(root / name)
                found = hostile.GOOD
                assert picture.pixels.dtype == np.uint8 and picture.pixels.shape[-1] in (1, 3)
            except decode.DecodeError as error:
                found = hostile.REFUSED
                assert str(root / name) in str(error)
        if verdict in (hostile.GOOD, hostile.REFUSED):
            assert found == verdict, name
        assert time.process_time() - start < 2, name
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert kibibytes < 300 * 1024


def test_training_sees_the_good_files_and_names_the_others(corpus):
    root, verdicts = corpus
    with within(120):
        dataset = folder.load(path=str(root), size=(8, 8))
    check(verdicts, dataset.skipped, root)
    assert not {name for name in dataset.files if verdicts[name] == hostile.REFUSED}
    good = {name for name, verdict in verdicts.items() if verdict == hostile.GOOD}
    assert good <= set(dataset.files)


def test_translation_writes_the_good_files_under_names_of_their_own(corpus, tmp_path):
    root, verdicts = corpus
    output = tmp_path / 'out'
    # The network is not what is tested.
    same = Translator(lambda key, image: image, 1, 512, sees_whole_image=False, recolors=False)
    with within(120):
        plan = translate_files.plan(root, output)
        summary = translate_files.translate_files(same, plan.jobs)
    skipped = [line for line in summary.skipped if 'too long a name' not in line]
    assert len(summary.skipped) == len(skipped) + 1  # A .gif of 255 bytes, which needs a .png.
    check(verdicts, [*plan.skipped, *skipped], root)
    written = [path for path in output.rglob('*') if path.is_file()]
    assert len(written) == summary.written == len(plan.jobs) - len(summary.skipped)
    assert {'a.gif.png', 'a.gif.png.png'} <= {path.name for path in written}


def test_portraits_are_cut_from_the_good_files(corpus, tmp_path):
    root, verdicts = corpus
    settings = portraits.Settings(size=(8, 8), missing='keep')
    with within(120):
        summary = portrait_set.prepare(root, tmp_path / 'out', lambda picture: [], settings)
    reasons = [
        reason
        for _, reason in summary.skipped
        if 'too small for a portrait' not in reason and 'too long a name' not in reason
    ]
    check(verdicts, reasons, root)
    listed = (tmp_path / 'out' / 'skipped.txt').read_text().splitlines()
    assert len(listed) == len(summary.skipped)


def test_the_training_command_lists_the_first_and_writes_down_all(corpus, tmp_path):
    root, verdicts = corpus
    data = {'name': 'folder', 'path': str(root), 'size': (8, 8)}
    config = processes.write_config(tmp_path, num_steps=1, data=data)
    (said,) = processes.finish(processes.start(config, tmp_path / 'run'))
    lines = [line for line in said.splitlines() if line.startswith('skipped: ')]
    assert len(lines) == 21 and lines[-1].endswith(' more')
    assert str(root / 'DDS.png') in said and 'Warning' not in said
    reasons = (tmp_path / 'run' / 'skipped.txt').read_text().splitlines()
    assert f'{len(reasons)} files were skipped: {tmp_path / "run" / "skipped.txt"}\n' in said
    named = [skipped.printable(f'{root / name} ') for name in verdicts]
    written = [text for text in named if any(text in reason for reason in reasons)]
    assert len(reasons) == len(written) == 20 + int(lines[-1].split()[1])
