"""Runs the real openstack client many times from one process.

Reads one JSON object per line ({"args": [...], "env": {...}, "dir": "..."}) and answers
each with {"code": N, "stdout": "...", "stderr": "..."}. The client is loaded once; each
command runs in a child of its own, so that no command sees what another left behind.
With "script", that Python program runs instead of the client.
"""

import importlib
import io
import json
import os
import runpy
import sys
import tempfile
import traceback
import warnings

warnings.simplefilter("ignore")

from openstackclient import shell  # noqa: E402
from neutronclient.v2_0 import client as _client  # noqa: E402,F401
import keystoneauth1.session  # noqa: E402,F401
import yaml  # noqa: E402,F401


def learn():
    """Loads what a command loads: a child runs one that asks nobody, and says what it was."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            os.dup2(os.open(os.devnull, os.O_RDWR), 1)
            os.dup2(1, 2)
            before = set(sys.modules)
            sys.argv = ["openstack"]
            try:
                shell.main(["--os-auth-type", "none", "--os-endpoint", "http://127.0.0.1:1", "l2gw", "list"])
            except SystemExit:
                pass
            os.write(writer, " ".join(sorted(set(sys.modules) - before)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as f:
        names = f.read().split()
    os.wait()
    for name in names:
        try:
            importlib.import_module(name)
        except Exception:  # it was no module by itself, or needs what is not there
            pass


def run(order):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if pid == 0:
            code = 70
            try:
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), encoding="utf-8")
                sys.stderr = io.TextIOWrapper(
                    io.FileIO(2, "w", closefd=False), encoding="utf-8", line_buffering=True)
                for name in [n for n in os.environ if n.startswith(("OS_", "CLIFF_"))]:
                    del os.environ[name]
                os.environ.update(order.get("env") or {})
                if order.get("dir"):
                    os.chdir(order["dir"])
                sys.argv = ["openstack"] + (order["args"] or [])
                try:
                    if order.get("script"):
                        runpy.run_path(order["script"], run_name="__main__")
                        code = 0
                    else:
                        code = shell.main(order["args"]) or 0
                except SystemExit as e:
                    code = int(e.code) if isinstance(e.code, int) else 1
                except Exception:
                    traceback.print_exc()
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        out.seek(0)
        err.seek(0)
        return {
            "code": os.waitstatus_to_exitcode(status),
            "stdout": out.read().decode("utf-8", "replace"),
            "stderr": err.read().decode("utf-8", "replace"),
        }


learn()
answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)
for line in sys.stdin:
    print(json.dumps(run(json.loads(line))), file=answers, flush=True)
