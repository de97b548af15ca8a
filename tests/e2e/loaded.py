"""Runs daypass in copies of one process that has loaded it: most of what a run costs here is loading.

    python -IS loaded.py SOCKET HOME WORDS…

asks the process that `address` started, by its socket, for a copy of itself. The copy has the asker's folder, environment, standard
streams and words, is daypass from its first line on, and ends with the code that the asker then ends with. HOME is told
as `runner` reads it: ``running`` is the copy's process id, and ``meter`` has a line for each run with its code, its
processor time (its children's included) and its words.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import socket
import sys


def main(arguments: list[str]) -> int:
    """Be the process that is copied where only a socket's place is given, else who asks it for a copy."""
    place, *words = arguments
    return _ask(place, words) if words else _serve(place)


def address() -> str:
    """Return where a process that has loaded daypass listens, which lasts as long as this one; started once."""
    global _address  # noqa: PLW0603  (one a process)
    if not _address:
        _address = _start()
    return _address


_address = ""


def _start() -> str:
    import shutil
    import subprocess
    import tempfile
    from pathlib import Path

    import daypass

    folder = tempfile.mkdtemp(prefix="daypass-")  # a socket's place has a hundred letters at most
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    place = f"{folder}/socket"
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    process = subprocess.Popen(
        [sys.executable, __file__, place],
        env={**kept, "PYTHONPATH": str(Path(daypass.__file__).parents[1])},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        cwd=folder,
        start_new_session=True,
    )
    atexit.register(process.kill)
    assert process.stdout is not None
    with process.stdout as said:
        assert said.readline() == b"listening\n"
    return place


def _serve(place: str) -> int:
    """Load all of daypass, and make a copy for whoever asks, one after another."""
    _load()
    gc.collect()
    gc.freeze()  # what is here stays, and no copy looks through it
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place)
        listener.listen()
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        while True:
            asker, _ = listener.accept()
            with asker:
                size, streams, _, _ = socket.recv_fds(asker, 8, 3)
                folder, environment, home, *words = json.loads(_exactly(asker, int.from_bytes(size, "big")))
                child = os.fork()
                if not child:
                    listener.close()
                    asker.detach()  # the parent answers
                    code = _daypass(folder, environment, streams, words)
                    atexit._run_exitfuncs()
                    for stream in (sys.stdout, sys.stderr):
                        stream.flush()
                    os._exit(code)  # to take apart what was loaded would cost as much as a verb
                for stream in streams:
                    os.close(stream)
                asker.sendall(bytes([_watch(child, home, words)]))


def _load() -> None:
    import importlib
    import pkgutil

    import daypass

    ours = [module.name for module in pkgutil.walk_packages(daypass.__path__, "daypass.")]
    for name in (*ours, *_LATE):
        if not name.endswith("__main__"):
            importlib.import_module(name)


_LATE = ("jsonschema_rs", "securesystemslib.signer")
"""What daypass itself loads once it needs it, and nearly every run here does."""


def _daypass(folder: str, environment: dict[str, str], streams: list[int], words: list[str]) -> int:
    from daypass.cli.main import main as daypass

    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # Made anew, as at every start: those of before remember of their files whether one can seek in them.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["daypass", *words]
    gc.set_threshold(50_000)  # as `daypass.__main__` does
    return daypass()


def _watch(child: int, home: str, words: list[str]) -> int:
    """Wait for a run's end and note what it cost; return its code as a shell has it."""
    with open(f"{home}/running", "w", encoding="ascii") as running:  # noqa: PTH123  (loaded without pathlib)
        running.write(str(child))
    _, status, spent = os.wait4(child, 0)
    os.unlink(f"{home}/running")  # noqa: PTH108
    ended = os.waitstatus_to_exitcode(status)
    code = ended if ended >= 0 else 128 - ended
    with open(f"{home}/meter", "a", encoding="utf-8") as meter:  # noqa: PTH123
        meter.write(f"{code} 0m{spent.ru_utime:.2f}s 0m{spent.ru_stime:.2f}s {' '.join(words)}\n")
    return code


def _ask(place: str, words: list[str]) -> int:
    told = json.dumps([os.getcwd(), dict(os.environ), *words]).encode()  # noqa: PTH109
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(place)
        socket.send_fds(server, [len(told).to_bytes(8, "big")], [0, 1, 2])
        server.sendall(told)
        return server.recv(1)[0]


def _exactly(one: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        piece = one.recv(size - len(found))
        assert piece, "whoever asked is gone"
        found += piece
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
