"""A private Prometheus for the tests."""

import shutil

import httpx2

from tests.servers import Process, folder_of, free_port, program_of


class Prometheus:
    """A Prometheus server of its own that takes remote writes; `url` is its address. Writes survive `kill`."""

    def __init__(self) -> None:
        program = program_of("prometheus", "prometheus")
        self._folder, port = folder_of(None), free_port()
        configuration = self._folder / "prometheus.yml"
        configuration.write_text("scrape_configs: []\n")
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        command = [
            str(program),
            f"--config.file={configuration}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--web.enable-remote-write-receiver",
        ]
        process = Process(command, self._is_ready, self._folder)
        self.start, self.kill = process.start, process.kill

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _is_ready(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/-/ready", trust_env=False).is_success
        except httpx2.TransportError:
            return False
