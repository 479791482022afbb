"""What a config asks to be measured by."""

import pytest

from imggen import evaluating, features
from imggen.errors import UserError
from imggen.restoring import Restored
from tests import test_configs


def _restored(**run):
    return Restored({'run': run}, None, None, 3, {}, None)


@pytest.mark.parametrize('path', test_configs.CONFIGS, ids=lambda path: path.stem)
def test_every_config_names_scores_and_an_extractor_that_there_are(path):
    run = test_configs.load(path).run
    assert set(run.get('scores', ())) <= set(evaluating.SCORES)
    assert run.get('extractor', 'judge') in {'', *features.EXTRACTORS}


def test_the_config_decides_and_a_flag_overrides_it():
    how = evaluating.protocol(_restored(extractor='', scores=('modes',)), num_images=10)
    assert how.extractor is None and how.scores == ('modes',)
    how = evaluating.protocol(_restored(), num_images=10, extractor='pixels')
    assert how.extractor.name == 'pixels' and how.scores == ()


def test_an_unknown_score_and_a_run_measured_by_nothing_are_refused():
    with pytest.raises(UserError, match=r"config.run.scores='mode' is no choice.*'modes'"):
        evaluating.protocol(_restored(scores=('mode',)), num_images=10)
    with pytest.raises(UserError, match='measured by nothing'):
        evaluating.protocol(_restored(extractor=''), num_images=10)
