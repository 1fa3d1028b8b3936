# SPDX-License-Identifier: Apache-2.0
"""The four servers: how to make a database, start, ask, load and stop each.

A server keeps everything in one directory, listens on a Unix socket in it (memcached: on a free loopback
port, because its load generator knows no sockets), stays in the foreground and belongs to the
unprivileged account. `argv` may be run as it is or behind `latchkey record --`.
"""

import os
import re
import signal
import socket
from collections.abc import Mapping
from pathlib import Path

import programs
from programs import Argv, Finished

POSTGRESQL_BIN = Path("/usr/lib/postgresql")


class Server:
    """What all servers share. `dir` is the server's own, and short enough for a socket's path."""

    stop_signal = signal.SIGTERM
    expected_status = 0         # of an orderly end by stop_signal

    def __init__(self, directory: Path):
        self.account = programs.unprivileged_account()
        self.dir = directory
        self.dir.mkdir(mode=0o700, exist_ok=True)
        os.chown(self.dir, self.account.uid, self.account.gid)
        self.env = {**os.environ, "HOME": str(directory), "LC_ALL": "C"}

    def create(self) -> None:
        """Makes an empty database."""

    def copy_from(self, other: "Server") -> None:
        """Makes a database like that of `other`, which does not run."""
        self.client(["cp", "-a", f"{other.dir}/.", self.dir])

    def argv(self) -> list[str]:
        raise NotImplementedError

    @property
    def exe(self) -> str:
        """File name of the executable that runs; redis-server is a symbolic link."""
        return Path(self.argv()[0]).resolve().name

    def is_ready(self) -> bool:
        raise NotImplementedError

    def main_pid(self) -> int:
        """The server's own process id, whatever it was started through."""
        raise NotImplementedError

    def client(self, argv: Argv, stdin: str = "") -> Finished:
        """Runs a client, never recorded; AssertionError unless it ends with 0."""
        finished = programs.run(argv, self.account, self.env, self.dir, stdin=stdin)
        if finished.status != 0:
            raise AssertionError(f"{argv[0]} ended with {finished.status}:\n{finished.out}\n{finished.err}")
        return finished

    def start(self, prefix: Argv = (), env: Mapping[str, str] | None = None) -> programs.Program:
        """Starts it, behind `prefix`, and waits until it answers. The caller closes the Program."""
        program = programs.Program([*prefix, *self.argv()], self.account, {**self.env, **(env or {})},
                                   self.dir / "server.log", self.dir)
        try:
            program.wait_until(self.is_ready)
        except BaseException:
            program.__exit__()
            raise
        return program

    def stop(self, program: programs.Program) -> int:
        """Stops it in its own orderly way; the exit status of what start() started."""
        os.kill(self.main_pid(), self.stop_signal)
        return program.wait()


class PostgreSql(Server):
    """Stopped by SIGTERM, it lets the backends of clients that have just gone come to their end."""

    def create(self) -> None:
        self.client([self._bin("initdb"), "-D", self._data, "-A", "trust", "-U", "test", "--no-sync",
                     "--locale=C", "--wal-segsize=1"])
        with (self._data / "postgresql.conf").open("a") as settings:
            settings.write("listen_addresses = ''\nshared_buffers = 32MB\n"
                           "max_wal_size = 256MB\nautovacuum = off\n")

    def argv(self) -> list[str]:
        return [self._bin("postgres"), "-D", str(self._data), "-k", str(self.dir)]

    def is_ready(self) -> bool:
        """As the postmaster itself says: asking by a connection would leave FATAL lines in its log. A killed
        one leaves its file behind."""
        words = self._pid_file.read_text().split() if self._pid_file.exists() else []
        return "ready" in words and Path("/proc", words[0]).exists()

    def main_pid(self) -> int:
        return int(self._pid_file.read_text().split()[0])

    def sql(self, text: str) -> str:
        """What psql prints for some statements; stops at the first error."""
        words = ["psql", "-h", self.dir, "-U", "test", "-d", "postgres", "-XAtq", "-v", "ON_ERROR_STOP=1"]
        return self.client(words, stdin=text).out

    def pgbench(self, *options: str) -> str:
        return self.client(self.pgbench_argv(*options)).out

    def pgbench_argv(self, *options: str) -> list[str]:
        return [self._bin("pgbench"), "-h", str(self.dir), "-U", "test", *options, "postgres"]

    @property
    def _data(self) -> Path:
        return self.dir / "data"

    @property
    def _pid_file(self) -> Path:
        return self._data / "postmaster.pid"

    @staticmethod
    def _bin(program: str) -> str:
        return str(max(POSTGRESQL_BIN.glob(f"*/bin/{program}"), key=lambda path: int(path.parts[4])))


