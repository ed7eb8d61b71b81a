"""The programs that are measured, started for a run and stopped after it."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

START_LIMIT = 60
# An HTTP/2 connection's first bytes and an empty SETTINGS frame; a server answers with its own.
HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


class Failed(Exception):
    """A program that did not do what it was asked to."""


class Process:
    def __init__(self, arguments, log):
        self.log = pathlib.Path(log)
        with open(log, "ab") as output:
            self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=output, start_new_session=True)

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()

    def wait_for(self, ready):
        deadline = time.monotonic() + START_LIMIT
        while not ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"{self.process.args[0]} did not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.0005)


class Daemon:
    """A builder daemon with a state of its own; what differs between builders is in the subclasses."""

    def __init__(self, directory, programs):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.programs = programs
        self.socket = self.directory / "socket"
        self.address = f"unix://{self.socket}"
        self.process = None

    def start(self):
        """Returns the seconds to the first answer."""
        self.socket.unlink(missing_ok=True)
        started = time.monotonic()
        self.process = Process(self.command(), self.directory / "log")
        self.process.wait_for(self.answers)
        return time.monotonic() - started

    def answers(self):
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.settimeout(5)
                connection.connect(str(self.socket))
                connection.sendall(HELLO)
                return len(connection.recv(9)) == 9
            except OSError:
                return False

    def stop(self):
        if self.process is not None:
            self.process.stop()
            self.process = None

    def wipe(self):
        self.stop()
        unmount_below(self.directory)
        shutil.rmtree(self.directory)

    def memory(self):
        """MB of resident memory: of the daemon alone, and of all its processes."""
        own = resident(self.process.pid)
        return own, own + sum(resident(pid) for pid in descendants(self.process.pid))


class Cairnd(Daemon):
    name = "cairnd"

    def command(self):
        return [self.programs["cairnd"], "--root", str(self.directory / "root"), "--addr",
                self.address, "--config", "/dev/null"]


class Buildkitd(Daemon):
    name = "buildkitd"

    def command(self):
        return [self.programs["buildkitd"], "--root", str(self.directory / "root"), "--addr",
                self.address, "--config", "/dev/null", "--oci-worker=true",
                "--containerd-worker=false"]


class Registry:
    """Debian's docker-registry on a free port of loopback."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.host = f"localhost:{port}"
        config = self.directory / "registry.yml"
        config.write_text("version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage:\n  filesystem: {rootdirectory: "
                          f"{self.directory}/data}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n")
        self.process = Process(["docker-registry", "serve", str(config)], self.directory / "log")

        def ready():
            with socket.socket() as connection:
                return connection.connect_ex(("127.0.0.1", port)) == 0

        self.process.wait_for(ready)

    def push(self, layout, name):
        """Copies the image of an OCI layout to `name`; returns its reference."""
        reference = f"{self.host}/{name}:latest"
        run(["skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false",
             f"oci:{layout}:latest", f"docker://{reference}"])
        return reference

    def stop(self):
        self.process.stop()


class CairnClient:
    """`cairn build`."""
    name = "cairn"

    def command(self, daemon, context, image, push):
        output = f"type=image,name={image},push={str(push).lower()}" if image else "type=cacheonly"
        return [daemon.programs["cairn"], "--addr", daemon.address, "build", "--progress=plain",
                "--output", output, str(context)]


class Buildctl:
    """`buildctl build`, against any of the daemons."""
    name = "buildctl"

    def command(self, daemon, context, image, push):
        command = [daemon.programs["buildctl"], "--addr", daemon.address, "build",
                   "--progress=plain", "--frontend=dockerfile.v0", f"--local=context={context}",
                   f"--local=dockerfile={context}"]
        if image:
            command.append(f"--output=type=image,name={image},push={str(push).lower()}")
        return command


class Builder:
    """A client against a daemon: one column of the table."""

    def __init__(self, client, daemon_type, programs):
        self.client, self.daemon_type, self.programs = client, daemon_type, programs
        self.title = f"{client.name} + {daemon_type.name}"

    def daemon(self, directory):
        return self.daemon_type(directory, self.programs)

    def command(self, daemon, context, image=None, push=False):
        return self.client.command(daemon, context, image, push)

    def build(self, daemon, context, image=None, push=False):
        """Runs a build; returns the seconds that the client's process took, and what it printed."""
        return timed(self.command(daemon, context, image, push))


def timed(command):
    started = time.monotonic()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    seconds = time.monotonic() - started
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}:\n{done.stderr[-3000:]}")
    return seconds, done.stderr


def run(command):
    return timed([str(part) for part in command])[1]


def transferred(progress):
    """MB of context that a plain progress output tells of."""
    units = {"B": 1e-6, "kB": 1e-3, "KB": 1e-3, "MB": 1, "GB": 1e3}
    found = re.findall(r"transferring context:?:? ([0-9.]+) ?([kKMG]?B)", progress)
    return max((float(number) * units[unit] for number, unit in found), default=0.0)


def resident(pid):
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found.group(1)) / 1024 if found else 0.0


def descendants(pid):
    children = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        children += [int(child) for child in task.read_text().split()]
    return children + [below for child in children for below in descendants(child)]


def unmount_below(directory):
    prefix = f"{os.path.realpath(directory)}/"
    mounts = [line.split()[4] for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(prefix)), reverse=True):
        subprocess.run(["umount", "-l", mount], check=False)
