"""The page in a real browser, end to end: a generator, a translator, narrow and dark."""

import io
import socket
import threading
import time

import numpy as np
import pytest
from PIL import Image

from imggen.inference import load, recipe
from tests.helpers import chromium, hostile, untrained

playwright = pytest.importorskip('playwright.sync_api')
uvicorn = pytest.importorskip('uvicorn')


@pytest.fixture(scope='module')
def opened():
    """Serves folders and opens their pages, which must not have complained in the end."""
    complaints, stops = [], []
    playwright.expect.set_options(timeout=120_000)  # The first picture waits for the compiler.
    with chromium.launched() as browser:

        def note(message):
            refused = 'the server responded with a status of 400' in message.text
            if message.type in ('error', 'warning') and not refused:
                complaints.append(message.text)

        def opened(folder):
            address, stop = serve(folder)
            stops.append(stop)
            page = browser.new_page(viewport={'width': 1200, 'height': 900})
            page.set_default_timeout(120_000)
            page.on('console', note)
            page.on('pageerror', lambda error: complaints.append(error))
            page.goto(address)
            return page

        yield opened
    for stop in stops:
        stop()
    assert not complaints


def serve(folder):
    """Serves a folder from a thread; returns its address, and a function that ends it."""
    from imggen.explore import server

    listener = socket.create_server(('127.0.0.1', 0))
    host = f'127.0.0.1:{listener.getsockname()[1]}'
    application = server.make(folder, token='secret', hosts=[host])
    options = uvicorn.Config(application, log_level='error', lifespan='off', ws='none')
    running = uvicorn.Server(options)
    thread = threading.Thread(target=running.run, kwargs={'sockets': [listener]})
    thread.start()

    def stop():
        running.should_exit = True
        thread.join()
        listener.close()

    while not running.started:
        time.sleep(0.01)
    return f'http://{host}/?token=secret', stop


def test_a_generator_is_explored(opened, tmp_path):
    batch = {'image': (4, 8, 8, 1), 'label': (4,)}
    model = untrained.write(tmp_path / 'gan', untrained.GAN, batch)
    page = opened(model)
    tiles = page.locator('#wall .picture')
    playwright.expect(tiles).to_have_count(24)
    playwright.expect(page.locator('#pad')).to_be_hidden()
    for index in (0, 5):
        tiles.nth(index).click()
    playwright.expect(page.locator('#kept .picture')).to_have_count(2)
    playwright.expect(page.locator('#about')).to_have_text('seed 0, image 5, step 7')
    page.locator('#pad').scroll_into_view_if_needed()
    box = page.locator('#pad').bounding_box()
    page.mouse.move(box['x'] + 0.2 * box['width'], box['y'] + 20)
    page.mouse.down()
    for share in (0.3, 0.5, 0.7):
        page.mouse.move(box['x'] + share * box['width'], box['y'] + 20)
    page.mouse.up()
    playwright.expect(page.locator('#about')).to_have_text('between others, step 7')
    playwright.expect(page.locator('#panel')).not_to_have_class('busy')
    with page.expect_download() as download:
        page.click('#save')
    saved = tmp_path / 'picture.png'
    download.value.save_as(saved)
    again = recipe.make(load.load(model), [recipe.read_png(saved)])
    np.testing.assert_array_equal(again[0, ..., 0], np.asarray(Image.open(saved)))

    page.select_option('#label', '2')
    playwright.expect(tiles.first).to_have_attribute('title', 'seed 0, image 0, class 2, step 7')
    page.fill('#seed', '9')
    playwright.expect(tiles.first).to_have_attribute('title', 'seed 9, image 0, class 2, step 7')

    page.emulate_media(color_scheme='dark')
    page.set_viewport_size({'width': 400, 'height': 800})
    assert page.evaluate('document.documentElement.scrollWidth') <= 400
    shot = Image.open(io.BytesIO(page.screenshot())).convert('L')
    assert shot.getpixel((2, 2)) < 60


def test_a_drawing_and_a_picture_are_translated(opened, tmp_path):
    batch = {'input': (1, 32, 32, 1), 'target': (1, 32, 32, 3)}
    data = {'name': 'pairs', 'task': 'filter', 'filter': 'gray'}
    folder = untrained.write(tmp_path / 'it', untrained.PIX2PIX, batch, data=data)
    page = opened(folder)
    box = page.locator('#canvas').bounding_box()
    page.mouse.move(box['x'] + 50, box['y'] + 50)
    page.mouse.down()
    page.mouse.move(box['x'] + 150, box['y'] + 200)
    page.mouse.up()
    playwright.expect(page.locator('#large img')).to_have_count(2)
    assert '--filtered' in page.locator('#command').inner_text()
    dropped = {'name': 'a b.png', 'mimeType': 'image/png'}
    dropped['buffer'] = hostile.encoded(hostile.photograph(24, 40))
    page.set_input_files('#drop input', dropped)
    playwright.expect(page.locator('#about')).to_have_text('translated: a b.png, seed 0')
    assert page.locator('#large img').last.evaluate('one => one.naturalWidth') == 40
    page.set_input_files('#drop input', {**dropped, 'buffer': b'no picture'})
    playwright.expect(page.locator('#trouble')).to_contain_text('a b.png cannot be read')
