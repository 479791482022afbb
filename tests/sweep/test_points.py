"""Sweeps: axes, points, flags, names, the plan on disk, and what a table shows."""

import importlib
import json
import os
import re

import ml_collections
import pytest
from absl import flags
from hypothesis import given
from hypothesis import strategies as st
from ml_collections import config_flags

from imggen.errors import UserError
from imggen.sweep import plan, table, validate
from imggen.sweep import points as sweep
from tests.helpers.made_sweep import OPTIONS


@pytest.fixture(scope='module')
def config():
    return ml_collections.ConfigDict(OPTIONS)


def test_product_changes_the_last_axis_fastest():
    parts = [sweep.sweep('a', [1, 2]), sweep.sweep('b', 'xy')]
    assert sweep.product(parts) == [
        {'a': 1, 'b': 'x'},
        {'a': 1, 'b': 'y'},
        {'a': 2, 'b': 'x'},
        {'a': 2, 'b': 'y'},
    ]


def test_zip_and_chain():
    a, b = sweep.sweep('a', [1, 2]), sweep.sweep('b', [3, 4])
    assert sweep.zipped([a, b]) == [{'a': 1, 'b': 3}, {'a': 2, 'b': 4}]
    assert sweep.chain([a, b]) == [{'a': 1}, {'a': 2}, {'b': 3}, {'b': 4}]
    with pytest.raises(UserError, match='differ in length'):
        sweep.zipped([a, b[:1]])
    with pytest.raises(UserError, match='a is on two axes'):
        sweep.product([a, a])


@pytest.mark.parametrize(
    ('text', 'values'),
    [
        ('seed=0..3', [0, 1, 2, 3]),
        ('seed=-1..0', [-1, 0]),
        ('seed=3,5', [3, 5]),
        ('method.loss=hinge,wgan', ['hinge', 'wgan']),
        ('method.loss="a,b",c', ['a,b', 'c']),
        ('method.loss=0..4', ['0..4']),
        ('method.sigma=1,0.5,1e-3', [1.0, 0.5, 0.001]),
        ('method.widths=(1,2),(3,),()', [(1, 2), (3,), ()]),
        ('method.flag=true,False', [True, False]),
    ],
)
def test_an_axis_has_the_types_of_the_config(config, text, values):
    points = sweep.check(sweep.parse_axis(text, config), config)
    found = [next(iter(point.values())) for point in points]
    assert found == values and list(map(type, found)) == list(map(type, values))


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('method.los=hinge', "no 'method.los': did you mean 'method.loss'"),
        ('nothing.at.all=1', "no 'nothing.at.all'"),
        ('seed.x=1', "no 'seed.x'"),
        ('method=1', 'cannot be an axis'),
        ('seed=4..0', 'seed=0..4'),
        ('seed=a', 'is not of type int'),
        ('seed=1.5', 'is not of type int'),
        ('seed', 'has no values'),
        ('seed=', 'has no values'),
        ('method.widths=4', 'is not of type tuple'),
        ('method.loss=a\0b', 'is not of type str'),
        (f'seed=0..{10**300}', 'a sweep has at most 10,000'),
        (f'seed=-{10**300}..0', 'a sweep has at most 10,000'),
        (f'seed=0..{"9" * 5000}', 'is not of type int'),
        (f'method.widths={"(" * 500}', 'is not of type tuple'),
    ],
)
def test_a_wrong_axis_is_refused(config, text, message):
    with pytest.raises(UserError, match=re.escape(message)):
        sweep.parse_axis(text, config)


def test_overriding_follows_references_and_leaves_the_config_alone():
    config = ml_collections.ConfigDict({'total_images': 100, 'batch_size': 10})
    config.num_steps = config.get_ref('total_images') // config.get_ref('batch_size')
    assert sweep.override(config, {'batch_size': 5})['num_steps'] == 20
    assert sweep.override(config, {})['num_steps'] == 10


@given(
    st.fixed_dictionaries(
        {
            'seed': st.integers(),
            'method.loss': st.text(st.characters(exclude_characters='\0', codec='utf-8')),
            'method.sigma': st.floats(allow_nan=False),
            'method.widths': st.lists(st.integers()).map(tuple),
            'method.flag': st.booleans(),
        }
    )
)
def test_flags_parse_to_the_values_they_were_made_of(config, point):
    argv = ['', *(sweep.flag(*item) for item in point.items())]
    values = flags.FlagValues()
    config_flags.DEFINE_config_dict(
        'config', ml_collections.ConfigDict(config), flag_values=values, sys_argv=argv
    )
    values(argv)
    assert sweep.override(values.config, {}) == sweep.override(config, point)


