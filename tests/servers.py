"""Private real servers for the tests: RabbitMQ, PostgreSQL and MariaDB, each a process of ours on loopback.

They keep their data in a temporary folder, listen on free ports of 127.0.0.1 only, and end with the tests,
however the tests end: by `close`, at interpreter exit, or by the kernel when this process is killed.
"""

import atexit
import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil
import psycopg
import pymysql
from sqlalchemy import make_url

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 30.0
# Below Linux's ephemeral range (from 32768): no outgoing connection takes the port of a stopped server.
PORTS = range(20000, 32000)


class Missing(Exception):
    """A server is not installed here; the text says which package to install."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 on which nothing listens."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Process:
    """One server process: `start` returns when `answers` does, `stop` is polite, `kill` is SIGKILL.

    `owner` is the user it runs as (None: the user of the tests). A start that fails is repeated until the
    deadline, because what a killed server leaves behind may stand in the way for a moment.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        answers: Callable[[], bool],
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        owner: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        identity = ["--reuid", owner, "--regid", owner, "--init-groups"] if owner else []
        # The kernel sends the stop signal when the tests die without a word.
        self._command = ["setpriv", *identity, "--pdeathsig", stop_signal.name[3:], *map(str, command)]
        self._answers = answers
        self._log = folder / "output.log"
        self._folder = folder
        self._environment = environment
        self._stop_signal = stop_signal
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.kill)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the process that was started last; RuntimeError when none was."""
        if self._process is None:
            raise RuntimeError("it was never started")
        return self._process.pid

    def start(self) -> None:
        """Start it unless it runs; returns once it answers. RuntimeError quotes the end of its output."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if not self.is_running:
                self._spawn()
            if self._answers():
                return
            time.sleep(0.05)
        raise RuntimeError(
            f"{self._command} does not answer:\n{self._log.read_text(errors='replace')[-2000:]}"
        )

    def stop(self) -> None:
        """Ask it to end and wait until it has."""
        if self._process is not None and self.is_running:
            self._process.send_signal(self._stop_signal)
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End it at once by SIGKILL; returns when its sessions, which PostgreSQL's notice themselves, ended, too."""
        if self._process is not None and self.is_running:
            sessions = psutil.Process(self._process.pid).children()
            self._process.kill()
            self._process.wait()
            psutil.wait_procs(sessions, timeout=10)

    def _spawn(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env=self._environment,
                start_new_session=True,  # Ctrl-C reaches the tests only
            )


def database_url(url: str, name: str) -> str:
    """The address of another database of the same server."""
    return make_url(url).set(database=name).render_as_string(hide_password=False)


class DatabaseServer:
    """A running database server; `url` is SQLAlchemy's and names no database."""

    def __init__(self, process: Process, folder: Path, url: str, execute: Callable[[str], None]) -> None:
        self.url = url
        self.stop, self.start, self.kill = process.stop, process.start, process.kill
        self._process = process
        self._folder = folder
        self._execute = execute
        self._made = 0

    @property
    def pid(self) -> int:
        """Of the server's first process."""
        return self._process.pid

    def restart(self) -> None:
        self.stop()
        self.start()

    def create_database(self) -> str:
        """A fresh empty database of its own, by its URL."""
        self._made += 1
        name = f"nephometer_{self._made}"
        self._execute(f"CREATE DATABASE {name}")
        return database_url(self.url, name)

    def drop_database(self, url: str) -> None:
        """Remove a database of `create_database`, whoever is still connected."""
        force = " WITH (FORCE)" if self.url.startswith("postgresql") else ""
        self._execute(f"DROP DATABASE IF EXISTS {make_url(url).database}{force}")

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


