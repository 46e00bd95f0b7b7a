#!/usr/bin/env python3
"""Holds the include arrows of ARCHITECTURE.md, and keeps base and core pure.

    tools/check_layers.py [ROOT]      prints each violation as file:line: message; exit status 1 if there is one

Every folder below src/ must be listed here: a new one is a decision about arrows.
"""
import pathlib
import re
import sys

# Folder -> the folders of ours that it may include. What may be reached is listed, not derived, so that a row says it all.
BASE = {"base"}
CRYPTO = BASE | {"crypto"}
CORE = CRYPTO | {"core/wire", "core/tree", "core/swarm", "core/discovery"}
ARROWS = {
    "base": set(),
    "crypto": BASE,
    "core/tree": CRYPTO,
    "core/wire": CRYPTO | {"core/tree"},
    "core/swarm": CRYPTO | {"core/tree", "core/wire", "core/discovery"},
    "core/discovery": CRYPTO,
    "store": CORE,
    "net": CORE,
    "media": CORE,
    "player": CORE | {"store", "net", "media"},
    "tracker": CORE | {"store", "net", "media"},
    "node": CORE | {"store", "net", "media", "player", "tracker"},
    "cli": CORE | {"store", "net", "media", "player", "tracker", "node"},
    "media_helper": BASE,
}
# Single headers that a folder may include although their folder is not open to it.
EXTRA_HEADERS = {
    "media_helper": {"media/helper_messages.hpp", "media/session_types.hpp"},
}

POSIX = ("arpa/", "fcntl.h", "grp.h", "ifaddrs.h", "linux/", "net/", "netdb.h", "netinet/", "poll.h", "pwd.h", "sched.h", "signal.h",
         "spawn.h", "sys/", "syslog.h", "termios.h", "unistd.h")
# Folder -> what it may include besides the standard library: the beginnings of the names between the angle brackets.
LIBRARIES = {
    "base": (),
    "crypto": ("intel-ipsec-mb.h", "openssl/"),
    "core/wire": (),
    "core/tree": ("boost/unordered/",),
    "core/swarm": ("absl/container/", "boost/circular_buffer.hpp", "boost/unordered/"),
    "core/discovery": (),
    "store": ("sqlite3.h",) + POSIX,
    "net": ("boost/", "openssl/") + POSIX,
    "media": ("boost/", "isa-l/") + POSIX,
    "media_helper": ("boost/", "libavcodec/", "libavfilter/", "libavformat/", "libavutil/", "libswresample/", "libswscale/",
                     "seccomp.h", "srt/", "dlfcn.h") + POSIX,
    "player": ("boost/", "qrencode.h"),
    "tracker": ("boost/", "sqlite3.h"),
    "node": ("boost/", "toml++/") + POSIX,
    "cli": ("boost/", "CLI/", "qrencode.h") + POSIX,
}
# Single files that wrap a library of their own.
EXTRA_LIBRARIES = {
    "base/log.cpp": ("spdlog/", "fmt/"),
    "cli/main.cpp": ("malloc.h",),
}

# What a pure folder does not know, though it is in the standard library: files, threads, clocks, randomness of its own.
PURE = ("base", "core/")
IMPURE_HEADERS = {"condition_variable", "ctime", "filesystem", "fstream", "future", "iostream", "mutex", "pthread.h", "random",
                  "shared_mutex", "stop_token", "syncstream", "thread", "time.h"}
IMPURE_CODE = [
    (re.compile(r"_clock\s*::\s*now\b|\bclock_gettime\b|\bgettimeofday\b|\btime\s*\(\s*(?:nullptr|NULL|0)\s*\)"), "reads a clock"),
    (re.compile(r"\bstd::s?rand\b|\brandom_device\b|\bgetrandom\b|\barc4random"), "makes randomness of its own"),
    (re.compile(r"\bstd::j?thread\b|\bstd::async\b|\bthread_local\b"), "knows threads"),
    (re.compile(r"\bf(?:re)?open\s*\(|\bstd::[io]?fstream\b"), "opens files"),
    (re.compile(r"\bgetenv\b"), "reads the environment"),
]
PURE_EXEMPT = {"base/log.cpp"}  # the one wrapped logger

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
STANDARD = re.compile(r"^[a-z0-9_]+$")  # <vector>, <cstdint>: no slash and no ending
C_STANDARD = {"assert.h", "errno.h", "inttypes.h", "limits.h", "math.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h", "time.h"}


def folder_of(path):
    """The row of ARROWS that a path below src/ belongs to, or None."""
    parts = path.split("/")
    for length in (2, 1):
        name = "/".join(parts[:length])
        if len(parts) > length and name in ARROWS:
            return name
    return None


def without_comments(text):
    """The same lines with comments and the insides of string literals blanked."""
    def blank(match):
        token = match.group(0)
        if token[0] == '"':
            return '""'
        return "\n" * token.count("\n") if token[0] == "/" else token
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


def check_own_include(path, folder, name):
    target = folder_of(name)
    if target == folder or name in EXTRA_HEADERS.get(folder, ()):
        return None
    if target is None:
        return f'"{name}" is not in a known folder of src/ (include from src/: "base/bytes.hpp")'
    if target not in ARROWS[folder]:
        return f"{folder} may not include {target} ({name})"
    return None


def check_library_include(path, folder, name):
    pure = folder.startswith(PURE) and path not in PURE_EXEMPT
    if pure and name in IMPURE_HEADERS:
        return f"<{name}>: {folder} is pure: no files, threads, clocks or randomness of its own"
    if STANDARD.match(name) or name in C_STANDARD:
        return None
    allowed = LIBRARIES[folder] + EXTRA_LIBRARIES.get(path, ())
    if not name.startswith(allowed):
        return f"<{name}> is not a library of {folder}"
    return None


def check_file(path, text):
    """Violations in one file as (line number, message)."""
    folder = folder_of(path)
    if folder is None:
        yield 1, "lies in a folder without a row in tools/check_layers.py"
        return
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        check = check_own_include if match.group(1) == '"' else check_library_include
        message = check(path, folder, match.group(2))
        if message:
            yield number, message
    if folder.startswith(PURE) and path not in PURE_EXEMPT:
        for number, line in enumerate(without_comments(text).splitlines(), 1):
            for pattern, what in IMPURE_CODE:
                if pattern.search(line):
                    yield number, f"{folder} is pure, and this {what}"


def check_tree(root):
    """(number of files read, violations as text) of everything below root/src."""
    src = pathlib.Path(root) / "src"
    files = sorted(p for p in src.rglob("*") if p.suffix in (".hpp", ".cpp", ".h", ".ipp", ".inc"))
    violations = []
    for file in files:
        path = file.relative_to(src).as_posix()
        text = file.read_text(encoding="utf-8", errors="replace")
        violations += [f"src/{path}:{number}: {message}" for number, message in check_file(path, text)]
    return len(files), violations


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent
    count, violations = check_tree(root)
    for violation in violations:
        print(violation)
    if count == 0:
        print(f"no source files below {root}/src")
        return 1
    print(f"layers: {count} files, {len(violations)} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