_ANY = st.one_of(st.text(), st.integers(), st.floats(), st.tuples(st.integers(), st.text()))


@given(st.lists(_ANY, min_size=1, max_size=8, unique_by=lambda value: (type(value), str(value))))
def test_names_are_safe_and_distinct(values):
    same_type = [value for value in values if type(value) is type(values[0])]
    points = sweep.product([sweep.sweep('a.loss', same_type), sweep.sweep('seed', range(2))])
    names = [sweep.run_name(point, ['a.loss', 'seed']) for point in points]
    assert len(set(names)) == len(points)
    for name in names:
        assert sweep.is_run_name(name) and len(os.fsencode(name)) <= 255


def test_a_product_of_axes_is_counted_before_it_is_made():
    with pytest.raises(UserError, match='ask for 1,000,000,000,000 runs'):
        sweep.product([sweep.sweep(name, range(1000)) for name in 'abcd'])


def test_names_say_what_differs():
    def name(point):
        return sweep.run_name(point, list(point))

    assert name({'method.loss': 'hinge', 'seed': 0}) == 'loss=hinge,seed=0'
    assert name({'method.widths': (64, 128)}) == 'widths=64x128'
    assert name({'method.sigma': 0.1, 'data.sigma': 1.0}) == 'method.sigma=0.1,data.sigma=1.0'
    assert name({}) == 'base'
    for hostile in ['../../etc', 'a b', 'a\nb', '', 'ä', 'x' * 1000]:
        assert re.fullmatch(r'loss=[A-Za-z0-9.-]*~[0-9a-f]{8}', name({'method.loss': hostile}))


def test_a_plan_is_read_as_it_was_written(config, tmp_path):
    points = sweep.product(
        [sweep.sweep('method.widths', [(1, 2), (3,)]), sweep.sweep('seed', range(2))]
    )
    made = plan.make_plan(points, command='python\nx', config='c.py:a', fixed={'data.sigma': 1.0})
    plan.write_plan(made, tmp_path)
    assert plan.read_plan(tmp_path) == made
    axes = json.loads((tmp_path / 'sweep.json').read_text())['axes']
    assert axes[0] == {'name': 'method.widths', 'values': [[1, 2], [3]]}
    assert made.variant('widths=1x2,seed=1') == 'widths=1x2'
    with pytest.raises(UserError, match=r'holds a sweep of c\.py:a'):
        plan.write_plan(made._replace(config='other.py'), tmp_path)


@pytest.mark.parametrize(
    'content',
    [
        '',
        '[]',
        '{"runs": 1}',
        '{"runs": [{"name": "../x", "overrides": {}}]}',
        '{"runs": [{"name": "%s", "overrides": {}}]}' % ('x' * 300),
    ],
)
def test_a_damaged_plan_is_refused(tmp_path, content):
    (tmp_path / 'sweep.json').write_text(content)
    with pytest.raises(UserError, match=r'sweep\.json (cannot be read|should hold)'):
        plan.read_plan(tmp_path)


def write_run(workdir, frechet, *, seed=0):
    workdir.mkdir(parents=True)
    (workdir / 'config.json').write_text(json.dumps({'format': 2, 'seed': seed}))
    (workdir / 'run.json').write_text('{"status": "finished", "step": 1, "seconds": 2}')
    line = {'step': 1, 'metrics': {'frechet': frechet}}
    (workdir / 'evaluations.jsonl').write_text(json.dumps(line) + '\n')


def write_sweep(folder, points, *, command):
    planned = plan.make_plan(points, command=command, config='c.py', fixed={})
    plan.write_plan(planned, folder)
    return planned


def test_a_folder_of_sweeps_is_one_table_with_the_baseline_that_is_named(tmp_path):
    seeds = sweep.sweep('seed', range(2))
    losses = sweep.product([sweep.sweep('loss', ['a', 'b']), seeds])
    for name, points, base in [('flow', seeds, 10.0), ('gan', losses, 20.0)]:
        for index, run in enumerate(write_sweep(tmp_path / name, points, command=name).runs):
            write_run(tmp_path / name / run, base + index, seed=index % 2)
    made = table.write(tmp_path, baseline='gan/loss=b')
    assert [row.variant for row in made.rows] == ['flow', 'gan/loss=a', 'gan/loss=b']
    assert [row.summaries['frechet'].mean for row in made.rows] == [10.5, 20.5, 22.5]
    assert made.rows[0].comparisons['frechet'].difference == -12.0
    assert made.rows[2].comparisons == {}
    assert made.header[:2] == ['command: flow', 'command: gan']
    assert 'Difference to gan/loss=b' in (tmp_path / 'table.md').read_text()
    with pytest.raises(UserError, match=r"no variant is called 'flows': did you mean 'flow'"):
        table.make(tmp_path, baseline='flows')
    with pytest.raises(UserError, match='holds no sweep'):
        table.make(tmp_path / 'gan' / 'loss=a,seed=0')


