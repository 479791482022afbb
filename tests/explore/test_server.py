"""What the server of the page answers, to whom, and what it refuses."""

import asyncio
import base64
import io
import json
import os
import shlex

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

import imggen
from imggen.errors import UserError
from imggen.explore import server
from imggen.inference import load, recipe
from imggen.workdir import lock
from tests.helpers import commands, hostile, made_runs, untrained

testing = pytest.importorskip('starlette.testclient')

HOST, TOKEN = '127.0.0.1:8765', 'secret'
OWN = {'x-imggen-token': TOKEN}


def client(path, **headers):
    application = server.make(path, token=TOKEN, hosts=[HOST, 'localhost:8765'])
    return testing.TestClient(application, base_url=f'http://{HOST}', headers=OWN | headers)


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp('models') / 'gan'
    return untrained.write(folder, untrained.GAN, {'image': (4, 8, 8, 1), 'label': (4,)})


@pytest.fixture(scope='module')
def asked(model):
    with client(model) as asked:
        assert asked.get(f'/?token={TOKEN}').status_code == 200  # Loads the model.
        yield asked


def pixels(picture):
    data = base64.b64decode(picture['src'].removeprefix('data:image/png;base64,'))
    return np.asarray(Image.open(io.BytesIO(data)))


def samples(asked, **wanted):
    answer = asked.post('/samples', json={'count': 5, 'recipes': [wanted]})
    assert answer.status_code == 200, answer.text
    return answer.json()['pictures']


def test_only_the_browser_of_the_owner_is_answered(asked):
    assert asked.post('/watch').status_code == 200
    assert asked.post('/watch', headers={'origin': f'http://{HOST}'}).status_code == 200
    for headers in (
        {'x-imggen-token': ''},
        {'x-imggen-token': 'secre'},
        {'x-imggen-token': 'sécret'.encode('latin-1')},
        {'host': 'evil.example:8765'},
        {'host': '127.0.0.1'},
        {'host': '127.0.0.1.evil.example:8765'},
        {'origin': 'http://evil.example'},
        {'origin': 'null'},
        {'origin': f'https://{HOST}'},
    ):
        assert asked.post('/watch', headers=headers).status_code == 403, headers
    for path in ('/', '/?token=', '/?token=x'):  # The header does not open the page.
        assert asked.get(path).status_code == 403
    assert asked.get('/watch').status_code == 405
    for path in ('/../config.json', '/explore.js', '/static/x', '/samples/000000.png'):
        assert asked.get(path).status_code == 404


def test_the_page_runs_its_own_script_and_no_other(asked):
    answer = asked.get(f'/?token={TOKEN}')
    policy = answer.headers['content-security-policy']
    assert policy.startswith("default-src 'none'") and "script-src 'sha256-" in policy
    assert 'http' not in answer.text.replace('http-equiv', '').replace('www.w3.org', '')
    assert answer.headers['x-content-type-options'] == 'nosniff'


def test_samples_are_those_of_the_command_and_carry_their_recipe(asked, model, tmp_path):
    run = imggen.load(model)
    made = samples(asked, seed=3, label=2)
    expected = run.sample(5, seed=3, label=2)[..., 0]
    np.testing.assert_array_equal([pixels(picture) for picture in made], expected)
    assert '--num=5 --seed=3 --label=2' in made[4]['command']
    assert f'--workdir={shlex.quote(str(model))}' in made[4]['command']
    file = tmp_path / 'picture.png'
    file.write_bytes(base64.b64decode(made[4]['src'].partition(',')[2]))
    again = recipe.make(load.load(model), [recipe.read_png(file)])
    np.testing.assert_array_equal(again[0, ..., 0], expected[4])


def test_a_point_between_pictures_is_made_again_by_its_recipe(asked, model, tmp_path):
    first, second, third = samples(asked, seed=0, label=1, truncation=0.5)[:3]
    corners = [picture['recipe'] for picture in (first, second, third)]

    def between(at, ends):
        answer = asked.post('/between', json={'recipes': ends, 'at': at})
        return answer.json()['pictures'][0]

    for at, ends, corner in (
        ([0.0], corners[:2], first),
        ([1.0], corners[:2], second),
        ([0.5, 1.0], corners, third),
    ):
        found = pixels(between(at, ends)).astype(int)
        assert np.abs(found - pixels(corner)).max() <= 1
    made = between([0.4], corners[:2])
    assert np.abs(pixels(made).astype(int) - pixels(first)).max() > 1
    file = tmp_path / 'picture.png'
    file.write_bytes(base64.b64decode(made['src'].partition(',')[2]))
    assert '--again=picture.png' in made['command']
    again = recipe.make(load.load(model), [recipe.read_png(file)])
    np.testing.assert_array_equal(again[0, ..., 0], pixels(made))


