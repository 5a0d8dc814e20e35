# SPDX-License-Identifier: BSD-2-Clause
"""A target that lies: lengths, pointers and types in its heap are forged, and its maps move all the
time. The program itself never uses the forged objects, and it ends without cleaning up."""
import collections
import ctypes
import functools
import mmap
import os
import struct
import sys
import threading

import serve

kept = []
HUGE = (1 << 60) + 3


def poke(address, word):
    ctypes.c_uint64.from_address(address).value = word & (1 << 64) - 1


def peek(address):
    return ctypes.c_uint64.from_address(address).value


class Node(object):
    __slots__ = ("next", )


class Open(object):
    pass


def forge(n):
    """n of each kind of lie."""
    shared = list(range(100000))
    items = peek(id(shared) + 24)
    for i in range(n):
        long_list, far_list, odd_list = [1, 2, 3], [1, 2, 3], [1, 2, 3]
        poke(id(long_list) + 16, HUGE)  # a length beyond all memory
        poke(id(far_list) + 24, 0x7fff00000000 + i * 4096)  # items that are not mapped
        poke(id(odd_list) + 24, items + 1)
        many = [0]
        poke(id(many) + 16, 100000)  # all share one array
        poke(id(many) + 24, items)
        wide = set(range(20))
        poke(id(wide) + 32, HUGE)
        keys = {j: j for j in range(20)}
        head = peek(id(keys) + 32)
        poke(head + 8, 0xffffffffffffffff)
        empty = {j: j for j in range(20)}
        poke(id(empty) + 32, id(empty))
        ring = collections.deque(range(200))
        left = peek(id(ring) + 24)
        poke(left + 520, left)  # the block leads to itself
        poke(id(ring) + 16, 1 << 40)
        cached = functools.lru_cache(maxsize=500)(lambda x: x)
        for j in range(50):
            cached(j)
        first = peek(id(cached) + 24)
        poke(first + 24, first)
        node, other = Node(), Node()
        node.next, other.next = other, node
        wrong = Open()
        wrong.here = i
        poke(id(wrong) - 24, 0x7ffff7f00000)
        tuple_ = (1, 2, 3)
        kept.append((long_list, far_list, odd_list, many, wide, keys, empty, ring, cached, node, wrong, tuple_))
    long_chain = last = Node()
    for i in range(20000):
        last.next = Node()
        last = last.next
    last.next = None
    kept.append((shared, long_chain))


def forge_types(n):
    """Classes with false sizes, names and bases."""
    text = b"x" * (1 << 20)  # no name ends in it
    kept.append(text)
    unending = id(text) + 100
    for i in range(n):
        made = type("Forged%d" % i, (object, ), {})
        one = made()
        kept.append((made, one))
        poke(id(made) + 32, (1 << 24) - 8 * i)  # tp_basicsize
        poke(id(made) + 288, 0xfffffffffffff000)  # tp_dictoffset
        poke(id(made) + 240, id(made))  # tp_members
        other = type("Odd%d" % i, (object, ), {})
        kept.append((other, other()))
        poke(id(other) + 24, (0, 0x7fff00000000, unending)[i % 3])  # tp_name
        poke(id(other) + 40, HUGE)  # tp_itemsize
        poke(id(other) + 256, id(other))  # tp_base
        poke(id(other) + 264, id(other))  # tp_dict


def forge_pools(n):
    """Pools that pymalloc never made: n types, and an object of each."""
    size = 16384 if sys.version_info >= (3, 10) else 4096
    region = mmap.mmap(-1, n * 512 * 2 + n * 32 * 2 + 4 * size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    kept.append(region)
    at = ctypes.addressof(ctypes.c_char.from_buffer(region))
    at += -at % size
    like_float = ctypes.string_at(id(float), 400)
    addresses = []

    def pool(block, content):
        room = (size - 48) // block
        head = struct.pack("<IIQQQIIII", room, 0, 0, 0, 0, 7, block // 16 - 1, 48 + room * block, size - block)
        ctypes.memmove(at, head, 48)
        for i in range(room):
            place = at + 48 + i * block
            each = content(place)
            ctypes.memmove(place, each, len(each))

    def one_type(place):
        addresses.append(place)
        return like_float

    while len(addresses) < n:
        pool(512, one_type)
        at += size
    while addresses:
        pool(32, lambda place: struct.pack("<QQd", 1, addresses.pop() if addresses else id(float), 0.5))
        at += size


def forge_chunks(n):
    """Sizes of malloc's chunks that lead astray: beyond the heap, into the middle of others,
    nowhere. Their neighbours are kept."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    for i in range(n):
        before, middle, after = [libc.malloc(2000) for _ in range(3)]
        if middle - before == after - middle == 2016:
            poke(middle - 8, (HUGE & ~7 | 1, 0x21, 1, 2016 + 48 | 1)[i % 4])


def move():
    """A thread maps and unmaps forever."""

    def work():
        while True:
            maps = [mmap.mmap(-1, 1 << 20) for _ in range(20)]
            for each in maps:
                each.write(b"\\0" * 4096)
            made = [[i] for i in range(20000)]
            for each in maps:
                each.close()
            del made

    kept.append(threading.Thread(target=work, daemon=True))
    kept[-1].start()


SEGMENT = 32 << 20


def forge_segments(n, starts):
    """n copies of a segment's header, each with some arbitrary words, and with slices that are in
    memory. starts: where in this process segments may begin."""
    header = ctypes.string_at([start for start in starts if peek(start + 32) == SEGMENT][0], 1 << 16)
    kept.append(mmap.mmap(-1, (n + 1) * SEGMENT, mmap.MAP_ANONYMOUS | mmap.MAP_PRIVATE))
    begin = ctypes.addressof(ctypes.c_char.from_buffer(kept[-1]))
    begin = -(-begin // SEGMENT) * SEGMENT
    number = 1
    for i in range(n):
        address = begin + i * SEGMENT
        ctypes.memmove(address, header, len(header))
        for _ in range(i * 40):
            number = (number * 6364136223846793005 + 1442695040888963407) % (1 << 64)
            # entries of the first hundred slices; now and then the segment's own facts
            place = 264 + (number >> 40) % 9600 if number >> 33 & 31 else 200 + (number >> 40) % 64
            ctypes.memmove(address + place, number.to_bytes(8, "little"), 1 + (number >> 35) % 4)
        for page in range(1 << 16, 1 << 21, 4096):
            poke(address + page + 8 * (page // 4096 % 100), address + page)


def leave():
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    serve.serve({f.__name__: f for f in (forge, forge_types, forge_pools, forge_chunks, forge_segments, move, leave)})
