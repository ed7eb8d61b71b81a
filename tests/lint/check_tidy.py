#!/usr/bin/env python3
"""Runs clang-tidy (the list in .clang-tidy) on every source file that changed since it was last clean.

    check_tidy.py BUILD-FOLDER

A file is clean for the content of itself, of our headers that ninja saw it include, and of the list; that is
remembered in BUILD-FOLDER/tidy, so only the first run reads everything."""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("runtime", "cache", "daemon", "client")


def own_headers(build):
    """The files below ROOT that each object file was made from, by the object's path."""
    listing = subprocess.run(["ninja", "-C", str(build), "-t", "deps"], check=True, capture_output=True, text=True)
    inputs, output = {}, None
    for line in listing.stdout.splitlines():
        if line.startswith("    "):
            path = (build / line.strip()).resolve()
            if path.is_relative_to(ROOT) and not path.is_relative_to(build):
                inputs[output].append(path)
        elif ": #deps" in line:
            output = line.split(":")[0]
            inputs[output] = []
    return inputs


def fingerprint(paths, hashes):
    digest = hashlib.sha256()
    for path in sorted(set(paths)):
        if path not in hashes:
            hashes[path] = hashlib.sha256(path.read_bytes()).digest()
        digest.update(hashes[path])
    return digest.hexdigest()


def commands_for_clang(build, stamps):
    """The compile commands without what only GCC takes; clang-tidy finds them in `stamps`."""
    entries = json.loads((build / "compile_commands.json").read_text())
    for entry in entries:
        entry["command"] = re.sub(r" -Winvalid-pch -include \S+| -Wno-subobject-linkage", "", entry["command"])
    (stamps / "compile_commands.json").write_text(json.dumps(entries))
    return entries


def tidy(stamps, source):
    result = subprocess.run(["clang-tidy", "--quiet", "-p", str(stamps), str(source)], capture_output=True, text=True)
    return result.returncode, result.stdout + (result.stderr if result.returncode else "")


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    stamps = build / "tidy"
    stamps.mkdir(exist_ok=True)
    inputs, hashes, pending = own_headers(build), {}, []
    for entry in commands_for_clang(build, stamps):
        source = pathlib.Path(entry["file"])
        # A file of ours, or one of the build's that includes several of ours.
        base = build if source.is_relative_to(build) else ROOT
        if not source.is_relative_to(base) or source.relative_to(base).parts[0] not in FOLDERS:
            continue
        if source.name.startswith("cmake_pch"):
            continue
        made_from = inputs.get(entry["command"].split(" -o ")[1].split()[0], [])
        stamp = stamps / str(source.relative_to(base)).replace("/", "-")
        print_now = fingerprint([source, ROOT / ".clang-tidy", *made_from], hashes)
        if not stamp.exists() or stamp.read_text() != print_now:
            pending.append((source, stamp, print_now))
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = {pool.submit(tidy, stamps, source): (stamp, print_now) for source, stamp, print_now in pending}
        for run in concurrent.futures.as_completed(runs):
            code, output = run.result()
            if code == 0:
                stamp, print_now = runs[run]
                stamp.write_text(print_now)
            else:
                failed += 1
                print(output, flush=True)
    print(f"clang-tidy: {len(pending)} files read, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
