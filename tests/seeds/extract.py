#!/usr/bin/env python3
"""Takes the Dockerfiles and commands out of Markdown notes: extract.py NOTES OUT.

Writes OUT/<n>.Dockerfile, with <n>.images (the images it names), <n>.kind (which context it is built in),
<n>.targets (its stages that are built by themselves; the empty line is the last one) and <n>.commands (the
docker command lines that follow it). Text that only shows a part of a Dockerfile is left out."""
import pathlib
import re
import sys

KINDS = [("golang", "go"), ("composer", "php"), ("python", "python"), ("node", "node")]
INSTRUCTION = re.compile(r"(FROM|WORKDIR|COPY|RUN|CMD|ENV|ARG|EXPOSE|USER|ENTRYPOINT)\s")
COMMAND = re.compile(r"\s*docker (build|run|images) ")
TARGETS = ("lint", "test", "development", "production")


def pieces(text):
    """("dockerfile", text) and ("command", line) in order. A Dockerfile begins where FROM does, or the ARGs and
    comments before it, and goes on while lines are instructions, their continuations, comments or empty: that is
    right where a note forgot its fence, too."""
    part, leading, continued = [], [], False

    def finished():
        if any(line.startswith("FROM ") for line in part):
            yield "dockerfile", "\n".join(part).strip() + "\n"
        part.clear()

    for line in text.splitlines() + ["```"]:
        in_file = continued or INSTRUCTION.match(line) or line.startswith("# ") or not line.strip()
        continued = bool(in_file) and line.rstrip().endswith("\\")
        if part and in_file:
            part.append(line)
        elif line.startswith("FROM "):
            part.extend(leading + [line])
        else:
            yield from finished()
            if COMMAND.match(line):
                yield "command", line.split("→")[0].strip()
        if not part:
            leading = leading + [line] if in_file else []


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
    if both:
        return "fullstack-go" if "golang" in dockerfile else "fullstack-python"
    for word, kind in KINDS:
        if word in dockerfile:
            return "go-web" if kind == "go" and "EXPOSE 8080" in dockerfile else kind
    return "go"


def write(base, dockerfile, commands):
    names = [name for _, name in stages(dockerfile) if name]
    targets = [""] + [name for name in TARGETS if name in names]
    commands = [command.replace("<stage>", names[0] if names else "") for command in commands]
    for suffix, lines in (
        (".images", images(dockerfile)),
        (".kind", [kind_of(dockerfile)]),
        (".targets", targets),
        (".commands", commands),
    ):
        base.with_suffix(suffix).write_text("".join(f"{line}\n" for line in lines))
    base.with_suffix(".Dockerfile").write_text(dockerfile)


def main():
    source, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    out.mkdir(parents=True)
    found = []
    for note in sorted(source.iterdir()):
        last = None
        for kind, text in pieces(note.read_text()):
            if kind == "command":
                if last is not None:
                    last.append(text)
            elif "\n# ...\n" not in text:
                last = []
                found.append((text, last))
    for number, (dockerfile, commands) in enumerate(found, 1):
        write(out / f"{number:03d}", dockerfile, commands)


if __name__ == "__main__":
    main()
