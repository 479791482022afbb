"""The suite's own distribution over processes: groups of tests stay together."""

import os

import pytest


@pytest.mark.xdist_group('together')
def test_a_group_is_known_to_the_scheduler(request):
    if 'PYTEST_XDIST_WORKER' not in os.environ:
        pytest.skip('one process runs everything: nothing is distributed')
    # Versions that do not fit each other lose the groups without a word.
    assert request.node.nodeid.endswith('@together')
