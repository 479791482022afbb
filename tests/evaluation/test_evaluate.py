"""Which images each metric of a run is fed, which runs it refuses, and what a config asks for."""

import json
import resource

import jax
import numpy as np
import pytest

from imggen import data, devices, features, images, keys, methods
from imggen.errors import UserError
from imggen.evaluation import distribution, evaluate
from imggen.features.extractor import Extractor
from imggen.inference import sampling
from imggen.workdir import reader
from imggen.workdir.restore import Restored
from tests.configs import test_configs
from tests.helpers import cases, held

FASHION = {'name': 'fashion_mnist', 'max_examples': 60}
STACKED = {'name': 'stacked', 'num_examples': 60}

# One run of every method, and what it can be measured by: as a set, and by scores.
SET = {'parzen', 'references'}
KINDS = {
    'pixel_average': SET,
    'gan_dcgan': SET,
    'growing_gan': SET,
    'began': SET | {'rejection'},
    'ebgan': SET | {'rejection'},
    'evaluator': SET | {'rejection'},
    'vae': SET | {'rejection'},
    'imle': SET,
    'moments': SET,
    'flow_matching': SET | {'flow_evaluations'},
    'latent_flow': SET | {'flow_evaluations', 'reconstruction'},
    'hill_climb': SET | {'evolution'},
    'evolution_strategy': SET | {'evolution'},
    'map_elites': SET | {'evolution'},
    'gradient_ascent': SET | {'evolution'},
    'style': SET | {'style'},
    'style_neighbours': SET | {'style'},
    'bridge': {'translation', 'translation_vgg16'},
    'colorize': {'translation', 'translation_vgg16'},
    'pix2pix': {'translation', 'translation_vgg16'},
    'super_resolution': {'translation', 'translation_vgg16'},
    'classifier': {'classifier'},
}
REFUSALS = {
    'classifier': 'does not classify|the score',
    'evolution': 'does not evolve images',
    'flow_evaluations': 'has neither a solver|translates images|makes no images',
    'modes': 'stacked images|translates images|makes no images',
    'parzen': 'translates images and generates none|makes no images',
    'reconstruction': 'reconstructs no images',
    'references': 'translates images and generates none|makes no images',
    'rejection': 'has no evaluator',
    'style': 'transfers no style',
    'translation': 'translates no images',
    'translation_vgg16': 'translates no images',
}


@pytest.fixture(scope='module')
def run_of():
    """Returns a function from a case of tests/helpers/cases.py to an untrained run of it."""
    made = {}

    def make(name, section=FASHION):
        key = (name, section['name'])
        if key not in made:
            made[key] = untrained(name, section)
        return made[key]

    return make


def untrained(name, section):
    method, config = cases.method(name), cases.CONFIGS[name]
    shape = (28, 28, 3 if section is STACKED or name == 'colorize' else 1)
    batch = cases.source(shape=shape).batch(0)
    if not name.startswith('style'):
        del batch['style0']
    if 'problem' in config:
        section, batch = {'name': 'none'}, {}
    elif name.startswith('style'):
        section = {'name': 'none'}  # As a set it is as little compared with images as evolution.
    state = jax.jit(method.init)(jax.random.key(0), method.frozen, batch)
    batch = {name: leaf for name, leaf in batch.items() if name != 'label'}
    config = {'seed': 0, 'method': config, 'data': section, 'run': {}}
    return Restored(config, method, state, 0, batch, devices.make_mesh(devices=jax.devices()[:1]))


def with_options(run, **options):
    return run._replace(config={**run.config, 'run': options})


def recorder():
    """Returns an extractor of small features and the list of the batches that it is fed."""
    fed = []

    def apply(params, batch):
        jax.debug.callback(fed.append, batch, ordered=True)
        return {'features': batch[:, ::7, ::7].reshape(len(batch), -1)}

    return Extractor('recorder', {}, apply, 'recorder'), fed


def test_every_method_is_among_the_kinds():
    assert {cases.CONFIGS[name]['name'] for name in KINDS} == methods.METHODS.keys()
    assert set(REFUSALS) == set(evaluate.SCORES)


