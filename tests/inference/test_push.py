"""Exported models uploaded to a stand-in of the Hub's HTTP interface."""

import base64
import contextlib
import http.server
import json
import threading

import pytest

from imggen.errors import UserError
from imggen.inference import push

pytest.importorskip('huggingface_hub')


class _Hub(http.server.BaseHTTPRequestHandler):
    """Takes a repository and one commit, whose files it keeps in the server's `files`."""

    def do_POST(self):
        length = int(self.headers.get('content-length') or 0)
        body = self.rfile.read(length) if length else self._chunks()
        if self.headers.get('authorization') != 'Bearer good':
            return self._answer(401, {'error': 'Invalid credentials'})
        if self.path == '/api/repos/create':
            self.server.made = json.loads(body)
            return self._answer(200, {'url': f'{self.server.address}/me/model'})
        if '/preupload/' in self.path:
            paths = [file['path'] for file in json.loads(body)['files']]
            plain = {'uploadMode': 'regular', 'shouldIgnore': False}
            return self._answer(200, {'files': [{'path': path, **plain} for path in paths]})
        if '/commit/' in self.path:
            for line in map(json.loads, body.splitlines()):
                if line['key'] == 'file':
                    value = line['value']
                    self.server.files[value['path']] = base64.b64decode(value['content'])
            commit = {
                'commitUrl': f'{self.server.address}/me/model/commit/1',
                'commitOid': '1' * 40,
            }
            return self._answer(200, commit)
        return self._answer(200, {'errors': [], 'warnings': []})  # The card is valid.

    def _chunks(self):
        body = b''
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        return body

    def _answer(self, status, value):
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header('content-type', 'application/json')
        self.send_header('content-length', str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def hub():
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), _Hub) as server:
        server.address = f'http://127.0.0.1:{server.server_port}'
        server.files, server.made = {}, None
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_folder_becomes_a_private_repository(tmp_path, monkeypatch):
    monkeypatch.setenv('HF_TOKEN', 'good')
    content = {'README.md': b'# card\n', 'weights.safetensors': bytes(range(256))}
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    with hub() as server:
        assert push.push(tmp_path, 'me/model', endpoint=server.address).endswith('me/model')
        assert server.files == content
        assert server.made['name'] == 'model' and server.made['visibility'] == 'private'


def test_a_refusal_is_one_sentence_that_keeps_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv('HF_TOKEN', 'bad')
    (tmp_path / 'README.md').write_text('# card\n')
    with hub() as server, pytest.raises(UserError, match='was not uploaded') as caught:
        push.push(tmp_path, 'me/model', endpoint=server.address)
    assert '\n' not in str(caught.value) and (tmp_path / 'README.md').is_file()


def test_without_a_network_the_folder_is_kept_in_one_sentence(tmp_path, monkeypatch):
    for endpoint in ('http://127.0.0.1:9', 'no address', 'http://[::1'):
        with pytest.raises(UserError, match='me/model was not uploaded'):
            push.push(tmp_path, 'me/model', endpoint=endpoint)
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', True)
    with pytest.raises(UserError, match='me/model was not uploaded'):
        push.push(tmp_path, 'me/model')


@pytest.mark.parametrize('target', ['me/model', 'hf:model', 'hf:a/b/c', 's3:me/model', 'hf:a/ b'])
def test_other_targets_are_refused(target):
    with pytest.raises(UserError, match='write hf:USER/NAME'):
        push.repository(target)
