"""The report's page: what it says, what it escapes, what it leaves out."""

import base64
import hashlib
import html.parser
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imggen import images, report
from imggen.errors import UserError
from imggen.report import facts, formats, groups, render, sheets, tables
from imggen.workdir import reader as runs
from tests.helpers import made_runs

_INLINE = ('a', 'code', 'i', 'strong', 'wbr')


class _Reader(html.parser.HTMLParser):
    """Collects elements with their attributes, and text outside scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.words, self._raw = [], [], False
        self.feed(text)
        self.text = ' '.join(''.join(self.words).split())

    def handle_starttag(self, tag, attrs):
        if tag not in _INLINE:
            self.words.append(' ')
        self.elements.append((tag, dict(attrs)))
        self._raw = tag in ('script', 'style')

    def handle_endtag(self, tag):
        self._raw = False

    def handle_data(self, data):
        if not self._raw:
            self.words.append(data)


def _page(*paths, **options):
    return _Reader(report.write(paths, **options).read_text(encoding='utf-8'))


def _sweep(folder, **options):
    few = {'losses': ['hinge', 'logistic'], 'widths': [32], 'seeds': 3, 'records': 20, 'sheets': 0}
    return made_runs.write_sweep(folder, **(few | options))


@given(st.text(st.characters(blacklist_characters='\0\r')))
def test_whatever_text_goes_in_comes_out_as_text(text):
    one = tables.table([text], [([tables.Cell(text)], text)], caption=text)
    macros = '{% import "macros.html.j2" as m %}{{ m.table(one) }}'
    written = render.environment().from_string(macros).render(one=one)
    reader = _Reader(written.encode('utf-8', 'replace').decode('utf-8'))
    expected = text.encode('utf-8', 'replace').decode('utf-8')
    (find,) = [
        attributes['data-find'] for _, attributes in reader.elements if 'data-find' in attributes
    ]
    assert find == expected
    assert [tag for tag, _ in reader.elements if tag == 'td'] == ['td']
    assert ''.join(reader.words).count(expected) >= 3


def test_the_finding_of_one_run_comes_with_counts_floor_and_digest(tmp_path):
    folder = made_runs.write_run(tmp_path / 'run', sheets=0, records=10)
    value = runs.read(folder).evaluations[0]['metrics']['frechet']
    text = _page(folder).text
    assert f'Fréchet distance ↓ {value:#.4g} floor 0.08' in text.replace('\N{NBSP}', '')
    assert '10,000 generated against 10,000 real images (made test)' in text
    assert 'fashion_classifier 3f9c1a77e2b0, at step 4000' in text
    assert 'python -m experiments.train --config=configs/made.py' in text
    assert 'abc1234' in text


def test_the_finding_of_a_sweep_is_mean_and_spread_over_seeds(tmp_path):
    sweep = _sweep(tmp_path / 'sweep')
    values = {'hinge': [], 'logistic': []}
    for run in runs.find(sweep):
        values[run.config['method']['loss']].append(run.evaluations[0]['metrics']['frechet'])
    text = _page(sweep).text
    for loss, some in values.items():
        expected = formats.with_spread(np.mean(some), np.std(some, ddof=1))
        assert f'loss={loss}, {expected}' in text
    differences = np.subtract(values['logistic'], values['hinge'])
    assert f'Seed by seed they differ by {differences.mean():.3g}' in text
    assert '3 seeds): few seeds to trust an interval' in text


@pytest.mark.parametrize(('count', 'shown'), [(2, True), (9, False)])
def test_settings_are_columns_where_a_table_of_them_can_be_read(tmp_path, count, shown):
    folder = tmp_path / 'sweep'
    for name in ('first', 'second'):
        config = made_runs.config_of()
        config['method'] |= {f'option{i}': f'{name}{i}' for i in range(count)}
        made_runs.write_run(folder / name, config=config, sheets=0, records=10)
    text = _page(folder).text
    table = text[text.index('Final metrics by group') : text.index('floor', text.index('Final'))]
    assert ('method.option1' in table) == shown
    assert 'seeds' in table and 'Fréchet' in table
    assert shown or ('first' in table and 'second' in table)


def test_the_better_group_leads_whichever_way_better_is(tmp_path):
    folder = tmp_path / 'sweep'
    for loss, ssim in (('hinge', 0.4), ('logistic', 0.9)):
        made_runs.write_run(
            folder / loss,
            config=made_runs.config_of(loss=loss),
            metrics={'ssim': ssim},
            sheets=0,
            records=10,
        )
    text = _page(folder).text
    assert 'Highest SSIM: loss=logistic, 0.9000 with one seed. Next: loss=hinge, 0.4000' in text
    assert 'with one seed their order may be chance' in text


def test_metrics_taken_differently_share_no_table(tmp_path):
    folder = _sweep(tmp_path / 'sweep', losses=['hinge'], seeds=2)
    path = folder / 'loss=hinge,width=32,seed=1/evaluations.jsonl'
    line = json.loads(path.read_text())
    path.write_text(json.dumps(line | {'num_generated': 500}) + '\n')
    found = runs.find(folder)
    evaluated = groups.evaluations(found)
    assert [protocol.num_generated for protocol in evaluated] == [10000, 500]
    assert [list(lines) for lines in evaluated.values()] == [[0], [1]]
    assert '500 generated against 10,000 real' in _page(folder).text


def test_the_last_evaluation_of_a_run_counts(tmp_path):
    folder = made_runs.write_run(tmp_path / 'run', sheets=0, records=10, num_steps=100)
    with (folder / 'evaluations.jsonl').open('a') as file:
        for step, value in ((300, 1.5), (200, 9.0)):
            file.write(json.dumps(made_runs.evaluation(step, {'frechet': value})) + '\n')
    ((lines),) = groups.evaluations([runs.read(folder)]).values()
    assert lines[0]['metrics']['frechet'] == 1.5


def test_evaluations_of_one_step_complete_each_other(tmp_path):
    folder = made_runs.write_run(tmp_path / 'run', sheets=0, records=10, metrics={'kid': 0.5})
    with (folder / 'evaluations.jsonl').open('a') as file:
        file.write(json.dumps(made_runs.evaluation(4000, {'frechet': 1.5})) + '\n')
    ((lines),) = groups.evaluations([runs.read(folder)]).values()
    assert lines[0]['metrics'] == {'kid': 0.5, 'frechet': 1.5}


def test_runs_that_differ_in_the_seed_alone_are_one_group(tmp_path):
    sweep = _sweep(tmp_path / 'sweep', widths=[8, 16], records=10, evaluated=False)
    grouped = groups.group(runs.find(sweep))
    assert [one.label for one in grouped] == [
        'loss=hinge, width=8',
        'loss=hinge, width=16',
        'loss=logistic, width=8',
        'loss=logistic, width=16',
    ]
    assert [one.members for one in grouped] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]


def test_the_page_says_what_it_left_out(tmp_path, monkeypatch):
    folder = made_runs.write_run(tmp_path / 'run', sheets=9, size=16, records=10)
    made_runs.write_broken_png(folder / 'samples/002000.png')
    monkeypatch.setattr(sheets, 'PAGE_BYTES', 9000)
    text = _page(folder).text
    assert re.search(r'Left out for size: run: \d of 8 sheets are embedded', text)
    assert 'not readable: 002000.png' in text


def test_a_run_that_wrote_nothing_yet_has_a_page(tmp_path):
    (tmp_path / 'config.json').write_text('{"format": 2, "seed": 0}')
    text = _page(tmp_path).text
    assert 'The run is not evaluated yet' in text
    assert 'No run has written samples' in text
    assert 'No run has recorded scalars' in text


def test_a_failure_leads_the_page_with_its_error(tmp_path):
    sweep = _sweep(tmp_path / 'sweep', records=10)
    path = sweep / 'loss=hinge,width=32,seed=1/run.json'
    info = json.loads(path.read_text())
    path.write_text(json.dumps(info | {'status': 'failed', 'step': 120, 'error': 'It broke.'}))
    text = _page(sweep).text
    assert '1 of 6 runs failed loss=hinge,width=32,seed=1: It broke.' in text
    assert text.index('It broke.') < text.index('Lowest Fréchet')
    assert facts.status(runs.read(path.parent)) == ('failed', 'failed at step 120 of 4000')


def test_runs_that_failed_before_they_began_are_named_and_not_called_to_come(tmp_path):
    sweep = _sweep(tmp_path / 'sweep', records=10)
    names = [f'loss=hinge,width=32,seed={seed}' for seed in range(3)]
    for name in names[:2]:
        shutil.rmtree(sweep / name)
    info = json.loads((sweep / names[2] / 'run.json').read_text()) | {'status': 'running'}
    (sweep / names[2] / 'run.json').write_text(json.dumps(info))
    killed = {names[0]: 'exit status 1; error: no such loss', names[2]: 'killed by SIGKILL'}
    (sweep / 'failed.json').write_text(json.dumps(killed))
    text = _page(sweep).text
    assert '2 failed 3 finished 1 not started' in text or '3 finished 2 failed 1 not' in text
    assert f'2 of 6 runs failed {names[2]}: killed by SIGKILL' in text
    assert f'{names[0]}: exit status 1; error: no such loss' in text


def test_the_finding_says_whose_figures_it_shows(tmp_path):
    sweep = _sweep(tmp_path / 'sweep', records=10, seeds=2)
    for path in sweep.glob('loss=hinge*/evaluations.jsonl'):
        path.unlink()
    text = _page(sweep).text
    assert 'loss=logistic, the only one of 2 that is evaluated in this way, over 2 seeds:' in text


def test_real_images_are_shown_once_and_results_at_their_size(tmp_path):
    for seed in range(2):
        run = made_runs.write_run(
            tmp_path / f'{seed}',
            config=made_runs.config_of(seed=seed),
            records=10,
            sheets=1,
            info={'sets': ['content', 'style', 'generated']},
        )
        other = made_runs.pictures(np.random.default_rng(seed), count=1)[0]
        images.write_png(run / 'samples/real.png', other)
        images.write_png(run / 'results/photo.png', other[:20])
    page = _page(tmp_path)
    assert page.text.count('from the data') == 1
    assert page.text.count('0: photo 28 x 20') == page.text.count('1: photo 28 x 20') == 1
    assert page.text.count('side by side: content, style, generated') == 2


def test_a_page_replaces_a_page_and_nothing_else(tmp_path):
    folder = made_runs.write_run(tmp_path / 'run', records=10, sheets=0)
    photo, notes = tmp_path / 'photo.jpg', tmp_path / 'notes.html'
    for path in (photo, notes):
        path.write_text('mine')
    for path, sentence in ((photo, 'give a .html file'), (notes, 'give --overwrite')):
        with pytest.raises(UserError, match=sentence):
            report.write([folder], output=path)
        assert path.read_text() == 'mine'
    report.write([folder], output=notes, overwrite=True)
    report.write([folder], output=notes)  # Its own.
    assert 'mine' not in notes.read_text()


def test_folders_of_one_name_are_told_apart(tmp_path):
    paths = [tmp_path / place / 'run' for place in 'ab']
    for path in paths:
        made_runs.write_run(path, records=10, sheets=0)
    text = _page(*paths, output=tmp_path / 'both.html').text
    assert str(paths[0]) in text and str(paths[1]) in text


def test_runs_that_have_not_started_are_counted(tmp_path):
    sweep = _sweep(tmp_path / 'sweep', records=10)
    (sweep / 'loss=hinge,width=32,seed=1/config.json').unlink()
    assert '5 finished 1 not started' in _page(sweep).text


def test_the_page_shows_once_what_all_runs_share(tmp_path):
    page = _page(_sweep(tmp_path / 'sweep', records=10))
    assert page.text.count('method.learning_rate') == 1
    assert page.text.count('2 x EPYC') == 2  # In the header and among what is shared.


def test_hostile_names_stay_text(tmp_path):
    attack = '"\'><script>alert(1)</script><img src=x onerror=alert(2)>&lt;'
    config = made_runs.config_of(loss=attack) | {attack: attack}
    info = {'status': 'failed', 'error': attack, 'command': attack, 'versions': {attack: attack}}
    folder = tmp_path / 'a"><script>alert(3)<'
    made_runs.write_run(folder / 'on', config=config, info=info, metrics={attack: 1.0}, records=10)
    made_runs.write_run(folder / 'off', records=10, sheets=1, size=8)
    with (folder / 'on/metrics.jsonl').open('a') as file:
        file.write(json.dumps({'step': 5000, 'phase': attack, attack: 1.0}) + '\n')
    line = made_runs.evaluation(5000, {attack: 2.0})
    line |= {'note': attack, 'digest': attack, 'extractor': attack, 'reference': attack}
    (folder / 'on/evaluations.jsonl').write_text(json.dumps(line) + '\n')
    page = _page(folder)
    kinds = [attrs.get('type') for tag, attrs in page.elements if tag == 'script']
    assert kinds == ['application/json', None]
    for tag, attrs in page.elements:
        assert not [name for name in attrs if name.startswith('on')]
        assert tag != 'img' or attrs['src'].startswith('data:image/webp;base64,')
    assert page.text.count(' '.join(attack.split())) > 8


def test_the_page_asks_for_nothing_and_allows_its_own_script_alone(tmp_path):
    written = report.write([_sweep(tmp_path / 'sweep', records=10)]).read_text(encoding='utf-8')
    page = _Reader(written)
    for tag, attrs in page.elements:
        assert tag not in ('link', 'iframe', 'object')
        assert not attrs.get('src', 'data:').startswith(('http', '//'))
        assert not attrs.get('href', '#').startswith(('http', '//'))
    (policy,) = [a['content'] for t, a in page.elements if 'http-equiv' in a]
    script = written.rsplit('<script>', 1)[1].partition('</script>')[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy


def test_several_folders_make_one_page_where_output_says(tmp_path):
    one = made_runs.write_run(tmp_path / 'one', records=10, sheets=0)
    sweep = _sweep(tmp_path / 'sweep', records=10)
    with pytest.raises(UserError, match='--output'):
        report.write([one, sweep])
    output = tmp_path / 'pages/both.html'
    text = _page(one, sweep, output=output).text
    assert output.is_file()
    assert 'sweep/loss=hinge,width=32,seed=1' in text


def test_the_command_says_where_the_page_is(tmp_path):
    folder = made_runs.write_run(tmp_path / 'run', records=10, sheets=0)
    command = [sys.executable, '-m', 'experiments.report']
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(str(folder / 'report.html'))
    failed = subprocess.run([*command, str(tmp_path / 'no')], capture_output=True, text=True)
    assert failed.returncode == 1
    assert failed.stderr.startswith('error: ')
    assert 'Traceback' not in failed.stderr
