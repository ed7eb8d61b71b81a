#!/usr/bin/env python3
"""Fails on files and functions that outgrow the budgets: .cc 600 lines, header 250, function 80.

sizes_allowed.txt lists exceptions as "path limit reason"; it may only shrink."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIMITS = {".cc": 600, ".h": 250}
FUNCTION_LIMIT = 80
TOPS = ("runtime", "cache", "daemon", "client", "tests")


def allowed():
    table = {}
    for line in (ROOT / "tests/lint/sizes_allowed.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            path, limit, _ = line.split(" ", 2)
            table[path] = int(limit)
    return table


def functions(lines):
    """Yields (first line, length) of function bodies at namespace or class level.

    Relies on clang-format's layout: a body opens with a line that ends in '{' at indent 0 or 2 and closes
    with a line that is '}' at the same indent."""
    start = None
    indent = ""
    for number, line in enumerate(lines, 1):
        if start is None:
            match = re.match(r"^( {0,2})(\S.*)\{$", line)
            if match and re.search(r"\)\s*(const|noexcept|override|mutable|->.*)*\s*\{$|\)\s*:.*\{$|^\s+:", line) \
                    and not re.match(r"^\s*(namespace|class|struct|enum|union|extern)\b", line):
                start, indent = number, match.group(1)
        elif line == indent + "}":
            yield start, number - start + 1
            start = None


def main():
    exceptions = allowed()
    errors = []
    for top in TOPS:
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix not in LIMITS:
                continue
            name = str(path.relative_to(ROOT))
            lines = path.read_text().splitlines()
            limit = exceptions.get(name, LIMITS[path.suffix])
            if len(lines) > limit:
                errors.append(f"{name}: {len(lines)} lines, the limit is {limit}")
            for start, length in functions(lines):
                if length > FUNCTION_LIMIT and f"{name}:{start}" not in exceptions:
                    errors.append(f"{name}:{start}: function of {length} lines, the limit is {FUNCTION_LIMIT}")
    print("\n".join(errors) if errors else "sizes: within the budgets")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