def test_the_table_escapes_what_it_shows(tmp_path):
    write_sweep(tmp_path, [{'method.loss': 'hinge'}], command='x <script> | `y`\n# z')
    folder = tmp_path / 'loss=hinge'
    folder.mkdir()
    (folder / 'config.json').write_text('{"format": 2, "seed": 0}')
    (folder / 'run.json').write_text('{"status": "finished", "step": 1, "seconds": 2}')
    (folder / 'evaluations.jsonl').write_text('{"step": 1, "metrics": {"<b>|": 0.5}}\n')
    made = table.write(tmp_path)
    assert made.rows[0].summaries['<b>|'].mean == 0.5
    assert '<script>' not in (tmp_path / 'table.html').read_text()
    assert '<b>' not in (tmp_path / 'table.html').read_text()
    assert '&lt;b&gt;\\|' in (tmp_path / 'table.md').read_text()
    header = [line for line in table.to_csv(made).splitlines() if '# z' in line]
    assert len(header) == 1 and header[0].startswith('# command: ')


def _config(name, **changes):
    """Returns a config of configs/ with options changed, as a sweep hands it on."""
    config = importlib.import_module(f'configs.{name}').get_config()
    return sweep.override(config, changes)


def test_configs_are_checked_before_a_run_starts():
    good = _config('gan_fashion_mnist')
    bad = _config('gan_fashion_mnist') | {'seed': 3}
    bad['method'] |= {'loss': 'no'}
    validate.check({'seed=0': good}, {'measure': 'frechet,kid', 'extractor': 'pixels'})
    with pytest.raises(UserError, match=r"^loss=no: config\.method\.loss='no' .* hinge"):
        validate.check({'seed=0': good, 'loss=no': bad}, {})


@pytest.mark.parametrize(
    ('section', 'options', 'message'),
    [
        ('method', {'name': 'gna'}, "config.method.name='gna'"),
        ('method', {'widht': 1}, 'config.method.widht'),
        ('data', {'name': 'fashion'}, "config.data.name='fashion'"),
        ('data', {'paht': 'x'}, 'config.data.paht'),
        ('data', {'augment': {'flop': True}}, 'config.data.augment.flop'),
        ('run', {'log_every_steps': 0}, 'config.run.log_every_steps'),
        ('run', {'num_steps': 5}, 'config.run.num_steps'),
        ('run', {'extractor': 'fid'}, "config.run.extractor='fid'"),
        ('run', {'scores': ('mode',)}, "config.run.scores='mode'"),
        ('method', {'generator': {'num_classes': 3}}, 'generator.num_classes follows from other'),
        ('run', {'microbatch_size': 3}, 'config.run.microbatch_size=3'),
        ('run', {'profile_steps': '0..9999999'}, "config.run.profile_steps='0..9999999' ends"),
        ('run', {'num_samples': 0}, 'config.run.num_samples is 0'),
        ('run', {'num_measured': -1}, 'config.run.num_measured is -1'),
        ('run', {'keep_newest': 0}, 'config.run.keep_newest is 0'),
        ('method', {'generator': {'widht': 4}}, 'config.method.generator.widht'),
        ('method', {'generator': {'features': '8'}}, 'config.method.generator.features'),
        ('method', {'num_steps': -1}, "phase 'train' has -1 steps"),
        ('method', {'num_classes': 3}, 'config.method.num_classes is 3'),
    ],
)
def test_a_wrong_option_is_named(section, options, message):
    config = _config('gan_fashion_mnist')
    config[section] |= options
    with pytest.raises(UserError, match=re.escape(message)):
        validate.check_config(config)


def test_a_precision_that_a_method_cannot_have_is_named():
    with pytest.raises(UserError, match=r"config\.run\.precision='bfloat16' is for methods that"):
        validate.check_config(_config('evolve_original', **{'run.precision': 'bfloat16'}))


@pytest.mark.parametrize(
    ('measured', 'message'),
    [
        ({'measure': 'frechet,fid'}, '--measure=fid is unknown'),
        ({'extractor': 'vgg'}, "--extractor='vgg'"),
    ],
)
def test_a_wrong_evaluation_is_named_before_the_training(measured, message):
    with pytest.raises(UserError, match=message):
        validate.check_config(_config('gan_fashion_mnist'), measured=measured)


def test_a_missing_section_is_named():
    with pytest.raises(UserError, match="has no section 'data'"):
        validate.check_config({'method': {}, 'run': {}})
