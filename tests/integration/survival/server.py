"""tests/integration/survival/server.py - a real linnet that is killed, stopped and started again.

The programs are those that LINNET and LINNETCTL name, or, to try another build, LINNET_TEST_SERVER and LINNET_TEST_CTL. All is
in one folder of /tmp, which goes at the end; LINNET_TEST_KEEP=1 keeps it.
"""

import asyncio
import ctypes
import os
import re
import shutil
import signal
import subprocess
import tempfile

DOMAIN = "localhost"
PATIENCE_S = float(os.environ.get("LINNET_TEST_PATIENCE", "30"))

LISTENERS = """
[[listener]]
address = "127.0.0.1"
port = 0
tls = "direct"
"""
# No message may be refused for want of room: one that was is acknowledged too, and rightly not there.
SETTINGS = {
    "server.data_dir": '"data"',
    "server.shutdown_s": "5",
    "log.levels.net": '"debug"',  # tells which worker a connection began on
    "sasl.iterations": "4096",
    "limits.offline_messages": "1000000",
    "limits.offline_bytes": "1073741824",
}
COMPLAINTS = re.compile(rb"ERROR: (Address|Leak)Sanitizer|runtime error:|WARNING: ThreadSanitizer|Assertion `")
PR_SET_PDEATHSIG = 1


class Failure(Exception):
    """What the test found: a sentence."""


def _die_with_the_test():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Server:
    def __init__(self, workers, settings=None):
        self.workers = workers
        self.folder = tempfile.mkdtemp(prefix="linnet-survival-")
        self.program = os.environ.get("LINNET_TEST_SERVER") or os.environ["LINNET"]
        self.ctl_program = os.environ.get("LINNET_TEST_CTL") or os.environ["LINNETCTL"]
        self.log_path = os.path.join(self.folder, "log")
        self.port = 0
        self.accepted_by = {}  # worker that a connection began on, by its number
        self.moved = 0  # resumptions of a session that lives on another worker than that
        self.is_ready = asyncio.Event()
        self.kills = 0  # what was enabled before the last of them cannot be resumed
        self.is_stopping = False
        self.process = None
        settings = {"server.workers": str(workers), **SETTINGS, **(settings or {})}
        with open(os.path.join(self.folder, "linnet.toml"), "w") as config:
            config.writelines(f"{key} = {value}\n" for key, value in settings.items())
            config.write(f'{LISTENERS}\n[[host]]\nname = "{DOMAIN}"\n')

    async def start(self):
        self.is_stopping = False
        self.process = await asyncio.create_subprocess_exec(
            self.program,
            "--config",
            os.path.join(self.folder, "linnet.toml"),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            preexec_fn=_die_with_the_test,
        )
        self.reader = asyncio.ensure_future(self._read_log(self.process.stderr))
        ready = asyncio.ensure_future(self.is_ready.wait())
        await asyncio.wait({ready, self.reader}, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_S)
        ready.cancel()
        if not self.is_ready.is_set():
            raise Failure("the server did not start")

    async def _read_log(self, stderr):
        with open(self.log_path, "ab", buffering=0) as log:
            async for line in stderr:
                log.write(line)
                if b" listener.open " in line:
                    self.port = int(re.search(rb" port=(\d+)", line)[1])
                elif b" server.ready" in line:
                    self.is_ready.set()
                elif b" connection.accepted " in line:
                    worker, number = re.search(rb" w=(\d+) s=([0-9a-f]+) ", line).groups()
                    self.accepted_by[int(number, 16)] = worker
                elif b" session.resumed " in line:
                    worker, number = re.search(rb" w=(\d+) .* conn=(\d+)", line).groups()
                    self.moved += self.accepted_by[int(number)] != worker

    async def kill(self):
        """kill -9"""
        self.kills += 1
        self.is_ready.clear()
        self.process.kill()
        await self._ended()

    async def stop(self):
        """SIGTERM; it must end with 0."""
        self.is_stopping = True
        self.is_ready.clear()
        self.process.terminate()
        status = await asyncio.wait_for(self._ended(), PATIENCE_S)
        if status != 0:
            raise Failure(f"the server ended with {status}")

    async def _ended(self):
        status = await self.process.wait()
        await self.reader
        self.process = None
        with open(self.log_path, "rb") as log:
            if COMPLAINTS.search(log.read()):
                raise Failure("a sanitizer or an assertion spoke up")
        return status

    def is_running(self):
        return self.process is not None and self.process.returncode is None

    async def ctl(self, *words, stdin=""):
        process = await asyncio.create_subprocess_exec(
            self.ctl_program,
            "--socket",
            os.path.join(self.folder, "data", "linnet.sock"),
            *words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(stdin.encode()), PATIENCE_S)
        if process.returncode != 0:
            raise Failure(f"linnetctl {' '.join(words)}: {output.decode()}")
        return output.decode()

    async def add_account(self, user):
        await self.ctl("adduser", f"{user}@{DOMAIN}", stdin=f"secret of {user}\n")

    def show_log(self, lines=40):
        with open(self.log_path, "rb") as log:
            return b"".join(log.readlines()[-lines:]).decode(errors="replace")

    def remove(self):
        if self.is_running():
            self.process.kill()
        if "LINNET_TEST_KEEP" not in os.environ:
            shutil.rmtree(self.folder, ignore_errors=True)
