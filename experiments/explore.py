r"""Serves a page that looks inside a run, and that watches runs while they train.

python -m experiments.explore runs/gan
python -m experiments.explore model/                # an exported model
python -m experiments.explore runs/sweep            # many runs at a glance

Open the address that it prints. What the page offers depends on the method: new samples by seed,
truncation, class and guidance; a point to drag between kept samples; the latent of a dropped
picture; a picture or a drawing, translated; the images that a search holds. Below it the training
is watched, and can be stopped. Every picture comes with the command that makes it again.

The server listens on this machine alone. To reach a machine over SSH, forward the port:

    ssh -L 8765:127.0.0.1:8765 MACHINE

--host=NAME lets other machines in, under that name; the traffic is not encrypted. Who has the
printed address can use the page.
"""

import errno
import importlib.util
import os
import pathlib
import secrets
import socket

from absl import flags

from imggen import cli, devices
from imggen.errors import UserError

_HOST = flags.DEFINE_string('host', '127.0.0.1', 'Name or address of this machine to listen on.')
_PORT = flags.DEFINE_integer('port', 8765, 'Port to listen on.', 1, 65535)
_CHECKPOINT = flags.DEFINE_string('checkpoint', 'newest', "'newest', 'best' or a step.")


def main(argv):
    if len(argv) != 2:
        raise UserError('name one folder: a run, an exported model or a folder of runs.')
    for name in ('uvicorn', 'starlette'):
        if importlib.util.find_spec(name) is None:
            raise UserError(f"{name} is missing: pip install 'imggen[explore]' brings it.")
    # On a GPU the run that is watched needs the memory.
    os.environ.setdefault('XLA_PYTHON_CLIENT_PREALLOCATE', 'false')
    devices.cache_compilations()
    from imggen.inference import load

    try:
        # The port comes first: to load a run takes seconds.
        with _listening(_HOST.value, _PORT.value) as listener:
            _serve(load.folder(argv[1]), listener)
    except KeyboardInterrupt:
        print('ended')


def _serve(path: pathlib.Path, listener: socket.socket) -> None:
    """Answers requests until Ctrl-C or SIGTERM."""
    import uvicorn

    from imggen.explore import server

    print(f'loading {path} ...', flush=True)
    token = secrets.token_urlsafe(16)
    names = [_HOST.value, 'localhost'] if _is_loopback(_HOST.value) else [_HOST.value]
    application = server.make(
        path,
        token=token,
        hosts=[f'{_bracketed(name).lower()}:{_PORT.value}' for name in names],
        which=_CHECKPOINT.value,
    )
    where = f'http://{_bracketed(_HOST.value)}:{_PORT.value}/?token={token}'
    print(f'{path}: open {where} (Ctrl-C ends it)', flush=True)
    options = uvicorn.Config(
        application,
        log_level='warning',
        lifespan='off',
        ws='none',
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    uvicorn.Server(options).run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    """Opens the port at one address of this machine, not at all of them."""
    if host in ('', '0.0.0.0', '::', '*'):
        raise UserError(
            f'--host={host} is no name: give the one name or address under which browsers reach '
            'this machine.'
        )
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise UserError(f'--host={host}: {error.strerror}; give a name of this machine.') from error
    try:
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            other = port + 1 if port < 65535 else port - 1
            raise UserError(f'port {port} is in use: give --port={other}.') from error
        reason = os.strerror(error.errno)
        raise UserError(
            f'--host={host} --port={port} cannot be listened on ({reason}): give another --port, '
            'or a name of this machine.'
        ) from error


def _is_loopback(host: str) -> bool:
    return host in ('127.0.0.1', 'localhost', '::1')


def _bracketed(host: str) -> str:
    return f'[{host}]' if ':' in host else host


if __name__ == '__main__':
    cli.run(main)
