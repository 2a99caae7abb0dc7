"""Waits for the end of its input, then kills all processes of the cluster under a directory.

Whoever started the cluster holds the other end: it ends with them, however they end. Processes of the cluster, and the script
that may be starting more of them at this moment, are known by the directory in their arguments; this process has it in its
environment instead.
"""

import os
import signal
import sys
import time

directory = os.environ["CLUSTER_DIRECTORY"].encode()


def belongs(pid: str) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            arguments = file.read().split(b"\0")
    except OSError:
        return False
    return any(argument == directory or argument.startswith(directory + b"/") for argument in arguments)


sys.stdin.read()
quiet = 0
# One look is not enough: the script may have started a process behind it.
while quiet < 2:
    found = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and belongs(pid)]
    for pid in found:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    quiet = 0 if found else quiet + 1
    time.sleep(0.01)
