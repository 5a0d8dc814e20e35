# SPDX-License-Identifier: BSD-2-Clause
"""Product pictures. The second leak: memory that C allocated, and that only C could free."""
import ctypes

libc = ctypes.CDLL(None)
libc.strdup.argtypes = [ctypes.c_char_p]
libc.strdup.restype = ctypes.c_void_p


def watermark(text):
    """A copy for the renderer, which wants memory of its own; it was to be given back with
    free()."""
    return libc.strdup(text)


def render(name):
    copy = watermark((name + " (c) shop ").encode() * 60)
    return b"\x89PNG" + ctypes.string_at(copy, 200)
