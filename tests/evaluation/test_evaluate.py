"""What a config asks to be measured by."""

import pytest

from imggen import features
from imggen.errors import UserError
from imggen.evaluation import evaluate
from imggen.workdir.restore import Restored
from tests.configs import test_configs


def _restored(**run):
    return Restored({'run': run}, None, None, 3, {}, None)


@pytest.mark.parametrize('path', test_configs.CONFIGS, ids=lambda path: path.stem)
def test_every_config_names_scores_and_an_extractor_that_there_are(path):
    run = test_configs.load(path).run
    assert set(run.get('scores', ())) <= set(evaluate.SCORES)
    assert run.get('extractor', 'fashion_classifier') in {'', *features.EXTRACTORS}


def test_the_config_decides_and_a_flag_overrides_it():
    how = evaluate.protocol(_restored(extractor='', scores=('modes',)), num_images=10)
    assert how.extractor is None and how.scores == ('modes',)
    how = evaluate.protocol(_restored(), num_images=10, extractor='pixels')
    assert how.extractor.name == 'pixels' and how.scores == ()


def test_an_unknown_score_and_a_run_measured_by_nothing_are_refused():
    with pytest.raises(UserError, match=r"config.run.scores='mode' is not a valid choice.*'modes'"):
        evaluate.protocol(_restored(scores=('mode',)), num_images=10)
    with pytest.raises(UserError, match='measured by nothing'):
        evaluate.protocol(_restored(extractor=''), num_images=10)


def test_what_is_asked_for_is_measured_and_nothing_else(monkeypatch):
    def distribution(restored, extractor, *, only, **asked):
        assert only <= {'kid'}
        return {'metrics': {'kid': 1.0, **({} if only else {'frechet': 2.0})}}

    asked = []

    def score(restored, *, num_images, seed):
        asked.append(num_images)
        return {'modes': 3.0, 'modes_kl': 4.0}

    monkeypatch.setattr(evaluate.distribution, 'distribution', distribution)
    monkeypatch.setitem(evaluate.SCORES, 'modes', score)
    run = _restored(extractor='pixels', scores=('modes',))
    for only, expected in (
        ((), {'kid', 'frechet', 'modes', 'modes_kl'}),
        (('kid',), {'kid'}),
        (('modes_kl',), {'modes_kl'}),
        (('modes', 'kid'), {'modes', 'kid'}),
    ):
        how = evaluate.protocol(run, num_images=10, only=only)
        assert evaluate.evaluate(run, how)['metrics'].keys() == expected
    assert asked == [10] * 3
    for extractor, name in (('pixels', 'fid'), ('', 'kid')):
        run = _restored(extractor=extractor, scores=('modes',))
        how = evaluate.protocol(run, num_images=10, only=[name])
        with pytest.raises(UserError, match=f'--measure={name} is no measure: .*modes, modes_kl'):
            evaluate.evaluate(run, how)
