"""Record the observable behavior of the program, and compare two recordings.

python -m tests.e2e.outside record DIRECTORY [--python PYTHON]
python -m tests.e2e.outside compare DIRECTORY DIRECTORY

Each scenario runs the program through its command line, in its own process and on a virtual clock. It records
HTTP responses, standard output, the log, the requests that a switch receives, and the alerts that an
Alertmanager receives. Nothing here imports the program, so the same recorder works for every version:
``--python`` is the interpreter of an environment in which that version is installed.

daemon         scenarios of the daemon: faults, discovery, reloads, alerts
commands       scenarios of the other commands
harness        fake servers around the program, and a client that records its responses
virtual_time   clocks that advance only when the program is idle
run_scenarios  runs each scenario in a process
recording      splits what was seen into values and wordings, and normalizes it
comparison     compares two recordings
"""