def test_the_latent_of_a_picture_is_found(asked):
    (given,) = samples(asked, seed=5, label=0)[2:3]
    body = base64.b64decode(given['src'].partition(',')[2])
    answer = asked.post('/find?name=..%2F..%2Fpicture.png&label=0', content=body)
    shown, found = answer.json()['pictures']
    np.testing.assert_array_equal(pixels(shown), pixels(given))
    assert '--project=picture.png' in found['command']
    assert np.abs(pixels(found).astype(float) - pixels(given)).mean() < 4
    again = asked.post('/between', json={'recipes': [found['recipe']] * 2, 'at': [0.0]})
    assert np.abs(pixels(again.json()['pictures'][0]).astype(int) - pixels(found)).max() <= 1


@pytest.mark.parametrize(
    'path, body',
    [
        ('/samples', b''),
        ('/samples', b'[' * 100_000),
        ('/samples', b'[]'),
        ('/samples', b'{"recipes": [[]]}'),
        ('/samples', b'{"recipes": [null]}'),
        ('/samples', b'{"recipes": [{"seed": 1e400}]}'),
        ('/samples', b'{"recipes": [{"seed": true}]}'),
        ('/samples', b'{"recipes": [{"seed": -1}]}'),
        ('/samples', b'{"recipes": [{"seed": 0, "label": 3}]}'),
        ('/samples', b'{"recipes": [{"seed": 0, "guidance": 2}]}'),
        ('/samples', b'{"recipes": [{"seed": 0, "truncation": NaN}]}'),
        ('/samples', b'{"recipes": [{"seed": 0, "truncation": -1}]}'),
        ('/samples', b'{"recipes": [{"seed": 0, "truncation": 1%s}]}' % (b'0' * 300)),
        ('/samples', b'{"recipes": [{"seed": 0, "path": "/etc/passwd"}]}'),
        ('/samples', b'{"recipes": [{"seed": 0}], "count": 1000000}'),
        ('/between', b'{"recipes": [{"seed": 0}], "at": [0]}'),
        ('/between', b'{"recipes": [{"seed": 0}, {"seed": 1}], "at": [2]}'),
        ('/between', b'{"recipes": [{"seed": 0}, {"seed": 1}], "at": ["0"]}'),
        ('/between', b'{"recipes": [{"seed": 0}, {"seed": 1, "latent": "AAAA"}], "at": [0]}'),
        ('/between', b'{"recipes": [{"seed": 0}, {"seed": 1, "latent": "AAAAAA=="}], "at": [0]}'),
        ('/find?name=/etc/passwd', b'no picture'),
        ('/find', b''),
        ('/find', b'%!PS-Adobe-3.0 EPSF-3.0\n{} loop'),
        ('/find', hostile.encoded(hostile.photograph())[:100]),
        ('/find?label=999999999', hostile.encoded(hostile.photograph())),
        ('/held', b''),
        ('/translate', b'no translation'),
        ('/translate?seed=x', b''),
        ('/stop', b'{"run": "../gan"}'),
        ('/stop', b'{"run": {}}'),
        ('/stop', b'{"run": "gan"}'),
    ],
)
def test_bad_requests_are_one_sentence(asked, path, body):
    answer = asked.post(path, content=body)
    assert answer.status_code == 400
    sentence = answer.json()['error']
    assert sentence.endswith(('.', ')')) and '\n' not in sentence and '/imggen-' not in sentence


def test_a_body_is_read_up_to_the_limit_whatever_its_header_says(asked, monkeypatch):
    monkeypatch.setattr(server, 'MAX_BYTES', 1000)
    parts = (bytes(400) for _ in range(3))
    assert asked.post('/find', content=parts).status_code == 413
    assert asked.post('/find', content=bytes(1001)).status_code == 413


def test_a_translator_answers_as_the_command(tmp_path):
    batch = {'input': (1, 32, 32, 1), 'target': (1, 32, 32, 3)}
    data = {'name': 'pairs', 'task': 'filter', 'filter': 'gray'}
    folder = untrained.write(tmp_path / 'it', untrained.PIX2PIX, batch, data=data)
    with client(folder) as asked:
        assert asked.get(f'/?token={TOKEN}').status_code == 200
        picture = hostile.photograph(40, 56)
        body = hostile.encoded(picture)
        for filtered in ('true', 'false'):
            answer = asked.post(f'/translate?filtered={filtered}', content=body)
            shown, made = answer.json()['pictures']
            np.testing.assert_array_equal(pixels(shown), picture)
            assert pixels(made).shape == (40, 56, 3)
            assert ('--filtered' in made['command']) == (filtered == 'true')
        expected = imggen.load(folder).translate(picture)
        np.testing.assert_array_equal(pixels(made), expected)
        answer = asked.post('/translate', content=hostile.encoded(np.zeros((2001, 2001), 'uint8')))
        assert answer.status_code == 400 and 'experiments.translate' in answer.json()['error']