# With one image, drawn images, another set beside them, and images of the state without a data set.
@pytest.mark.parametrize('name', ['pixel_average', 'vae', 'evaluator', 'map_elites', 'style'])
def test_a_set_is_the_output_of_the_method_and_nothing_else(run_of, name, monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    run = run_of(name)
    count = min(8, run.method.num_images or 8)
    (sets,) = sampling.generate(keys.stream(3, 'measure'), run, count)
    expected = images.to_uint8(sets[run.method.output])
    assert all(
        not np.array_equal(images.to_uint8(shown), expected)
        for other, shown in sets.items()
        if other != run.method.output
    )
    extractor, fed = recorder()
    how = evaluate.EvaluationOptions(extractor, (), count, ('frechet',), seed=3)
    if run.config['data'] == {'name': 'none'}:
        with pytest.raises(UserError, match="'none' has no splits to compare with"):
            evaluate.evaluate(run, how)
        assert not fed
        (samples,) = distribution.samples(run, num_images=count, seed=3)
        np.testing.assert_array_equal(images.to_uint8(samples), expected)
        return
    if count == 1:
        with pytest.raises(UserError, match='at least 2 images'):
            evaluate.evaluate(run, how)
    else:
        line = evaluate.evaluate(run, how)
        assert line['num_generated'] == count and line['num_reference'] == 60
    jax.effects_barrier()
    np.testing.assert_array_equal(images.to_uint8(fed[-1][:count]), expected)


@pytest.mark.parametrize('name', KINDS)
def test_a_run_that_cannot_be_measured_so_is_refused_before_anything_is_loaded(run_of, name):
    run = run_of(name)
    for score in evaluate.SCORES.keys() - KINDS[name]:
        with pytest.raises(UserError, match=REFUSALS[score]):
            evaluate.protocol(with_options(run, scores=(score,)))
    if 'parzen' not in KINDS[name]:
        # 'inception' needs a file that is not there: it is not looked for.
        for asked in ({'extractor': 'inception'}, {'only': ['frechet'], 'extractor': 'inception'}):
            with pytest.raises(UserError, match=r'translates images and generates|makes no images'):
                evaluate.protocol(run, **asked)


# What each score has among its metrics.
METRICS = {
    'classifier': {'test_accuracy', 'calibration_error'},
    'evolution': {'evaluations', 'nearest_distance'},
    'flow_evaluations': {'frechet_euler_2'},
    'parzen': {'parzen', 'parzen_k_means'},
    'reconstruction': {'frechet_reconstructed'},
    'references': {'pairwise', 'distinct_real'},
    'rejection': {'area_noise', 'area_other_set'},
    'translation': {'l1', 'psnr', 'ssim', 'spread'},
    'translation_vgg16': {'lpips_vgg16', 'input_lpips_vgg16'},
}


# Why an untrained run cannot be measured by a score that it is for.
NOT_YET = {
    ('pixel_average', 'parzen'): 'holds 1 images, not 12',
    ('pixel_average', 'references'): 'holds 1 images, not 12',
    ('evaluator', 'rejection'): 'rejects all 12 held-out real images',
}


# The score of style needs files: tests/methods/style/test_run.py.
@pytest.mark.parametrize('name', [name for name in KINDS if not name.startswith('style')])
def test_a_run_is_measured_by_every_score_that_it_is_for(run_of, name):
    for score in sorted(KINDS[name]):
        run = with_options(run_of(name), scores=(score,))
        extractor = 'pixels' if evaluate.SCORES[score].uses_extractor else None
        how = evaluate.protocol(run, num_images=12, extractor=extractor)
        asked = {'extractor': how.extractor} if extractor else {}
        asked |= {'evaluations': (2,)} if score == 'flow_evaluations' else {}
        refusal = NOT_YET.get((name, score))
        if score in SET and run.config['data'] == {'name': 'none'}:
            refusal = "'none' has no splits"
        if refusal:
            with pytest.raises(UserError, match=refusal):
                evaluate.SCORES[score].measure(run, num_images=12, seed=0, **asked)
            continue
        found = evaluate.SCORES[score].measure(run, num_images=12, seed=0, **asked)
        assert METRICS[score] <= found.keys()
        assert all(np.isfinite(value) for value in found.values())


def test_modes_are_those_of_stacked_images(run_of):
    run = with_options(run_of('gan_dcgan', STACKED), scores=('modes',))
    how = evaluate.protocol(run, num_images=12)
    assert 1 <= evaluate.evaluate(run, how)['metrics']['modes_reached'] <= 12
    assert evaluate.protocol(run).num_images == 26_000


@pytest.mark.parametrize('path', test_configs.CONFIGS, ids=lambda path: path.stem)
def test_every_config_names_known_scores_and_the_extractor_that_they_need(path):
    run = test_configs.load(path).run
    scores = [evaluate.SCORES[name] for name in run.get('scores', ())]
    needs_extractor = any(score.uses_extractor for score in scores)
    extractors = features.EXTRACTORS if needs_extractor else ('', *features.EXTRACTORS)
    assert run.get('extractor', '') in extractors


def test_the_config_decides_and_a_flag_overrides_it():
    images_of = held.run(np.zeros((4, 8, 8, 1), np.float32), data={'name': 'digits'})
    how = evaluate.protocol(with_options(images_of, extractor='', scores=('parzen',)))
    assert how.extractor is None and how.scores == ('parzen',) and how.num_images == 10_000
    how = evaluate.protocol(images_of, num_images=10, extractor='pixels')
    assert how.extractor.name == 'pixels' and how.scores == () and how.num_images == 10
    how = evaluate.protocol(with_options(images_of, extractor='pixels', scores=('parzen',)))
    assert how.extractor.name == 'pixels'
    how = evaluate.protocol(
        with_options(images_of, extractor='pixels', scores=('parzen',)), extractor=''
    )
    assert how.extractor is None


def test_an_unknown_score_and_a_run_measured_by_nothing_are_refused():
    run = held.run(np.zeros((4, 8, 8, 1), np.float32), data={'name': 'digits'})
    with pytest.raises(UserError, match=r"config.run.scores='mode' is not a valid choice.*'modes'"):
        evaluate.protocol(with_options(run, scores=('mode',)))
    for options in ({}, {'extractor': ''}):
        with pytest.raises(UserError, match='measured by nothing: give --extractor'):
            evaluate.protocol(with_options(run, **options))


def test_what_is_asked_for_is_measured_and_nothing_else():
    (train, _) = data.examples({'name': 'digits'}, split='train')
    copies = held.run(images.from_uint8(train[:40]), data={'name': 'digits'})
    run = with_options(copies, extractor='pixels', scores=('references',))
    scored = {'pairwise', 'pairwise_real', 'distinct', 'distinct_real'}

    def found(*only):
        how = evaluate.protocol(run, num_images=40, only=only)
        return evaluate.evaluate(run, how)['metrics']

    assert found().keys() >= scored | {'frechet', 'kid', 'copying'}
    assert found('kid').keys() == {'kid'}
    assert found('distinct', 'kid').keys() == {'distinct', 'kid'}
    # Training images are copies, and each is alone in its nearest training image.
    assert found('distinct', 'copying') == {'distinct': 1.0, 'copying': 1.0}
    with pytest.raises(UserError, match=r'--measure=fid is unknown: there are frechet.*distinct'):
        found('fid')


def test_an_evaluation_is_recorded_whole_or_not_at_all(tmp_path):
    (tmp_path / 'config.json').write_text(json.dumps({'format': reader.FORMAT}))
    evaluate.append(tmp_path, {'step': 1, 'note': 'x' * 5000})
    before = (tmp_path / 'evaluations.jsonl').read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, limits[1]))
    try:
        with pytest.raises(UserError, match=r'not recorded: .*evaluations.jsonl cannot be written'):
            evaluate.append(tmp_path, {'step': 2})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / 'evaluations.jsonl').read_bytes() == before
    evaluate.append(tmp_path, {'step': 2})
    assert [line['step'] for line in reader.read(tmp_path).evaluations] == [1, 2]
    with open(tmp_path / 'evaluations.jsonl', 'a') as file:
        file.write('{"step": 3, "no')  # A process was killed here.
    evaluate.append(tmp_path, {'step': 4})
    assert [line['step'] for line in reader.read(tmp_path).evaluations] == [1, 2, 4]


def test_without_an_extractor_a_metric_of_sets_is_unknown():
    run = held.run(np.zeros((40, 8, 8, 1), np.float32), data={'name': 'digits'})
    run = with_options(run, scores=('references',))
    how = evaluate.protocol(run, num_images=40, only=['kid'])
    with pytest.raises(UserError, match='--measure=kid is unknown: there are pairwise'):
        evaluate.evaluate(run, how)