def start_postgresql(
    more_settings: Mapping[str, str] | None = None, *, by_socket: bool = False
) -> DatabaseServer:
    """A PostgreSQL server of its own. Commits survive `kill`, but not a power cut (fsync is off).

    `more_settings` of the server go before those of the tests. `by_socket`: its address is that of its Unix socket.
    """
    initdb = program_of("initdb", "postgresql", "/usr/lib/postgresql/*/bin")
    owner = "postgres" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    folder = folder_of(owner)
    data, port = folder / "data", free_port()
    prepare = [initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    subprocess.run(
        list(map(str, prepare)), check=True, capture_output=True, cwd=folder, user=owner, group=owner
    )
    settings = {
        "port": port,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": str(folder) if by_socket else "",
        "fsync": "off",
        "full_page_writes": "off",
        "max_connections": 100,
        "shared_buffers": "64MB",
        **(more_settings or {}),
    }
    options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]

    def execute(statement: str) -> None:
        with psycopg.connect(
            f"postgresql://postgres@127.0.0.1:{port}/postgres", autocommit=True
        ) as connection:
            connection.execute(statement.encode())

    command = [str(initdb.with_name("postgres")), "-D", str(data), *options]
    answers = _quietly(lambda: execute("SELECT 1"), psycopg.Error)
    process = Process(command, answers, folder, owner=owner, stop_signal=signal.SIGINT)
    process.start()
    place = f"/?host={folder}&port={port}" if by_socket else f"127.0.0.1:{port}"
    return DatabaseServer(process, folder, f"postgresql+psycopg://postgres@{place}", execute)


def start_mariadb(more_options: Sequence[str] = ()) -> DatabaseServer:
    """A MariaDB server of its own, with Debian's default character set. Commits survive `kill`.

    `more_options` of the server go before those of the tests.
    """
    server = program_of("mariadbd", "mariadb-server", "/usr/sbin", "/usr/libexec")
    folder, port = folder_of(None), free_port()
    data = folder / "data"
    user = [f"--user={pwd.getpwuid(os.geteuid()).pw_name}"]
    prepare = [
        program_of("mariadb-install-db", "mariadb-server"),
        "--no-defaults",
        *user,
        f"--datadir={data}",
    ]
    prepare += ["--skip-test-db", "--auth-root-authentication-method=normal"]
    subprocess.run(list(map(str, prepare)), check=True, capture_output=True, cwd=folder)
    options = [
        f"--datadir={data}",
        f"--socket={folder / 's'}",
        f"--pid-file={folder / 'pid'}",
        "--bind-address=127.0.0.1",
        f"--port={port}",
        "--character-set-server=utf8mb4",
        "--collation-server=utf8mb4_general_ci",
        "--innodb-flush-log-at-trx-commit=2",  # 0 would lose commits at `kill`
        "--innodb-buffer-pool-size=64M",
        "--innodb-log-file-size=32M",
        "--skip-name-resolve",
        *more_options,  # the last of two counts
    ]

    def execute(statement: str) -> None:
        with pymysql.connect(host="127.0.0.1", port=port, user="root", connect_timeout=5) as connection:
            connection.cursor().execute(statement)

    answers = _quietly(lambda: execute("SELECT 1"), pymysql.Error)
    process = Process([server, "--no-defaults", *user, *options], answers, folder)
    process.start()
    return DatabaseServer(process, folder, f"mysql+pymysql://root@127.0.0.1:{port}", execute)


def _quietly(act: Callable[[], None], *errors: type[Exception]) -> Callable[[], bool]:
    """Whether `act` works, as a question."""

    def answers() -> bool:
        try:
            act()
        except errors:
            return False
        return True

    return answers


def folder_of(owner: str | None) -> Path:
    """A new folder for a server's data."""
    folder = Path(tempfile.mkdtemp(prefix="nephometer-"))
    if owner is not None:
        shutil.chown(folder, owner, owner)
    return folder


def program_of(name: str, package: str, *folders: str) -> Path:
    """Where a server's program is: in `folders` (patterns, the highest version first), else on the path."""
    for pattern in folders:
        found = sorted(Path("/").glob(f"{pattern[1:]}/{name}"), key=_version)
        if found:
            return found[-1]
    on_path = shutil.which(name)
    if on_path is None:
        raise Missing(f"{name} is not installed: apt-get install {package}")
    return Path(on_path)


def _version(program: Path) -> list[int]:
    return [int(part) for part in program.parts if part.isdecimal()]
