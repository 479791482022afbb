"""The web server of the page: who may ask, how much, and what is answered.

A browser has to know the token, which only the address that the command prints contains, so that
neither another user of the machine nor a page of another site can ask anything. The names by which
the server is reached are checked too (`Host`, `Origin`): a foreign name that resolves to this
machine is refused. No request names a file.
"""

import base64
import hashlib
import hmac
import json
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from imggen.errors import UserError
from imggen.explore import requests
from imggen.explore.render import render, source
from imggen.explore.session import MAX_SAMPLES, Session
from imggen.explore.watch import Watch
from imggen.inference.recipe import Recipe

MAX_BYTES = 32 << 20  # Of a request: a large photograph.
_TOKEN = 'x-imggen-token'
_LARGEST_SEED = 2**31 - 1


def make(
    path: pathlib.Path,
    *,
    token: str,
    hosts: Sequence[str],
    which: str | int = 'newest',
) -> Starlette:
    """Builds the application that serves one folder.

    Args:
      path: a run, an exported model, or a folder of runs, which can only be watched.
      token: what a browser has to know.
      hosts: the names by which the server is reached, each as name:port.
      which: the checkpoint to look inside, as in `load.load`.

    Raises:
      UserError: the folder holds no run.
    """
    page = _Page(path, which)
    answers = {
        'samples': page.samples,
        'between': page.between,
        'find': page.find,
        'translate': page.translate,
        'held': page.held,
        'watch': page.watch,
        'stop': page.stop,
    }
    guard = _guard(token, frozenset(hosts))
    routes = [Route('/', guard(page.whole, body=False), methods=['GET'])]
    routes += [
        Route(f'/{name}', guard(answer, body=True), methods=['POST'])
        for name, answer in answers.items()
    ]
    return Starlette(routes=routes, exception_handlers={UserError: _refused})


class _Page:
    """The answers. Each takes (query, body) and may take long."""

    def __init__(self, path: pathlib.Path, which: str | int):
        self._path, self._which = path, which
        self._watch = Watch(path)
        self._session, self._why = None, ''

    def whole(self, query, body) -> Response:
        """The page itself. The run is loaded here, and again if it has a newer checkpoint."""
        self._load()
        run = self._watch.runs[0]
        about = self._session.about() if self._session else {'kind': 'none'}
        script = source('explore.js')
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        text = render(
            'explore.html.j2',
            title=self._path.resolve().name,
            method=run.config['method'].get('name'),
            many=not self._is_run(),
            why=self._why,
            about=about,
            script=script,
        )
        policy = (
            "default-src 'none'; connect-src 'self'; img-src data: blob:; base-uri 'none'; "
            f"style-src 'unsafe-inline'; script-src 'sha256-{digest}'; form-action 'none'; "
            "frame-ancestors 'none'"
        )
        return HTMLResponse(text, headers={'content-security-policy': policy})

    def samples(self, query, body) -> Response:
        values = requests.object_of(body)
        (wanted,) = requests.recipes(values, 'recipes', 1, 1)
        count = requests.whole(values, 'count', 1, MAX_SAMPLES, 24)
        return _pictures(self._loaded().samples(count, wanted))

    def between(self, query, body) -> Response:
        values = requests.object_of(body)
        corners = requests.recipes(values, 'recipes', 2, 4)
        return _pictures([self._loaded().between(corners, requests.shares(values, 'at'))])

    def find(self, query, body) -> Response:
        wanted = Recipe(0)
        if query.get('label', '').isdecimal():
            wanted = wanted._replace(label=int(query['label'][:9]))
        return _pictures(self._loaded().find(body, _name(query), wanted))

    def translate(self, query, body) -> Response:
        seed = requests.whole({'seed': _int(query.get('seed', '0'))}, 'seed', 0, _LARGEST_SEED, 0)
        filtered = query.get('filtered') == 'true'
        made = self._loaded().translate(body, _name(query), seed=seed, filtered=filtered)
        return _pictures(made)

    def held(self, query, body) -> Response:
        return _pictures(self._loaded().held())

    def watch(self, query, body) -> Response:
        return HTMLResponse(self._watch.html())

    def stop(self, query, body) -> Response:
        name = requests.object_of(body).get('run')
        self._watch.stop(name if isinstance(name, str) else '')
        return _json({})

    def _is_run(self) -> bool:
        return (self._path / 'config.json').is_file()

    def _load(self) -> None:
        if self._is_run() and (self._session is None or self._is_behind()):
            try:
                self._session, self._why = Session(self._path, which=self._which), ''
            except UserError as error:
                self._why = str(error)

    def _is_behind(self) -> bool:
        return self._which == 'newest' and self._session.is_old()

    def _loaded(self) -> Session:
        if self._session is None:
            raise UserError(self._why or 'this folder holds many runs: explore one of them.')
        return self._session


def _pictures(made: Sequence[Any]) -> Response:
    return _json({'pictures': [picture.to_json() for picture in made]})


def _guard(token: str, hosts: frozenset[str]):
    """Returns what turns an answer into an endpoint that only the owner's browser reaches."""
    origins = {f'http://{host}' for host in hosts}

    def guard(answer: Callable[[Any, bytes], Response], *, body: bool):
        async def endpoint(request: Request) -> Response:
            headers = request.headers
            if headers.get('host', '').lower() not in hosts:
                raise HTTPException(403, 'This server does not have that name.')
            if headers.get('origin', next(iter(origins))).lower() not in origins:
                raise HTTPException(403, 'Another site asks.')
            given = headers.get(_TOKEN, '') if body else request.query_params.get('token', '')
            if not hmac.compare_digest(given.encode(), token.encode()):
                raise HTTPException(403, 'Open the whole address that the command has printed.')
            received = await _received(request) if body else b''
            response = await run_in_threadpool(answer, request.query_params, received)
            response.headers['cache-control'] = 'no-store'
            response.headers['x-content-type-options'] = 'nosniff'
            response.headers['referrer-policy'] = 'no-referrer'
            return response

        return endpoint

    return guard


async def _received(request: Request) -> bytes:
    """Reads a body, and stops where it is too large, whatever its header says."""
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > MAX_BYTES:
                raise HTTPException(413, f'The file has more than {MAX_BYTES >> 20} MiB.')
    except ClientDisconnect:
        raise HTTPException(400, 'The request ended early.') from None  # Nobody reads this.
    return bytes(body)


async def _refused(request: Request, error: Exception) -> Response:
    return _json({'error': str(error)}, status_code=400)


def _json(value: Any, *, status_code: int = 200) -> Response:
    """Answers in ASCII, since the name of a folder may be no text."""
    return Response(json.dumps(value), status_code, media_type='application/json')


def _name(query) -> str:
    """Returns the name of a file for messages and commands; it is never used as a path."""
    name = query.get('name', '').replace('\\', '/').rpartition('/')[2]
    return ''.join(letter for letter in name if letter.isprintable())[:100] or 'picture.png'


def _int(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else -1