def test_many_runs_are_watched_and_their_names_are_no_markup(tmp_path):
    attack = '<img src=x onerror="window.ran=1">'
    sweep = made_runs.write_sweep(
        tmp_path / 'sweep', losses=['hinge', attack], widths=[8], seeds=1, records=20, sheets=2
    )
    with client(sweep) as asked:
        assert asked.get(f'/?token={TOKEN}').status_code == 200
        text = asked.post('/watch').text
        assert text.count('<article>') == 2 and text.count('<progress') == 2
        assert '<svg' in text and 'data:image/webp' in text
        assert attack not in text and '<img src=x' not in text
        made_runs.write_run(sweep / 'later', records=5, sheets=0)
        assert asked.post('/watch').text.count('<article>') == 3
        assert asked.post('/samples', json={'recipes': [{'seed': 0}]}).status_code == 400


def test_a_run_that_trains_shows_its_time_left_and_can_be_stopped(tmp_path):
    halfway = {'status': 'running', 'num_steps': 8000}  # 4,000 steps took 200 seconds.
    run = made_runs.write_run(tmp_path / 'run', records=20, sheets=1, info=halfway)
    with client(run) as asked:
        text = asked.post('/watch').text
        assert 'no process of this machine trains it' in text and 'class="stop"' not in text
        assert '"chip unknown"' in text and '"chip running"' not in text
        with lock.held(run, say=print):
            text = asked.post('/watch').text
            assert '3 min 20 s left' in text and 'class="stop"' in text
        assert 'class="stop"' not in asked.post('/watch').text


def test_the_images_that_a_search_holds_have_places(tmp_path):
    section = {'name': 'pixel_average', 'num_steps': 1, 'num_images': 1}
    folder = untrained.write(tmp_path / 'mean', section, {'image': (1, 8, 8, 1)})
    with client(folder) as asked:
        assert 'id="wall"' in asked.get(f'/?token={TOKEN}').text
        (made,) = asked.post('/held').json()['pictures']
        assert made['place'] == 0 and pixels(made).shape == (8, 8)


def test_the_server_listens_at_one_address():
    with commands.imported('experiments.explore') as explore:
        for host in ('0.0.0.0', '::', ''):
            with pytest.raises(UserError, match='is no name: give the one name'):
                explore._listening(host, 0)
        with explore._listening('127.0.0.1', 0) as listener:
            address, port = listener.getsockname()
            assert address == '127.0.0.1'
            with pytest.raises(UserError, match=f'port {port} is in use: give --port={port + 1}'):
                explore._listening('127.0.0.1', port)


@pytest.mark.parametrize(
    'text',
    [
        None,
        '',
        '[]',
        'null',
        '{}',
        '9' * 5000,
        '[' * 100_000,
        '{"seed": "0"}',
        '{"seed": 0, "latent": 1}',
        '{"seed": 0, "latent": "AACAfw=="}',  # Infinity.
        '{"seed": 0, "latent": "//9/fw=="}',  # The largest number, whose square is infinite.
        '{"seed": 0, "__class__": 1}',
    ],
)
def test_a_picture_without_a_recipe_is_refused(tmp_path, text):
    file, info = tmp_path / 'picture.png', PngImagePlugin.PngInfo()
    if text is not None:
        info.add_text('imggen', text)
    Image.new('L', (4, 4)).save(file, pnginfo=info)
    with pytest.raises(UserError, match='does not say how it was made'):
        recipe.read_png(file)


def test_a_folder_whose_name_is_no_text_is_answered(tmp_path):
    folder = tmp_path / os.fsdecode(b'run\xff')
    made_runs.write_run(folder, records=5, sheets=0)
    with client(folder) as asked:
        assert asked.get(f'/?token={TOKEN}').status_code == 200
        answer = asked.post('/stop', json={'run': folder.name.encode(errors='replace').decode()})
        assert answer.status_code == 400
        answer = asked.post('/stop', content=json.dumps({'run': folder.name}))
        assert answer.status_code == 400 and 'nothing was stopped' in answer.json()['error']


def test_a_browser_that_leaves_is_no_error(asked):
    """A tab that is closed during an upload must not print a traceback."""
    host, token = HOST.encode(), TOKEN.encode()
    headers = [(b'host', host), (b'x-imggen-token', token), (b'content-length', b'9')]
    scope = {'type': 'http', 'method': 'POST', 'path': '/find', 'headers': headers}
    parts = iter([{'type': 'http.request', 'body': b'x', 'more_body': True}])
    sent = []

    async def receive():
        return next(parts, {'type': 'http.disconnect'})

    async def send(message):
        sent.append(message)

    asyncio.run(asked.app({**scope, 'query_string': b'', 'root_path': ''}, receive, send))
    assert sent[0]['status'] == 400
