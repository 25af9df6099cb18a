"""Shuts itself in and becomes a media tool: the start of every ffmpeg, see `edge.media.sandbox`.

A program of its own, of the standard library only: what it takes from itself it cannot get back,
and the tool it becomes has no more than that. Kernel means that need no rights to use: Landlock
(files), a seccomp filter (sockets, other processes), limits. Namespaces would need user namespaces
and mounts opened to the whole service, which is more than they would take from the tool.

    python -I -S box.py [files] [calls] [net] [read=PATH] [write=PATH] [LIMIT=N] -- PROGRAM …

Without a program it only tries, so a start can ask what this machine can do.
"""

from __future__ import annotations

import ctypes
import os
import resource
import stat
import struct
import sys

EX_NOPERM = 77  # sysexits.h
LIMITS = {
    "core": resource.RLIMIT_CORE,
    "cpu": resource.RLIMIT_CPU,
    "data": resource.RLIMIT_DATA,
    "fsize": resource.RLIMIT_FSIZE,
    "nofile": resource.RLIMIT_NOFILE,
}
SYSTEM = ("/usr", "/lib", "/lib64", "/etc/alternatives", "/etc/ld.so.cache", "/dev/urandom")
LOADED = ("/usr/lib", "/usr/lib64", "/lib", "/lib64")  # the loader is executed, libraries are read
NAMES = ("resolv.conf", "hosts", "nsswitch.conf", "host.conf", "gai.conf", "ssl/certs")

PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38
SIGKILL, SIGPIPE, SIGXFSZ, SECCOMP_MODE_FILTER = 9, 13, 25, 2
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
ASK_VERSION, PATH_BENEATH = 1, 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, MAKE_REG = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 8
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
FIRST = (1 << 13) - 1  # what the first Landlock can govern; later ones: version -> right
LATER = {2: REFER, 3: TRUNCATE, 5: IOCTL_DEV}
OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
READ = READ_FILE | READ_DIR
WRITE = READ | WRITE_FILE | MAKE_REG | TRUNCATE

LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06  # classic BPF
NR_AT, ARCH_AT, ARGUMENT_AT = 0, 4, 16
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000 | 1, 0x80000000
FOREIGN_ABI = 0x40000000  # x32 on x86-64; no call of another machine is as large
INTERNET = (2, 10, 16)  # AF_INET, AF_INET6, AF_NETLINK: what looking up and reaching a camera takes
# io_uring_setup would open sockets past the filter; the others reach into or end other processes.
EVERYWHERE = (424, 425, 434, 438)  # pidfd_send_signal, io_uring_setup, pidfd_open, pidfd_getfd
MACHINES = {
    # machine: (audit number, socket, (kill, tkill, tgkill, ptrace, process_vm_readv, …_writev))
    "x86_64": (0xC000003E, 41, (62, 200, 234, 101, 310, 311)),
    "aarch64": (0xC00000B7, 198, (129, 130, 131, 117, 270, 271)),
}
libc = ctypes.CDLL(None, use_errno=True)


def main(words: list[str]) -> int:
    """Shuts in and becomes the program; returns only when there is none or it may not."""
    cut = words.index("--")
    told, program = words[:cut], words[cut + 1 :]
    pairs = [word.partition("=") for word in told if "=" in word]
    _prctl(PR_SET_PDEATHSIG, SIGKILL)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    _as_a_program_starts()
    _first_to_go()
    try:
        if "files" in told:
            _shut_files(_rules(pairs, net="net" in told, program=program[:1]))
        if "calls" in told:
            _shut_calls(INTERNET if "net" in told else ())
    except (OSError, KeyError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return EX_NOPERM
    for name, _, value in pairs:
        if name in LIMITS:
            _limit(LIMITS[name], int(value))
    if program:
        os.execve(program[0], program, {"LC_ALL": "C.UTF-8"})  # noqa: S606 nothing of ours in it
    return 0


def _prctl(option: int, *values: object) -> None:
    if libc.prctl(option, *values, *(0,) * (4 - len(values))) != 0:
        _fail(f"prctl {option}")


def _fail(what: str) -> None:
    code = ctypes.get_errno()
    raise OSError(code, os.strerror(code), what)


def _as_a_program_starts() -> None:
    """Python ignores these two, and what is ignored stays so in the program it becomes."""
    for one in (SIGPIPE, SIGXFSZ):
        libc.signal(one, None)


def _first_to_go() -> None:
    """Where memory ends, the tool goes and not the record."""
    try:
        file = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(file, b"500")
        os.close(file)
    except OSError:
        return  # a wish; the limits below are the bound


def _limit(what: int, value: int) -> None:
    hard = resource.getrlimit(what)[1]
    most = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (most, most))


def _rules(
    pairs: list[tuple[str, str, str]], *, net: bool, program: list[str]
) -> list[tuple[str, int]]:
    """Paths and what may be done with what is there or below; all else cannot be opened."""
    rules = [(path, READ) for path in SYSTEM]
    rules += [(path, READ | EXECUTE) for path in LOADED]
    rules += [("/dev/null", READ | WRITE_FILE)]
    rules += [(path, READ | EXECUTE) for path in program]
    if net:
        rules += [(f"/etc/{name}", READ) for name in NAMES]
    rules += [(value, READ) for name, _, value in pairs if name == "read"]
    return rules + [(value, WRITE) for name, _, value in pairs if name == "write"]


def _shut_files(rules: list[tuple[str, int]]) -> None:
    version = libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ASK_VERSION)
    if version < 1:
        _fail("Landlock")
    handled = FIRST
    for since, right in LATER.items():
        handled |= right if version >= since else 0
    governed = struct.pack("=Q", handled)
    rulesets = libc.syscall(CREATE_RULESET, governed, ctypes.c_size_t(len(governed)), 0)
    if rulesets < 0:
        _fail("landlock_create_ruleset")
    for path, rights in rules:
        try:
            where = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # what is not there cannot be opened either way
        folder = stat.S_ISDIR(os.fstat(where).st_mode)
        mine = rights & handled if folder else rights & handled & OF_A_FILE
        rule = struct.pack("=Qi", mine, where)
        if libc.syscall(ADD_RULE, rulesets, PATH_BENEATH, rule, 0) != 0:
            _fail(path)
        os.close(where)
    if libc.syscall(RESTRICT_SELF, rulesets, 0) != 0:
        _fail("landlock_restrict_self")
    os.close(rulesets)


def _shut_calls(families: tuple[int, ...]) -> None:
    """A refused call is an error to the tool, as if it had no right; one of another ABI ends it."""
    audit, socket, others = MACHINES[os.uname().machine]
    lines = [(LOAD, 0, 0, ARCH_AT), (EQUAL, 1, 0, audit), (RETURN, 0, 0, KILL)]
    lines += [(LOAD, 0, 0, NR_AT), (AT_LEAST, 0, 1, FOREIGN_ABI), (RETURN, 0, 0, REFUSE)]
    for call in (*EVERYWHERE, *others):
        lines += [(EQUAL, 0, 1, call), (RETURN, 0, 0, REFUSE)]
    opened = [(LOAD, 0, 0, ARGUMENT_AT)]
    for family in families:
        opened += [(EQUAL, 0, 1, family), (RETURN, 0, 0, ALLOW)]
    opened += [(RETURN, 0, 0, REFUSE)]
    lines += [(EQUAL, 0, len(opened), socket), *opened, (RETURN, 0, 0, ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in lines))
    program = struct.pack("@HP", len(lines), ctypes.addressof(code))
    _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
