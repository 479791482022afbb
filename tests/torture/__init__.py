"""Real faults, injected into real runs: `python -m tests.torture`, or `make torture`.

Each kind of fault is a module with `rows(...)`, which yields a row of the table as soon as it is
measured. Nothing is simulated: processes are killed, disks are full, files are damaged.
"""
