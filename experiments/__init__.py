"""Commands. Each file is run as `python -m experiments.NAME`."""

import signal
import sys

if sys.argv[0] == '-m' and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # `python -m` imports this module first. While a command imports its modules there is nothing to
    # save: Ctrl-C ends it without a traceback. `cli.run` catches Ctrl-C from then on.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
