"""The report in a real browser, with mouse and keys, in light and dark, wide and narrow."""

import pytest

from imggen import report
from imggen.workdir import reader
from tests.helpers import chromium, made_runs

pytestmark = pytest.mark.skipif(
    chromium.PROGRAM is None, reason='no chromium; apt-get install chromium brings it'
)


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
    with chromium.start(tmp_path_factory.mktemp('profile')) as browser:
        yield browser


@pytest.fixture(scope='module')
def run_page(tmp_path_factory):
    folder = tmp_path_factory.mktemp('one') / 'run'
    return report.write([made_runs.write_run(folder, size=20, sheets=5)])


@pytest.fixture(scope='module')
def sweep_page(tmp_path_factory):
    folder = tmp_path_factory.mktemp('several') / 'sweep'
    made_runs.write_sweep(
        folder, losses=['hinge', 'logistic'], widths=[32], seeds=2, size=12, sheets=3, records=60
    )
    return report.write([folder])


@pytest.fixture
def opened(browser):
    """Opens a page; when the test is over, the page must not have complained."""
    browser.complaints.clear()
    yield lambda page, **how: browser.open(page, **how)
    assert not browser.complaints


def test_the_slider_moves_every_picture_to_its_step(browser, opened, run_page):
    opened(run_page)
    picture = "document.querySelector('.card[data-run] img').src"
    label = "document.querySelector('.card[data-run] .step').textContent"
    last = browser.evaluate(picture)
    assert browser.evaluate(label) == 'step 4000'
    browser.evaluate("document.getElementById('step').focus()")
    browser.press('ArrowLeft')
    assert browser.evaluate(label) == 'step 3000'
    assert browser.evaluate(picture) != last
    assert browser.evaluate("document.getElementById('step').ariaValueText") == 'step 3000'
    browser.press('Home')
    assert browser.evaluate(label) == 'step 0'
    browser.click('#play')
    browser.until(f"{label} === 'step 4000'")
    assert browser.evaluate(picture) == last


def test_samples_and_real_pictures_have_one_scale_and_crisp_edges(browser, opened, run_page):
    for width in (1200, 390):
        opened(run_page, width=width)
        scales = browser.evaluate(
            "[...document.querySelectorAll('.card img')].map("
            'one => one.getBoundingClientRect().width / one.naturalWidth)'
        )
        assert len(scales) == 2
        assert scales[0] == pytest.approx(scales[1])
        assert width < 1200 or scales[0] == int(scales[0]) > 1
    rendering = "getComputedStyle(document.querySelector('.card img')).imageRendering"
    assert browser.evaluate(rendering) == 'pixelated'


def test_a_click_enlarges_a_picture_and_escape_closes_it(browser, opened, sweep_page):
    opened(sweep_page)
    small = browser.evaluate("document.querySelector('.card[data-run] img').width")
    browser.click('.card[data-run] .enlarge')
    browser.until("document.getElementById('large').open")
    browser.until("[...document.querySelectorAll('#large img')].every(one => one.complete)")
    widths = browser.evaluate("[...document.querySelectorAll('#large img')].map(one => one.width)")
    assert len(widths) == 2
    assert widths[0] == widths[1] > small
    browser.press('Escape')
    browser.until("!document.getElementById('large').open")


def test_a_header_sorts_both_ways_and_says_so(browser, opened, sweep_page):
    opened(sweep_page)
    heads = browser.evaluate(
        "[...document.querySelectorAll('#runs th button')].map(one => one.textContent)"
    )
    column = heads.index('KID ↓') + 1
    head = f'#runs thead th:nth-child({column})'
    values = (
        f"[...document.querySelectorAll('#runs .sortable tbody td:nth-child({column})')]"
        '.slice(0, 4).map(cell => Number(cell.textContent))'
    )
    sorting = f"document.querySelector('{head}').ariaSort"
    assert browser.evaluate(sorting) == 'none'
    browser.click(f'{head} button')
    rising = browser.evaluate(values)
    assert browser.evaluate(sorting) == 'ascending'
    assert len(rising) == 4
    assert rising == sorted(rising)
    browser.click(f'{head} button')
    assert browser.evaluate(sorting) == 'descending'
    assert browser.evaluate(values) == rising[::-1]


