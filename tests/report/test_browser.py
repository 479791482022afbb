"""The report in a real browser, with mouse and keys, in light and dark, wide and narrow."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from imggen import images, report
from imggen.workdir import reader
from tests.helpers import chromium, made_runs

playwright = pytest.importorskip('playwright.sync_api')


@pytest.fixture(scope='module')
def browser():
    with chromium.launched() as browser:
        yield browser


@pytest.fixture
def show(browser):
    """Opens a page; when the test is over, the page must not have complained."""
    complaints, pages = [], []

    def note_request(request):
        if not request.url.startswith(('file:', 'data:')):
            complaints.append(request.url)

    def note_message(message):
        if message.type in ('error', 'warning'):
            complaints.append(message.text)

    def show(path, *, width=1200, dark=False):
        page = browser.new_page(
            viewport={'width': width, 'height': 900}, color_scheme='dark' if dark else 'light'
        )
        pages.append(page)
        page.on('request', note_request)
        page.on('console', note_message)
        page.on('pageerror', lambda error: complaints.append(error))
        page.goto(path.resolve().as_uri())
        return page

    yield show
    for page in pages:
        page.close()
    assert not complaints


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


def test_the_slider_moves_every_sheet_to_its_step(show, run_page):
    page = show(run_page)
    sheet, slider = page.locator('.card[data-run] img'), page.locator('#step')
    label = page.locator('.card[data-run] .step')
    last = sheet.get_attribute('src')
    assert label.inner_text() == 'step 4000'
    slider.press('ArrowLeft')
    assert label.inner_text() == 'step 3000'
    assert sheet.get_attribute('src') != last
    assert slider.get_attribute('aria-valuetext') == 'step 3000'
    slider.press('Home')
    assert label.inner_text() == 'step 0'
    page.click('#play')
    playwright.expect(label).to_have_text('step 4000', timeout=60_000)
    assert sheet.get_attribute('src') == last


def test_samples_and_real_images_have_one_scale_and_crisp_edges(show, run_page):
    for width in (1200, 390):
        page = show(run_page, width=width)
        first, second = page.locator('.card img').evaluate_all(
            'all => all.map(one => one.getBoundingClientRect().width / one.naturalWidth)'
        )
        assert first == pytest.approx(second)
        assert width < 1200 or first == int(first) > 1
    rendering = 'one => getComputedStyle(one).imageRendering'
    assert page.locator('.card img').first.evaluate(rendering) == 'pixelated'


def test_a_click_enlarges_a_sheet_and_escape_closes_it(show, sweep_page):
    page = show(sweep_page)
    small = page.locator('.card[data-run] img').first.evaluate('one => one.width')
    page.locator('.card[data-run] .enlarge').first.click()
    playwright.expect(page.locator('#large img').last).to_be_visible()
    widths = page.locator('#large img').evaluate_all('all => all.map(one => one.width)')
    assert len(widths) == 2
    assert widths[0] == widths[1] > small
    page.keyboard.press('Escape')
    playwright.expect(page.locator('#large')).to_be_hidden()


def test_a_header_sorts_both_ways_and_says_so(show, sweep_page):
    page = show(sweep_page)
    table = page.locator('#runs > .scroll .sortable')
    column = table.locator('th button').all_inner_texts().index('KID ↓') + 1
    head = table.locator(f'thead th:nth-child({column})')

    def values():
        return [
            float(text) for text in table.locator(f'tbody td:nth-child({column})').all_inner_texts()
        ]

    assert head.get_attribute('aria-sort') == 'none'
    head.locator('button').click()
    rising = values()
    assert head.get_attribute('aria-sort') == 'ascending'
    assert len(rising) == 4
    assert rising == sorted(rising)
    head.locator('button').click()
    assert head.get_attribute('aria-sort') == 'descending'
    assert values() == rising[::-1]


def test_the_filter_keeps_what_has_all_words(show, sweep_page):
    page = show(sweep_page)
    page.fill('#filter', 'hinge seed=1')
    playwright.expect(page.locator('#filter-count')).to_have_text('1 runs')
    names = page.locator('.card[data-run]:visible').evaluate_all(
        'all => all.map(one => one.dataset.find)'
    )
    assert names == ['loss=hinge,width=32,seed=1']
    assert page.locator('.dots text:visible').filter(has_text='loss=hinge').count() == 1
    assert page.locator('.dots text:visible').filter(has_text='loss=logistic').count() == 0


def test_the_pointer_reads_values_and_the_legend_picks_groups(show, sweep_page):
    page = show(sweep_page)
    figure = page.locator('.curve').first
    figure.locator('svg').hover()
    step, *values = figure.locator('.tip').inner_text().splitlines()
    recorded = [
        value
        for run in reader.find(sweep_page.parent)[:2]
        for at, value in zip(*run.records.scalars['frechet'], strict=True)
        if f'step {at:.0f}' == step
    ]
    (shown,) = [value.split()[0] for value in values if value.endswith('loss=hinge')]
    assert float(shown) == pytest.approx(sum(recorded) / 2, rel=2e-3)
    button = page.locator('.legend button').first
    button.click()
    assert page.locator('g[data-group].kept').count() > 0
    assert button.get_attribute('aria-pressed') == 'true'
    button.click()
    assert page.locator('g[data-group].kept').count() == 0


def test_a_link_opens_the_details_of_a_run(show, sweep_page):
    page = show(sweep_page)
    run = page.locator('#run-2')
    assert run.get_attribute('open') is None
    page.click("#runs tbody a[href='#run-2']")
    playwright.expect(run).to_have_attribute('open', '')


def test_no_script_of_a_run_runs(show, tmp_path):
    """Names and values that would run if the page took them for markup or addresses."""
    attacks = [
        '<script>window.ran = 1</script>',
        '"><img src=x onerror="window.ran = 1">',
        "'onmouseover='window.ran=1",
        'javascript:window.ran=1',
        '</script></style><svg onload=window.ran=1>',
        '{{ 7 * 7 }}&quot; autofocus onfocus=window.ran=1 x="',
    ]
    folder = tmp_path / 'sweep <img src=x onerror=window.ran=1>'
    for index, attack in enumerate(attacks):
        config = made_runs.config_of(loss=attack, seed=index) | {attack: attack}
        run = made_runs.write_run(
            folder / attack.replace('/', '\\'),
            config=config,
            info={'status': 'failed', **dict.fromkeys(('error', 'command', 'source'), attack)},
            metrics={attack: float(index), 'frechet': 1.0},
            records=10,
            sheets=2,
            size=8,
        )
        line = made_runs.evaluation(4000, {'frechet': 1.0 + index, attack: 2.0})
        line |= dict.fromkeys(('note', 'extractor', 'reference', 'digest'), attack)
        (run / 'evaluations.jsonl').write_text(json.dumps(line) + '\n')
        with (run / 'metrics.jsonl').open('a') as file:
            file.write(json.dumps({'step': 4000, 'phase': attack, attack: 1.0}) + '\n')
        images.write_png(
            run / f'results/{attack.replace("/", "")}.png', np.zeros((8, 8, 3), np.uint8)
        )
    (folder / 'failed.json').write_text(json.dumps({attack: attack for attack in attacks}))
    page = show(report.write([folder]))
    for details in page.locator('details').all():
        details.evaluate('one => one.open = true')
    page.locator('.card[data-run] .enlarge').first.click()
    page.keyboard.press('Escape')
    page.locator('.curve svg').first.hover()
    page.fill('#filter', attacks[0])
    assert page.evaluate('window.ran') is None
    assert page.locator('img[src="x"], [onerror], [onload], [onfocus], [onmouseover]').count() == 0
    links = page.locator('a').evaluate_all('all => all.map(one => one.getAttribute("href"))')
    assert links and all(link.startswith('#') for link in links)


def test_tables_of_a_sweep_are_whole_in_a_window_of_1280_pixels(show, sweep_page):
    page = show(sweep_page, width=1280)
    wide = page.locator('#finding .scroll, #runs > .scroll').evaluate_all(
        'all => all.map(one => one.scrollWidth - one.clientWidth)'
    )
    assert wide and max(wide) <= 0


@pytest.mark.parametrize(('width', 'dark'), [(1200, False), (1200, True), (390, False)])
def test_the_page_fits_its_window_in_light_and_dark(show, sweep_page, width, dark):
    page = show(sweep_page, width=width, dark=dark)
    assert page.evaluate('document.documentElement.scrollWidth') <= width
    shot = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert('RGB')
    assert shot.width == width
    assert len(shot.getcolors(shot.width * shot.height)) > 100
    brightness = sum(shot.getpixel((2, 2))) / 3
    assert brightness < 60 if dark else brightness > 200
    label = page.locator('.dots text').last
    paper = page.evaluate('getComputedStyle(document.body).backgroundColor')
    assert label.evaluate('one => getComputedStyle(one).fill') != paper


def test_names_from_outside_run_no_script(show, tmp_path):
    attack = '<img src=x onerror="window.taken=1"><script>window.taken=1'
    config = made_runs.config_of(loss=attack)
    folder = tmp_path / 'a"><svg onload=window.taken=1><'
    made_runs.write_run(folder / 'one', config=config, info={'error': attack, 'status': 'failed'})
    made_runs.write_run(folder / 'two', metrics={attack: 1.0})
    page = show(report.write([folder]))
    assert page.evaluate('window.taken') is None
    assert page.locator('.failures').inner_text().count(attack) == 1


def test_of_thirty_runs_the_best_show_and_the_filter_finds_the_others(show, tmp_path):
    made_runs.write_sweep(
        tmp_path / 'sweep',
        losses=['hinge', 'wasserstein', 'relativistic'],
        widths=[16, 32, 48, 64, 96],
        seeds=2,
        records=30,
        sheets=2,
        size=16,
    )
    path = report.write([tmp_path / 'sweep'])
    assert path.stat().st_size < 6e6
    page = show(path)
    assert page.locator('#runs details[data-find]').count() == 30
    cards = page.locator('.card[data-run]:visible')
    assert cards.count() == 24
    page.fill('#filter', 'relativistic width=96 seed=1')
    playwright.expect(cards).to_have_count(1)
