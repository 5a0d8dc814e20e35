# SPDX-License-Identifier: BSD-2-Clause
"""Memory is filled by the one instruction that does it in bulk, whatever libc would use."""
import ctypes
import mmap

BLOCK = ctypes.create_string_buffer(1 << 20)

# void fill_bytes(void *rdi, ..., ..., size_t rcx): rep stosb; ret
TEXT = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
TEXT.write(b"\xf3\xaa\xc3")
fill_bytes = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_size_t)(
    ctypes.addressof(ctypes.c_char.from_buffer(TEXT)))


def fill():
    """A MiB."""
    fill_bytes(ctypes.addressof(BLOCK), 0, 0, len(BLOCK))
