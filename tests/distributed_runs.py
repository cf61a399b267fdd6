"""Starts the processes of tests/distributed_workers, once for all tests that read what they found."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

WORKERS = Path(__file__).parent / "distributed_workers"
PATIENCE = 900  # seconds; a hang is a failure
SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "-1",
    "JAX_PLATFORMS": "cpu",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


def need(*modules):
    for module in modules:
        if not importlib.util.find_spec(module):
            pytest.skip(f"{module} is not installed")


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def run(commands, folder, patience=PATIENCE, **settings):
    """Runs commands side by side; every one has to end well, and in time. What each printed."""
    logs = [folder / f"log{number}" for number in range(len(commands))]
    environment = {**os.environ, **SETTINGS, **settings}
    running = []
    for command, log in zip(commands, logs, strict=True):
        with log.open("w") as file:
            running.append(
                subprocess.Popen(
                    list(map(str, command)),
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    start_new_session=True,
                )
            )
    end = time.monotonic() + patience
    try:
        for number, process in enumerate(running):
            try:
                code = process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise AssertionError(f"process {number} hangs:\n{logs[number].read_text()[-3000:]}") from None
            assert code == 0, f"process {number} failed:\n{logs[number].read_text()[-3000:]}"
    finally:
        for process in running:
            if process.poll() is None:
                os.killpg(process.pid, 9)
                process.wait()
    return [log.read_text() for log in logs]


def found(tmp_path_factory, script, processes=1, *arguments, ranks=True, **settings):
    """What `script [RANK PROCESSES MEETING] OUT arguments` wrote, of every process; started once in all."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base  # that of all xdist workers
    folder = base / "-".join(["distributed", script.removesuffix(".py"), str(processes), *arguments])
    outs = [folder / f"found{rank}.json" for rank in range(processes)]
    try:
        folder.mkdir()
    except FileExistsError:
        return _theirs(folder, outs)
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(processes)]
    meetings = {"jax_processes.py": addresses[0], "tensorflow_processes.py": ",".join(addresses)}
    meeting = meetings.get(script, folder / "store")
    commands = [
        [sys.executable, WORKERS / script, *([rank, processes, meeting] if ranks else []), out, *arguments]
        for rank, out in enumerate(outs)
    ]
    try:
        run(commands, folder, **settings)
    except BaseException as wrong:
        (folder / "failed").write_text(str(wrong))
        raise
    (folder / "done").touch()
    return [json.loads(out.read_text()) for out in outs]


def _theirs(folder, outs):
    """What another xdist worker, or an earlier test, has started."""
    end = time.monotonic() + PATIENCE
    while not (folder / "done").exists():
        if (folder / "failed").exists():
            pytest.fail((folder / "failed").read_text())
        assert time.monotonic() < end, f"{folder.name} was not done in time"
        time.sleep(0.2)
    return [json.loads(out.read_text()) for out in outs]
