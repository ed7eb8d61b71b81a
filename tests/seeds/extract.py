#!/usr/bin/env python3
"""Takes the Dockerfiles out of Markdown notes: extract.py NOTES OUT.

Writes OUT/<n>.Dockerfile, with <n>.images (the images it names), <n>.kind (which context it is built in) and
<n>.targets (its stages that are built by themselves; the empty line is the last one). A block that is only a
part (no FROM at its start, or "# ..." in it) is left out."""
import pathlib
import re
import sys

KINDS = [("golang", "go"), ("composer", "php"), ("python", "python"), ("node", "node")]


def blocks(text):
    """Text between fences, and runs of instructions where a fence was forgotten."""
    for block in re.findall(r"```dockerfile\n(.*?)(?:\n```|\Z)", text, re.S):
        part = []
        for line in block.splitlines():
            if re.match(r"(Build & Run|docker (build|run)|🔹|#{2,} |[📌✅])", line):
                yield "\n".join(part)
                part = []
                continue
            if line.strip() in ("Dockerfile",):
                part = []
                continue
            part.append(line)
        yield "\n".join(part)


def stages(dockerfile):
    return re.findall(r"^FROM\s+(\S+)(?:\s+AS\s+(\S+))?", dockerfile, re.M | re.I)


def images(dockerfile):
    arguments = dict(re.findall(r"^ARG\s+(\w+)=(\S+)", dockerfile, re.M))
    names = [name for _, name in stages(dockerfile) if name]
    found = [image for image, _ in stages(dockerfile)]
    found += re.findall(r"--from=(\S+)", dockerfile)
    for image in found:
        for key, value in arguments.items():
            image = image.replace("${%s}" % key, value)
        if image in names or image == "scratch" or image.isdigit():
            continue
        yield image if ":" in image.rsplit("/", 1)[-1] else image + ":latest"


def kind_of(dockerfile):
    both = "frontend/" in dockerfile and "backend/" in dockerfile
    if both and "golang" in dockerfile:
        return "fullstack-go"
    if both:
        return "fullstack-python"
    for word, kind in KINDS:
        if word in dockerfile:
            return kind
    return "go"


def main():
    source, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    out.mkdir(parents=True)
    count = 0
    for note in sorted(source.glob("*.txt")):
        for block in blocks(note.read_text()):
            dockerfile = block.strip() + "\n"
            if "\n# ...\n" in dockerfile or not stages(dockerfile) or not re.match(r"(#.*\n|\s*\n|ARG .*\n)*FROM", dockerfile, re.I):
                continue
            count += 1
            base = out / f"{count:03d}"
            names = [name for _, name in stages(dockerfile) if name]
            targets = [""] + [name for name in ("lint", "test", "development", "production") if name in names]
            base.with_suffix(".Dockerfile").write_text(dockerfile)
            base.with_suffix(".images").write_text("".join(f"{image}\n" for image in images(dockerfile)))
            base.with_suffix(".kind").write_text(kind_of(dockerfile))
            base.with_suffix(".targets").write_text("\n".join(targets) + "\n")


if __name__ == "__main__":
    main()
