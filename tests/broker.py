"""A private RabbitMQ for the tests: one node on loopback, in a temporary folder, ended with the tests."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from tests.servers import Missing, Process, free_port

# Debian's wrapper in /usr/sbin changes the user; these scripts run as whoever calls them.
SCRIPTS = Path("/usr/lib/rabbitmq/bin")
VHOSTS_AT_ONCE = 8
LOOPBACK_ONLY = "-kernel inet_dist_use_interface {127,0,0,1}"


class RabbitMQ:
    """A running RabbitMQ node; `url` is its default virtual host, as guest.

    `more_settings` are lines of its configuration file, in which {tls_port} stands for `tls_port`.
    """

    def __init__(self, more_settings: str = "") -> None:
        for program in (SCRIPTS / "rabbitmq-server", "epmd"):
            if shutil.which(program) is None:
                raise Missing(f"{program} is not installed: apt-get install rabbitmq-server")
        self._folder = Path(tempfile.mkdtemp(prefix="nephometer-"))
        self._port, self._names_port, distribution = free_port(), free_port(), free_port()
        self.tls_port = free_port()
        self._more_settings = more_settings.replace("{tls_port}", str(self.tls_port))
        self._environment = self._prepare(distribution)
        self.url = f"amqp://guest:guest@127.0.0.1:{self._port}/%2F"
        self._names = Process(
            ["epmd", "-port", str(self._names_port), "-address", "127.0.0.1"],
            lambda: _listens(self._names_port),
            self._folder,
        )
        self._process = Process(
            [SCRIPTS / "rabbitmq-server"], self._answers, self._folder, environment=self._environment
        )
        self._made = 0
        self._vhosts: list[str] = []
        self.stop, self.kill = self._process.stop, self._process.kill

    def start(self) -> None:
        """Start it unless it runs; returns once it speaks AMQP."""
        self._names.start()  # Erlang's name daemon; unguarded it would listen on every interface
        self._process.start()

    def restart(self) -> None:
        self.stop()
        self.start()

    def management(self, *arguments: str) -> str:
        """What `rabbitmqctl` with these arguments prints; raises CalledProcessError when it fails."""
        command: list[str | Path] = [SCRIPTS / "rabbitmqctl", "--quiet", *arguments]
        done = subprocess.run(
            command, env=self._environment, cwd=self._folder, check=True, capture_output=True, text=True
        )
        return done.stdout

    def create_vhost(self) -> str:
        """A fresh virtual host of its own, open to guest, by its URL."""
        if not self._vhosts:
            self._vhosts = self._create_vhosts()
        return f"amqp://guest:guest@127.0.0.1:{self._port}/{self._vhosts.pop()}"

    def close(self) -> None:
        self.kill()
        self._names.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _create_vhosts(self) -> list[str]:
        """Some at once: what takes time is the start of `rabbitmqctl`."""
        names = [f"test_{self._made + number}" for number in range(VHOSTS_AT_ONCE)]
        self._made += VHOSTS_AT_ONCE
        listed = ", ".join(f'<<"{name}">>' for name in names)
        self.management(
            "eval",
            '[begin rabbit_vhost:add(Name, <<"tests">>), rabbit_auth_backend_internal:set_permissions('
            f'<<"guest">>, Name, <<".*">>, <<".*">>, <<".*">>, <<"tests">>) end || Name <- [{listed}]].',
        )
        return names[::-1]

    def _prepare(self, distribution_port: int) -> dict[str, str]:
        """Write its files; returns the environment that keeps it apart from other RabbitMQs here."""
        folder = self._folder
        cookie = folder / ".erlang.cookie"
        cookie.write_text(os.urandom(12).hex())
        cookie.chmod(0o400)
        (folder / "plugins").write_text("[].")
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self._port}\ndisk_free_limit.absolute = 200MB\n{self._more_settings}"
        )
        control = str(free_port())
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(self._names_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"nephometer-{self._port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(distribution_port),
            "RABBITMQ_CTL_DIST_PORT_MIN": control,
            "RABBITMQ_CTL_DIST_PORT_MAX": str(int(control) + 10),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{LOOPBACK_ONLY} +S 2:2",
            "RABBITMQ_CTL_ERL_ARGS": LOOPBACK_ONLY,
            "RUNNING_UNDER_SYSTEMD": "1",  # the script becomes the server, so that its pid is ours
        }

    def _answers(self) -> bool:
        """Whether it offers an AMQP connection: listeners open last when it starts."""
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=2) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                return connection.recv(1) == b"\x01"
        except OSError:
            return False


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True
