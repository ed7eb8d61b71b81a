"""The cases, each a function of a running daemon that yields (case, seconds or MB)."""
import os
import pathlib
import random
import shutil
import subprocess
import time

import data
from programs import Failed, timed, transferred

STEPS = 50
BUILDS_AT_ONCE = 20
SETTLE_SECONDS = 8

MULTI_STAGE = """\
FROM {base} AS build
WORKDIR /src
COPY . .
RUN mkdir -p out && cp main.src out/app
RUN echo tested > out/tests
FROM {base}
COPY --from=build /src/out /app
RUN ln -s /app/app /bin/app
CMD ["app"]
"""


class Material:
    """What the builds are made of; shared by all rounds."""

    def __init__(self, work, registry, only):
        self.work, self.registry = pathlib.Path(work), registry
        self.numbers = random.Random(time.time())  # a step that never ran before needs a text of its own
        self.base = registry.push(self.made("base", data.busybox_layout), "busybox")
        if only("context") or only("push"):
            self.context = self.made("original/context", data.make_context)
        if only("pull"):
            self.layers = self.made("layers", lambda at: data.busybox_layout(at, data.large_layer))
            self.large = registry.push(self.layers, "large")

    def made(self, name, make):
        """The path `name`, made by `make` unless an earlier run did."""
        path = self.work / "data" / name
        if not path.exists():
            making = path.with_name(f"{path.name}.making")
            shutil.rmtree(making, ignore_errors=True)
            making.parent.mkdir(parents=True, exist_ok=True)
            make(making)
            making.rename(path)
        return path

    def small_context(self, name, dockerfile):
        path = self.work / "small" / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        (path / "Dockerfile").write_text(dockerfile)
        (path / "main.src").write_text("hello\n")
        return path

    def nonce(self):
        return f"{self.numbers.getrandbits(64):016x}"


def no_op(builder, daemon, material):
    context = material.small_context("noop", MULTI_STAGE.format(base=material.base))
    builder.build(daemon, context, image="noop")
    for _ in range(20):
        yield "no-op rebuild, multi-stage", builder.build(daemon, context, image="noop")[0]


def steps(builder, daemon, material):
    for _ in range(3):
        lines = [f"RUN echo {material.nonce()}" for _ in range(STEPS)]
        context = material.small_context("steps", "\n".join([f"FROM {material.base}", *lines]))
        yield f"each RUN echo, {STEPS} in a row", builder.build(daemon, context)[0] / STEPS


def at_once(builder, daemon, material):
    contexts = []
    for number in range(BUILDS_AT_ONCE):
        lines = [f"RUN echo {material.nonce()}" for _ in range(3)]
        contexts.append(material.small_context(f"once{number}", "\n".join([f"FROM {material.base}", *lines])))
    started = time.monotonic()
    running = [subprocess.Popen(builder.command(daemon, context), stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
               for context in contexts]
    if any(process.wait() != 0 for process in running):
        raise Failed("a build of those at once failed")
    yield f"{BUILDS_AT_ONCE} builds at once, 3 RUN each", time.monotonic() - started


def context_transfer(builder, daemon, material):
    copies = material.work / "copies"
    shutil.rmtree(copies, ignore_errors=True)
    first = copies / "a" / "context"
    shutil.copytree(material.context, first)
    size = f"context of {data.CONTEXT_FILES} files, {data.CONTEXT_BYTES // 1_000_000} MB"

    def build(context):
        os.sync()
        seconds, progress = builder.build(daemon, context)
        return seconds, transferred(progress)

    seconds, sent = build(first)
    yield f"{size}: first build", seconds
    yield "  MB sent", sent
    for _ in range(3):
        yield "  nothing changed", build(first)[0]
    for _ in range(3):
        (first / "part00/module0007/file00150.src").write_text(material.nonce())
        yield "  one file changed", build(first)[0]
    second = copies / "b" / "context"
    data.clone(material.context, second)
    seconds, sent = build(second)
    yield "  fresh clone, new mtimes", seconds
    yield "  MB sent then", sent
    shutil.rmtree(copies)


def push(builder, daemon, material):
    context = material.work / "push" / "context"
    shutil.rmtree(context, ignore_errors=True)
    shutil.copytree(material.context, context)
    (context / "nonce").write_text(material.nonce())
    builder.build(daemon, context)
    os.sync()
    image = f"{material.registry.host}/pushed/{material.nonce()}"
    yield "gzip layer of those, and push", builder.build(daemon, context, image, push=True)[0]
    shutil.rmtree(context)


def pull(builder, daemon, material):
    dockerfile = f'FROM {material.large}\nRUN ["/bin/busybox", "echo", "{material.nonce()}"]\n'
    context = material.small_context("pull", dockerfile)
    os.sync()
    megabytes = max(path.stat().st_size for path in material.layers.rglob("*")) // 1_000_000
    yield f"pull and unpack a layer of {megabytes} MB", builder.build(daemon, context)[0]


# In the order of a round. Each works on what the ones before it left in the daemon.
CASES = {"no-op": no_op, "run": steps, "once": at_once, "context": context_transfer, "push": push,
         "pull": pull}


def settled_memory(daemon):
    """The daemon's memory once it has had time to give back what it can."""
    time.sleep(SETTLE_SECONDS)
    return daemon.memory()


def floors(material, only):
    """What this machine's kernel and common tools need for the heart of each case."""
    if only("run"):
        command = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", data.BUSYBOX, "sh", "-c", "echo"]
        yield f"each RUN echo, {STEPS} in a row", min(timed(command)[0] for _ in range(30)), "unshare(1)"
    if only("context"):
        size = f"context of {data.CONTEXT_FILES} files, {data.CONTEXT_BYTES // 1_000_000} MB"
        copy = material.work / "copy"
        yield f"{size}: first build", timed(["cp", "-r", str(material.context), str(copy)])[0], "cp -r"
        shutil.rmtree(copy)
        walk = ["find", str(material.context), "-size", "-1"]
        yield "  nothing changed", min(timed(walk)[0] for _ in range(5)), "find"
        yield "  fresh clone, new mtimes", min(hash_all(material.context) for _ in range(2)), "hash all"
    if only("push") and shutil.which("igzip"):
        packed = material.work / "floor.tar"
        timed(["tar", "-C", str(material.context), "-cf", str(packed), "."])
        yield "gzip layer of those, and push", timed(["igzip", "-1", "-k", "-f", "-o", "/dev/null", str(packed)])[0], "igzip"
        packed.unlink()
    if only("pull"):
        layer = max(material.layers.rglob("*"), key=lambda path: path.stat().st_size)
        tool = "igzip" if shutil.which("igzip") else "gzip"
        seconds = timed(["sh", "-c", f"{tool} -dc < {layer} > /dev/null"])[0]
        yield f"pull and unpack a layer of {layer.stat().st_size // 1_000_000} MB", seconds, f"{tool} -d"


def hash_all(directory):
    started = time.monotonic()
    for path in sorted(pathlib.Path(directory).rglob("*")):
        if path.is_file():
            data.sha256(path)
    return time.monotonic() - started