class MariaDb(Server):
    tables, table_size = 4, 5000

    def create(self) -> None:
        self.client(["mariadb-install-db", "--no-defaults", f"--datadir={self._data}", "--skip-test-db",
                     "--auth-root-authentication-method=normal", "--innodb-log-file-size=8M"])

    def argv(self) -> list[str]:
        return ["/usr/sbin/mariadbd", "--no-defaults", f"--datadir={self._data}", f"--socket={self._socket}",
                "--skip-networking", f"--pid-file={self._pid_file}", "--innodb-buffer-pool-size=16M",
                "--innodb-log-file-size=8M", "--skip-log-bin"]

    def is_ready(self) -> bool:
        words = ["mariadb-admin", "--no-defaults", f"--socket={self._socket}", "-u", "root", "-s", "ping"]
        return programs.run(words, self.account, self.env, self.dir).status == 0

    def main_pid(self) -> int:
        return int(self._pid_file.read_text())

    def sql(self, text: str, database: str = "") -> str:
        words = ["mariadb", "--no-defaults", f"--socket={self._socket}", "-u", "root", "-N", "-B"]
        return self.client([*words, *([database] if database else [])], stdin=text).out

    def dump(self, database: str) -> str:
        return self.client(["mariadb-dump", "--no-defaults", f"--socket={self._socket}", "-u", "root",
                            "--compact", "--order-by-primary", database]).out

    def sysbench(self, workload: str, command: str, *options: str) -> str:
        return self.client(["sysbench", workload, "--db-driver=mysql", f"--mysql-socket={self._socket}",
                            "--mysql-user=root", "--mysql-db=sbtest", f"--tables={self.tables}",
                            f"--table-size={self.table_size}", *options, command]).out

    @property
    def _data(self) -> Path:
        return self.dir / "data"

    @property
    def _socket(self) -> Path:
        return self.dir / "socket"

    @property
    def _pid_file(self) -> Path:
        return self.dir / "pid"


class Redis(Server):
    def argv(self) -> list[str]:
        return ["/usr/bin/redis-server", "--port", "0", "--unixsocket", str(self._socket),
                "--dir", str(self.dir), "--io-threads", "2", "--io-threads-do-reads", "yes",
                "--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--daemonize", "no",
                "--enable-debug-command", "local"]

    def is_ready(self) -> bool:
        words = ["redis-cli", "-s", self._socket, "PING"]
        return programs.run(words, self.account, self.env, self.dir).out.strip() == "PONG"

    def main_pid(self) -> int:
        return int(self.info("process_id"))

    def cli(self, *words: str, stdin: str = "") -> str:
        return self.client(["redis-cli", "-s", self._socket, *words], stdin=stdin).out.strip()

    def info(self, field: str) -> str:
        """One value of INFO."""
        return re.search(rf"^{field}:(.*)$", self.cli("INFO"), re.MULTILINE).group(1).strip()

    def benchmark(self, *options: str) -> str:
        return self.client(["redis-benchmark", "-s", self._socket, "-q", *options]).out

    @property
    def _socket(self) -> Path:
        return self.dir / "socket"


class Memcached(Server):
    def __init__(self, directory: Path):
        super().__init__(directory)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def argv(self) -> list[str]:
        return ["/usr/bin/memcached", "-l", "127.0.0.1", "-p", str(self.port), "-U", "0", "-t", "4",
                "-m", "64", "-P", str(self._pid_file)]

    def is_ready(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def main_pid(self) -> int:
        return int(self._pid_file.read_text())

    def memcslap(self, *options: str) -> str:
        return self.client(["memcslap", f"--servers=127.0.0.1:{self.port}", *options]).out

    def talk(self, request: str, ending: bytes = b"END\r\n") -> str:
        """Sends commands of the text protocol and reads until `ending`."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request.encode())
            answer = b""
            while not answer.endswith(ending):
                chunk = connection.recv(65536)
                if not chunk:
                    raise AssertionError(f"memcached closed the connection after {answer[-200:]!r}")
                answer += chunk
            return answer.decode()

    @property
    def _pid_file(self) -> Path:
        return self.dir / "pid"
