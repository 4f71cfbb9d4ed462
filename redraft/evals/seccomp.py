"""Seccomp: a filter for the kernel that refuses system calls no program under test needs.

Knows numbers of system calls and classic BPF, in the bytes that the kernel reads. The second wall behind namespaces:
it closes what has let programs out of them before (nested user namespaces, mounts, ptrace, io_uring, bpf).
"""

import platform
import struct

# Name -> number on x86-64 and on 64-bit ARM.
REFUSED = {
    "ptrace": (101, 117), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "unshare": (272, 97), "setns": (308, 268), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89),
    "quotactl": (179, 60), "open_by_handle_at": (304, 265), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
}  # fmt: skip
CLONE = (56, 220)
CLONE3 = (435, 435)
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column above, the kernel's name for it

NEW_USER = 0x10000000  # CLONE_NEWUSER
X32 = 0x40000000  # numbers from here on are another table of the same machine
EPERM, ENOSYS = 1, 38
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000


def program(machine: str | None = None) -> bytes | None:
    """The filter for a kind of machine (this one's by default); None where its numbers are not known."""
    known = MACHINES.get(machine or platform.machine())
    if known is None:
        return None
    column, architecture = known
    lines = [
        _line(LOAD, ARCHITECTURE),
        _line(EQUAL, architecture, skip_if_true=1),
        _line(RETURN, KILL),
        _line(LOAD, NUMBER),
        *_refuse(AT_LEAST, X32, EPERM),
        *(line for numbers in REFUSED.values() for line in _refuse(EQUAL, numbers[column], EPERM)),
        # The flags of clone3 lie in memory, where a filter cannot look; without it the C library uses clone.
        *_refuse(EQUAL, CLONE3[column], ENOSYS),
        _line(EQUAL, CLONE[column], skip_if_false=3),
        _line(LOAD, FIRST_ARGUMENT),
        *_refuse(ANY_BIT, NEW_USER, EPERM),
        _line(RETURN, ALLOW),
    ]
    return b"".join(lines)


def _refuse(test: int, value: int, error: int) -> tuple[bytes, bytes]:
    return _line(test, value, skip_if_false=1), _line(RETURN, ERRNO | error)


def _line(code: int, value: int, *, skip_if_true: int = 0, skip_if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, skip_if_true, skip_if_false, value)
