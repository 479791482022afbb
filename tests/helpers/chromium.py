"""Debian's chromium without a window, spoken to over its DevTools pipe."""

import base64
import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import time

from PIL import Image

PROGRAM = shutil.which('chromium') or shutil.which('chromium-browser')
_OPTIONS = (
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--disable-sync',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-dev-shm-usage',
    '--no-first-run',
    '--hide-scrollbars',
    '--remote-debugging-pipe',
)
# Chromium reads commands from descriptor 3 and answers on 4.
_LAUNCH = 'import os, sys; r, w = map(int, sys.argv[1:3]); os.dup2(r, 3); os.dup2(w, 4); '
_LAUNCH += 'os.execv(sys.argv[3], sys.argv[3:])'
_PATIENCE = 60


class Browser:
    """One page of one browser; messages are JSON with a zero byte behind."""

    def __init__(self, commands, answers):
        self._commands, self._answers = commands, answers
        self._number, self._session, self._pending = 0, None, b''
        self.complaints = []
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        attached = self.call('Target.attachToTarget', targetId=target, flatten=True)
        self._session = attached['sessionId']
        for domain in ('Page', 'Runtime', 'Log', 'Network'):
            self.call(f'{domain}.enable')

    def call(self, method, **params):
        """Sends a command; returns its result; notes errors of the page that come meanwhile."""
        self._number += 1
        message = {'id': self._number, 'method': method, 'params': params}
        if self._session:
            message['sessionId'] = self._session
        os.write(self._commands, json.dumps(message).encode() + b'\0')
        while True:
            answer = self._receive()
            if answer.get('id') == self._number:
                assert 'error' not in answer, (method, answer)
                return answer['result']
            self._note(answer.get('method'), answer.get('params'))

    def _receive(self):
        while b'\0' not in self._pending:
            received = os.read(self._answers, 1 << 20)
            assert received, 'the browser has gone'
            self._pending += received
        message, self._pending = self._pending.split(b'\0', 1)
        return json.loads(message)

    def _note(self, method, params):
        wrong = method in ('Runtime.exceptionThrown', 'Log.entryAdded')
        wrong |= method == 'Runtime.consoleAPICalled' and params['type'] in ('error', 'warning')
        if method == 'Network.requestWillBeSent':
            wrong = not params['request']['url'].startswith(('file:', 'data:'))
        if wrong:
            self.complaints.append(params)

    def evaluate(self, expression):
        """Returns the value of an expression in the page."""
        result = self.call('Runtime.evaluate', expression=expression, returnByValue=True)
        assert 'exceptionDetails' not in result, result
        return result['result'].get('value')

    def until(self, expression):
        """Waits until an expression is true in the page."""
        end = time.monotonic() + _PATIENCE
        while not self.evaluate(expression):
            assert time.monotonic() < end, f'never came true: {expression}'
            time.sleep(0.02)

    def open(self, path, *, width=1200, height=900, dark=False):
        """Loads a page from disk; returns the seconds that it took."""
        self.call(
            'Emulation.setDeviceMetricsOverride',
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}
        self.call('Emulation.setEmulatedMedia', features=[scheme])
        start = time.monotonic()
        self.call('Page.navigate', url=path.resolve().as_uri())
        self.until("document.readyState === 'complete' && location.protocol === 'file:'")
        return time.monotonic() - start

    def click(self, selector):
        """Scrolls an element into view and clicks its middle with the mouse."""
        x, y = self.middle(selector)
        for kind in ('mousePressed', 'mouseReleased'):
            self.call('Input.dispatchMouseEvent', type=kind, x=x, y=y, button='left', clickCount=1)

    def middle(self, selector):
        """Scrolls an element into view; returns where its middle is."""
        return self.evaluate(
            f'(() => {{ const one = document.querySelector({json.dumps(selector)});'
            "one.scrollIntoView({block: 'center', behavior: 'instant'});"
            'const box = one.getBoundingClientRect();'
            'return [box.x + box.width / 2, box.y + box.height / 2]; })()'
        )

    def press(self, key):
        """Presses a key on what has the focus."""
        codes = {'ArrowLeft': 37, 'ArrowRight': 39, 'Home': 36, 'Escape': 27}
        for kind in ('rawKeyDown', 'keyUp'):
            self.call(
                'Input.dispatchKeyEvent', type=kind, key=key, windowsVirtualKeyCode=codes[key]
            )

    def write(self, selector, text):
        """Types into a field."""
        self.click(selector)
        self.call('Input.insertText', text=text)

    def screenshot(self):
        """Returns a picture of the whole page."""
        shot = self.call('Page.captureScreenshot', format='png', captureBeyondViewport=True)
        return Image.open(io.BytesIO(base64.b64decode(shot['data']))).convert('RGB')


@contextlib.contextmanager
def start(profile):
    """Runs a browser with a fresh profile folder; yields its page."""
    read_commands, commands = os.pipe()
    answers, write_answers = os.pipe()
    process = subprocess.Popen(
        [
            sys.executable,
            '-c',
            _LAUNCH,
            str(read_commands),
            str(write_answers),
            PROGRAM,
            *_OPTIONS,
            f'--user-data-dir={profile}',
        ],
        pass_fds=(read_commands, write_answers),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(read_commands)
    os.close(write_answers)
    try:
        yield Browser(commands, answers)
    finally:
        os.close(commands)
        os.close(answers)
        process.terminate()
        process.wait(timeout=30)