def test_the_filter_keeps_what_has_all_words(browser, opened, sweep_page):
    opened(sweep_page)
    browser.write('#filter', 'hinge seed=1')
    browser.until("document.getElementById('filter-count').textContent === '1 runs'")
    visible = (
        "[...document.querySelectorAll('.card[data-run]')]"
        '.filter(one => one.checkVisibility()).map(one => one.dataset.find)'
    )
    assert browser.evaluate(visible) == ['loss=hinge,width=32,seed=1']


def test_the_pointer_reads_values_and_the_legend_picks_groups(browser, opened, sweep_page):
    opened(sweep_page)
    x, y = browser.middle('.curve svg')
    browser.call('Input.dispatchMouseEvent', type='mouseMoved', x=x, y=y)
    tip = "document.querySelector('.tip')?.innerText ?? ''"
    browser.until(f"({tip}).includes('loss=hinge')")
    step, *values = browser.evaluate(tip).splitlines()
    recorded = [
        record['frechet']
        for run in reader.find(sweep_page.parent)[:2]
        for record in run.records
        if 'frechet' in record and f'step {record["step"]}' == step
    ]
    (shown,) = [value.split()[0] for value in values if value.endswith('loss=hinge')]
    assert float(shown) == pytest.approx(sum(recorded) / 2, rel=2e-3)
    browser.click('.legend button')
    assert browser.evaluate("document.querySelectorAll('g[data-group].kept').length") > 0
    pressed = "document.querySelector('.legend button').ariaPressed"
    assert browser.evaluate(pressed) == 'true'
    browser.click('.legend button')
    assert browser.evaluate("document.querySelectorAll('g[data-group].kept').length") == 0


def test_a_link_opens_the_details_of_a_run(browser, opened, sweep_page):
    opened(sweep_page)
    assert not browser.evaluate("document.getElementById('run-2').open")
    browser.click("#runs tbody a[href='#run-2']")
    browser.until("document.getElementById('run-2').open")


@pytest.mark.parametrize(('width', 'dark'), [(1200, False), (1200, True), (390, False)])
def test_the_page_fits_its_window_in_light_and_dark(browser, opened, sweep_page, width, dark):
    opened(sweep_page, width=width, dark=dark)
    assert browser.evaluate('document.documentElement.scrollWidth') <= width
    shot = browser.screenshot()
    assert shot.width == width
    assert len(shot.getcolors(shot.width * shot.height)) > 100
    brightness = sum(shot.getpixel((2, 2))) / 3
    assert brightness < 60 if dark else brightness > 200


def test_names_from_outside_run_no_script(browser, opened, tmp_path):
    attack = '<img src=x onerror="window.taken=1"><script>window.taken=1'
    config = made_runs.config_of(loss=attack)
    folder = tmp_path / 'a"><svg onload=window.taken=1><'
    made_runs.write_run(folder / 'one', config=config, info={'error': attack, 'status': 'failed'})
    made_runs.write_run(folder / 'two', metrics={attack: 1.0})
    opened(report.write([folder]))
    assert browser.evaluate('window.taken') is None
    assert browser.evaluate("document.querySelector('.failures').textContent").count(attack) == 1


def test_a_hundred_runs_make_a_page_that_stays_quick(browser, opened, tmp_path):
    made_runs.write_sweep(
        tmp_path / 'sweep',
        losses=['hinge', 'logistic', 'wasserstein', 'least_squares', 'relativistic'],
        widths=[16, 32, 48, 64, 96],
        seeds=4,
        records=30,
        sheets=2,
        size=16,
    )
    page = report.write([tmp_path / 'sweep'])
    assert page.stat().st_size < 20e6
    assert opened(page) < 15
    assert browser.evaluate("document.querySelectorAll('#runs details[data-find]').length") == 100
    shown = "[...document.querySelectorAll('.card[data-run]')].filter(one => one.checkVisibility())"
    assert browser.evaluate(f'{shown}.length') == 24
    browser.write('#filter', 'relativistic width=96 seed=3')
    browser.until(f'{shown}.length === 1')
