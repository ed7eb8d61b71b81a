"""What the cases build: made on the spot, the same bytes on every machine and in every run."""
import gzip
import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import tarfile

BUSYBOX = "/bin/busybox"
CONTEXT_FILES = 23_500
CONTEXT_BYTES = 389_000_000
LAYER_BYTES = 702_000_000
EPOCH = 1_700_000_000


class Text:
    """A pool of source-like text; slices of it compress about as source code does."""

    def __init__(self, seed, size=16 << 20):
        rng = random.Random(seed)
        letters = "etaoinshrdlucmfwypvbgk_"
        words = ["".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(12_000)]
        signs = [" ", " ", " ", " ", "(", ") ", ", ", ";\n", " = ", ".", "\n  ", " {\n", "}\n"]
        parts, length = [], 0
        while length < size:
            part = rng.choice(words) + rng.choice(signs)
            parts.append(part)
            length += len(part)
        self.pool = "".join(parts).encode()

    def slice(self, rng, size):
        start = rng.randrange(len(self.pool))
        data = self.pool[start:start + size]
        while len(data) < size:
            data += self.pool[:size - len(data)]
        return data


def sizes(rng, count, total):
    """`count` sizes that add up to `total`, spread as a source tree's: many small, a few large."""
    raw = [rng.lognormvariate(0, 1.5) for _ in range(count)]
    scale = total / sum(raw)
    out = [int(value * scale) for value in raw]
    out[-1] += total - sum(out)
    return out


def make_context(directory, files=CONTEXT_FILES, total=CONTEXT_BYTES):
    """A tree of `files` files and `total` bytes, about twenty files to a directory."""
    directory = pathlib.Path(directory)
    rng = random.Random("context")
    text = Text("context")
    for number, size in enumerate(sizes(rng, files, total)):
        folder = directory / f"part{number // 1000:02}" / f"module{number // 20:04}"
        if number % 20 == 0:
            folder.mkdir(parents=True)
        (folder / f"file{number:05}.src").write_bytes(text.slice(rng, size))
    (directory / "Dockerfile").write_text("FROM scratch\nCOPY . /src\n")


def clone(source, target):
    """Copies a tree as a fresh checkout does: the same bytes, all times new."""
    shutil.copytree(source, target, copy_function=shutil.copyfile)


def busybox_layout(directory, extra=lambda tar: None, level=6):
    """An OCI layout of one image: busybox and what `extra` adds, in one gzip layer."""
    directory = pathlib.Path(directory)
    blobs = directory / "blobs/sha256"
    blobs.mkdir(parents=True)
    plain = hashlib.sha256()

    class Hashed:
        def __init__(self, sink):
            self.sink = sink

        def write(self, data):
            plain.update(data)
            return self.sink.write(data)

    packed = directory / "layer"
    with open(packed, "wb") as raw, gzip.GzipFile("", "wb", level, raw, 0) as sink:
        with tarfile.open(fileobj=Hashed(sink), mode="w|", format=tarfile.USTAR_FORMAT) as tar:
            add_busybox(tar)
            extra(tar)
    digest = sha256(packed)
    size = packed.stat().st_size
    packed.rename(blobs / digest)

    def document(value):
        data = json.dumps(value).encode()
        name = hashlib.sha256(data).hexdigest()
        (blobs / name).write_bytes(data)
        return {"digest": f"sha256:{name}", "size": len(data)}

    config = document({"architecture": machine(), "os": "linux", "config": {"Cmd": ["sh"],
                       "Env": ["PATH=/bin"]},
                       "rootfs": {"type": "layers", "diff_ids": [f"sha256:{plain.hexdigest()}"]}})
    config["mediaType"] = "application/vnd.oci.image.config.v1+json"
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
             "digest": f"sha256:{digest}", "size": size}
    manifest = document({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                         "config": config, "layers": [layer]})
    manifest["mediaType"] = "application/vnd.oci.image.manifest.v1+json"
    manifest["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    (directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return blobs / digest


def add_busybox(tar):
    def directory(name, mode=0o755):
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.mtime = tarfile.DIRTYPE, mode, EPOCH
        tar.addfile(info)

    for name in ("bin", "etc", "root", "dev", "proc", "sys"):
        directory(name)
    directory("tmp", 0o1777)
    info = tarfile.TarInfo("bin/busybox")
    info.mode, info.mtime, info.size = 0o755, EPOCH, os.path.getsize(BUSYBOX)
    with open(BUSYBOX, "rb") as data:
        tar.addfile(info, data)
    applets = subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True)
    for applet in sorted(set(applets.stdout.split()) - {"busybox"}):
        info = tarfile.TarInfo(f"bin/{applet}")
        info.type, info.linkname, info.mtime = tarfile.SYMTYPE, "busybox", EPOCH
        tar.addfile(info)


def large_layer(tar, total=LAYER_BYTES):
    """Adds files of some `total` bytes that gzip to about a third, as a compiler's image does."""
    rng = random.Random("layer")
    text = Text("layer")
    for number, size in enumerate(sizes(rng, 9_000, total)):
        info = tarfile.TarInfo(f"usr/lib/part{number // 200:03}/file{number:05}")
        info.mode, info.mtime, info.size = 0o644, EPOCH, size
        if number % 200 == 0:
            folder = tarfile.TarInfo(os.path.dirname(info.name))
            folder.type, folder.mode, folder.mtime = tarfile.DIRTYPE, 0o755, EPOCH
            tar.addfile(folder)
        tar.addfile(info, Reader(text.slice(rng, size)))


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def read(self, size=-1):
        size = len(self.data) if size < 0 else size
        piece = self.data[self.at:self.at + size]
        self.at += len(piece)
        return piece


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as data:
        while piece := data.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def machine():
    return {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
