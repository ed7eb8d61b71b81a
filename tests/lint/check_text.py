#!/usr/bin/env python3
"""Fails on text that does not belong in the tree: unfinished-work marks, sleeps in tests, and tests that
expect nothing."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")
SLEEP = re.compile(r"sleep_for|usleep\(|SleepFor|std::this_thread::sleep")


def main():
    errors = []
    for top in ("runtime", "cache", "daemon", "client", "proto", "tests"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix not in (".h", ".cc", ".proto", ".py"):
                continue
            name = str(path.relative_to(ROOT))
            text = path.read_text()
            for number, line in enumerate(text.splitlines(), 1):
                if UNFINISHED.search(line):
                    errors.append(f"{name}:{number}: finish it, or file an issue: {line.strip()}")
                if path.suffix == ".cc" and SLEEP.search(line):
                    errors.append(f"{name}:{number}: wait for the event, do not sleep")
            if re.search(r"^TEST(_F|_P)?\(", text, re.M) and not re.search(r"EXPECT_|ASSERT_", text):
                errors.append(f"{name}: tests that expect nothing")
    print("\n".join(errors) if errors else "text: clean")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
