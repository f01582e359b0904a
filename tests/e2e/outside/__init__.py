"""Records what the program shows and sends, and compares two recordings.

python -m tests.e2e.outside record DIRECTORY [--python PYTHON]
python -m tests.e2e.outside compare DIRECTORY DIRECTORY

Every scenario starts the program through its command line in a process of its own, on a virtual clock, and
looks at it from outside: HTTP, standard output, the log, the requests that arrive at a switch, and the alerts
that arrive at an Alertmanager. Nothing here imports a module of the program, so one recorder serves every
version of it: ``--python`` names the interpreter of the environment that has the version.

virtual_time   clocks that stand still while there is work to do
stage          servers around the program, and looks at it
daemon         scenarios of the daemon: faults, bad days, discovery, reloads, alerts
commands       scenarios of --config.check, probe and the other commands
scenarios      all of them
recording      what is normalized, and what is wording and what is a value
comparison     two recordings
"""
