#!/usr/bin/env python3
"""Fails on any include that runs against the layers of the house, on third-party headers outside the few
files meant to hold them, and on circles between folders or files."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# module -> modules that it may include besides itself. A module is the longest prefix listed here.
BASE = ["runtime/base"]
RUNTIME = BASE + ["runtime/fs", "runtime/net"]
CACHE = [
    "cache/blob", "cache/tree", "cache/layer", "cache/snapshot", "cache/steps", "cache/gc",
    "cache/registry",
]
BELOW_DAEMON = RUNTIME + ["runtime/sandbox", "proto"] + CACHE + ["cache/remote"]
ALLOWED = {
    "proto": [],
    "runtime/base": [],
    "runtime/fs": BASE,
    "runtime/net": BASE + ["runtime/fs"],
    "runtime/sandbox": BASE + ["runtime/fs", "runtime/net"],
    "cache/blob": RUNTIME + ["proto"],
    "cache/tree": RUNTIME + ["proto", "cache/blob"],
    "cache/layer": RUNTIME + ["proto", "cache/blob", "cache/tree"],
    "cache/snapshot": RUNTIME + ["proto", "cache/blob", "cache/tree", "cache/layer"],
    "cache/steps": RUNTIME + ["proto", "cache/blob", "cache/tree", "cache/layer"],
    "cache/gc": RUNTIME + ["proto", "cache/blob", "cache/tree"],
    "cache/registry": RUNTIME + ["proto", "cache/blob"],
    "cache/remote": RUNTIME + ["proto"] + CACHE,
    "daemon/llb": BELOW_DAEMON,
    "daemon/session": BELOW_DAEMON,
    "daemon/devices": BASE,
    "daemon/solver": BELOW_DAEMON + ["daemon/llb", "daemon/session", "daemon/devices"],
    "daemon/provenance": BELOW_DAEMON + ["daemon/llb", "daemon/session", "daemon/solver"],
    "daemon/source": BELOW_DAEMON + ["daemon/llb", "daemon/session", "daemon/solver"],
    "daemon/frontend": BELOW_DAEMON + ["daemon/llb", "daemon/session", "daemon/solver"],
    "daemon/exporter": BELOW_DAEMON + ["daemon/llb", "daemon/session", "daemon/solver",
                                       "daemon/provenance"],
    "daemon/caches": BELOW_DAEMON + ["daemon/llb", "daemon/session", "daemon/solver",
                                     "daemon/exporter"],
    "daemon/history": BELOW_DAEMON + ["daemon/llb", "daemon/session", "daemon/solver"],
    "daemon/ops": BELOW_DAEMON + ["daemon/llb", "daemon/session", "daemon/devices",
                                  "daemon/solver", "daemon/source",
                                  "daemon/frontend", "daemon/exporter", "daemon/history"],
    "daemon/control": BELOW_DAEMON + ["daemon/llb", "daemon/session", "daemon/devices",
                                      "daemon/solver",
                                      "daemon/source", "daemon/frontend", "daemon/exporter",
                                      "daemon/history", "daemon/ops", "daemon/provenance",
                                      "daemon/caches"],
    "daemon/server": BELOW_DAEMON + ["daemon/llb", "daemon/session", "daemon/devices",
                                     "daemon/solver",
                                     "daemon/source", "daemon/frontend", "daemon/exporter",
                                     "daemon/history", "daemon/ops", "daemon/control",
                                     "daemon/caches"],
    "client": BASE + ["runtime/fs", "proto"],
}

# header prefix -> folders or files that may include it.
THIRD_PARTY = {
    "grpc": ["daemon/session", "daemon/control", "daemon/server", "daemon/frontend/gateway",
             "daemon/ops/gateway", "client", "cache/remote"],
    "rocksdb/": ["cache/blob/database.cc"],
    "curl/": ["runtime/net"],
    "archive": ["runtime/fs"],
    "nlohmann/": ["cache", "daemon", "client", "runtime/sandbox"],
    "toml++/": ["daemon/server"],
    "CLI/": ["daemon/server", "client"],
    "spdlog/": ["runtime/base/log.cc"],
    "seccomp.h": ["runtime/sandbox"],
    "yaml-cpp/": ["daemon/devices/spec_parser.cc"],
    "openssl/": ["runtime/base", "runtime/net", "daemon/session", "client"],
}
# JSON, curl and the like never show in a header.
NOT_IN_HEADERS = ["grpcpp/", "rocksdb/", "curl/", "archive", "nlohmann/", "toml++/", "CLI/", "spdlog/",
                  "yaml-cpp/"]
# The private headers of the modules that speak gRPC.
HEADERS_WITH_GRPC = ("client/gateway_build.h", "daemon/session/call.h", "daemon/session/grpc_status.h", "daemon/control/")

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


def module_of(path):
    for length in range(3, 0, -1):
        name = "/".join(path.split("/")[:length])
        if name in ALLOWED:
            return name
    return None


def sources():
    for top in ("runtime", "cache", "daemon", "client"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix in (".h", ".cc"):
                yield path


def find_circle(graph):
    state = {}

    def visit(node, trail):
        state[node] = 1
        for to in sorted(graph.get(node, ())):
            if state.get(to) == 1:
                return trail + [node, to]
            if to not in state:
                circle = visit(to, trail + [node])
                if circle:
                    return circle
        state[node] = 2
        return None

    for start in sorted(graph):
        if start not in state:
            circle = visit(start, [])
            if circle:
                return circle
    return None


def main():
    errors = []
    files = {}
    modules = {}
    for path in sources():
        name = str(path.relative_to(ROOT))
        module = module_of(name)
        if module is None:
            errors.append(f"{name}: in no module of the table")
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            header = match.group(2)
            where = f"{name}:{number}"
            for prefix, holders in THIRD_PARTY.items():
                if header.startswith(prefix) and match.group(1) == "<":
                    if not any(name.startswith(holder) for holder in holders):
                        errors.append(f"{where}: <{header}> belongs in {', '.join(holders)}")
            if path.suffix == ".h" and match.group(1) == "<":
                private = header.startswith("grpcpp/") and name.startswith(HEADERS_WITH_GRPC)
                if not private and any(header.startswith(prefix) for prefix in NOT_IN_HEADERS):
                    errors.append(f"{where}: <{header}> does not belong in a header")
            target = module_of(header) if match.group(1) == '"' else None
            if target is None:
                continue
            files.setdefault(name, set()).add(header)
            if target != module:
                modules.setdefault(module, set()).add(target)
                if target not in ALLOWED[module]:
                    errors.append(f"{where}: {module} may not include {target} ({header})")
    for kind, graph in (("modules", modules), ("files", files)):
        circle = find_circle(graph)
        if circle:
            errors.append(f"circle between {kind}: {' -> '.join(circle)}")
    print("\n".join(errors) if errors else "layers: every include follows the arrows")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
