# SPDX-License-Identifier: BSD-2-Clause
"""Facts about objects of many kinds, for test_object.c (see python_child.h), all addresses and text
in hex:

    debug_offsets ADDRESS            where _PyRuntime begins
    str ADDRESS TEXT
    type ADDRESS NAME
    renamed ADDRESS                  a type __main__.Renamed, whose name the test changes in memory
    block ADDRESS SIZE NAME|- LABEL  an allocator's block and the type of the object in it; -: a
                                     buffer

Where a block begins and how large it is comes from the allocator itself: the header of its pymalloc
pool, or malloc_usable_size() with the object's documented overhead. In a free-threaded build it
comes from the header that PYTHONMALLOC=debug puts before a block; without that nothing is said of
blocks there.
"""
import ctypes
import gc
import itertools
import sys
import sysconfig
import warnings
import weakref

import array, ast, asyncio, collections, contextlib, datetime, decimal, enum, fractions, functools, io, operator
import os, pathlib, random, re, struct, threading, time, types, typing

MINOR = sys.version_info[1]
DEBUG = os.environ.get("PYTHONMALLOC") == "debug"
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
POOL = 4096 if MINOR < 10 else 16384
GC_HEAD = 0 if FREE_THREADED else 32 if MINOR < 8 else 16
keep = []
warnings.simplefilter("ignore")


def shown(text):
    """As py_str_read() gives it."""
    out = b""
    for n in map(ord, text):
        if 0xdc80 <= n <= 0xdcff:
            out += bytes([n - 0xdc00])
        elif n == 0 or 0xd800 <= n <= 0xdfff:
            out += "\ufffd".encode()
        else:
            out += chr(n).encode()
    return out.hex() or "-"


def name_of(cls):
    module = cls.__module__
    return shown(cls.__qualname__ if module in ("builtins", None) else module + "." + cls.__qualname__)


def word(address):
    return ctypes.c_uint64.from_address(address).value


def peek(address):
    """The u32s from here on, None where they cannot be read; asks the kernel, which does not
    crash."""
    buffer = (ctypes.c_uint32 * 3)()
    local, remote = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), 12), (ctypes.c_uint64 * 2)(address, 12)
    got = libc.process_vm_readv(os.getpid(), local, ctypes.c_ulong(1), remote, ctypes.c_ulong(1), ctypes.c_ulong(0))
    return list(buffer) if got == 12 else None


def pool_block(address):
    """(begin, size) of the pymalloc block that holds the address, None where there is none."""
    pool = address & ~(POOL - 1)
    header = peek(pool + 36) # szidx, nextoffset, maxnextoffset
    if not header:
        return None
    size_class, size = header[0], POOL - header[2]
    if size_class > 31 or size != (size_class + 1) * 16 or address < pool + 48:
        return None
    index = (address - pool - 48) // size
    return pool + 48 + index * size, size


def debug_block(address, overhead):
    """The same by the header of the debug allocator: the size that was asked for, of 24 bytes more
    (3 words)."""
    begin = address - overhead
    header = ctypes.string_at(begin, 16)
    assert header[9:] == b"\xfd" * 7
    return begin, int.from_bytes(header[:8], "big") + 24


def print_block(address, overhead, name, label):
    """overhead: bytes before the address in its block where that is one of malloc."""
    if FREE_THREADED and not DEBUG:
        return
    block = debug_block(address, overhead) if FREE_THREADED else pool_block(address)
    if not block:
        block = address - overhead, libc.malloc_usable_size(ctypes.c_void_p(address - overhead))
    print("block %x %x %s %s" % (block[0], block[1], name, label))


def print_object(thing, label):
    cls = type(thing)
    overhead = GC_HEAD if cls.__flags__ & 1 << 14 else 0
    if MINOR >= 11 and cls.__flags__ & 0x18:
        overhead += 16
    print_block(id(thing), overhead + 16 * DEBUG, name_of(cls), label.replace(" ", "_"))


class Plain:
    def __init__(self):
        self.a, self.b = 1, "two"

    def method(self):
        return self

    class Inner:
        class Innermost(dict):
            pass


class Slots:
    __slots__ = ("a", "b")


class EmptySlots:
    __slots__ = ()


class WeakSlots:
    __slots__ = ("a", "__weakref__")


class DictSlots(Slots):
    pass


class Meta(type):
    pass


class WithMeta(metaclass=Meta):
    pass


class Color(enum.Enum):
    RED = 1


for base in (list, dict, str, int, float, tuple, set, bytes, bytearray, Exception, object, frozenset):
    globals()["My" + base.__name__.title()] = type("My" + base.__name__.title(), (base,), {})
    globals()["Thin" + base.__name__.title()] = type("Thin" + base.__name__.title(), (base,), {"__slots__": ()})
unicode_name = type("na\u00efve_\u6f22", (), {})
nowhere = type("nowhere", (), {"__module__": None})
big_class = type("big_class", (), {"f%d" % i: i for i in range(5000)})
late_module = type("late_module", (), dict([("f%d" % i, i) for i in range(300)] + [("__module__", "some.where")]))
hash_class = type("long_" * 100, (), {"__module__": "pack." * 40 + "end"})
Point = collections.namedtuple("Point", "x y")


def generator():
    yield generator


async def coroutine():
    pass


async def async_generator():
    yield 1


def closure(cell):
    def inner():
        return cell
    return inner


def frame():
    return sys._getframe()


def traceback():
    try:
        raise KeyError("key")
    except KeyError as error:
        return error


def objects():
    """(label, object): each is made again, so that it has a block of its own."""
    tmp = Plain()
    withdict, weak = Plain(), Plain()
    vars(withdict)["c"] = 3
    weak.ref = weakref.ref(weak)
    ws = WeakSlots()
    error = traceback()
    coro = coroutine()
    keep.extend([coro, weakref.ref(ws)])
    yield from {
        "int": 10 ** 9, "long": 3 ** 500, "negative": -3 ** 99, "float": float("1.5e300"), "complex": complex(1, time.time()),
        "bytes": b"%d" % 123456, "bytes long": bytes(300), "bytes huge": bytes(range(256)) * 10, "bytearray": bytearray(10),
        "ascii": "x%d" % 12345, "latin": "\xe9%d" % 12345, "ucs2": "\u6f22%d" % 12345, "ucs4": "\U0001d4d0%d" % 12345,
        "long str": "y%d" % 1 * 200, "huge str": "z%d" % 1 * 9000,
        "list": [tmp], "empty list": [], "list of 9": [tmp] * 9, "tuple": (tmp,), "tuple 20": (tmp,) * 20 + (id(tmp),),
        "tuple 100": (tmp,) * 100 + (id(tmp),), "dict": {"a": tmp}, "empty dict": {}, "dict of atoms": {1: 2},
        "big dict": {i: i for i in range(1000)}, "set": {1, 2}, "big set": set(range(1000)), "frozenset": frozenset([tmp, 3]),
        "function": closure(tmp), "lambda": lambda: tmp, "cell": closure(tmp).__closure__[0], "bound": tmp.method,
        "builtin bound": [tmp].append, "wrapper": tmp.__str__, "generator": generator(), "genexpr": (x for x in [tmp]),
        "coroutine": coro, "awaiter": coro.__await__(), "asyncgen": async_generator(), "exception": error, "tb": error.__traceback__,
        "OSError": OSError(2, "x"), "frame": frame(), "code": compile("a=1", "x", "exec"), "module": types.ModuleType("m"),
        "plain": Plain(), "plain with dict": withdict, "its dict": vars(withdict), "plain with weakref": weak, "weakref": weak.ref,
        "empty plain": object.__new__(Plain), "slots": Slots(), "empty slots": EmptySlots(), "weak slots": ws, "dict slots": DictSlots(),
        "object": object(), "inner": Plain.Inner(), "innermost": Plain.Inner.Innermost(), "with meta": WithMeta(), "a class": type("C", (), {}),
        "its class": Meta("D", (), {}), "OrderedDict": collections.OrderedDict(a=tmp), "defaultdict": collections.defaultdict(list, a=tmp),
        "deque": collections.deque([tmp]), "Counter": collections.Counter("aab"), "namedtuple": Point(tmp, tmp), "ChainMap": collections.ChainMap(),
        "slice": slice(tmp, 10 ** 9), "range": range(10 ** 9), "memoryview": memoryview(b"%d" % 9), "property": property(len), "static": staticmethod(len),
        "super": super(Plain, tmp), "mappingproxy": vars(Plain), "namespace": types.SimpleNamespace(a=1), "partial": functools.partial(len, tmp),
        "itemgetter": operator.itemgetter(3), "count": itertools.count(10 ** 9), "chain": itertools.chain([tmp]), "enumerate": enumerate([tmp]),
        "zip": zip([tmp]), "map": map(len, [tmp]), "list iterator": iter([tmp]), "dict items": {1: tmp}.items(), "dict iterator": iter({1: tmp}),
        "datetime": datetime.datetime(2026, 1, 2), "timedelta": datetime.timedelta(99, 7), "Decimal": decimal.Decimal("1.25"), "Fraction": fractions.Fraction(1, 3),
        "Path": pathlib.PurePosixPath("/x/y"), "Random": random.Random(3), "Lock": threading.Lock(), "RLock": threading.RLock(), "BytesIO": io.BytesIO(b"x"),
        "StringIO": io.StringIO("x"), "Struct": struct.Struct("<I"), "node": ast.Name(id="x"), "Match": re.compile("a+%d" % 5).match("a5") or re.match("a", "a"),
        "Pattern": re.compile("uncached%d" % os.getpid()), "stat": os.stat("/"), "struct_time": time.gmtime(), "array": array.array("Q", [1, 2]),
        "member": Color.RED, "ExitStack": contextlib.ExitStack(), "alias": typing.List[int], "Event": threading.Event(), "local": threading.local(),
    }.items()
    for base in (list, dict, str, int, float, tuple, set, bytes, bytearray, Exception, object, frozenset):
        for kind in ("My", "Thin"):
            cls = globals()[kind + base.__name__.title()]
            content = {str: "text", int: 2 ** 70, float: 2.5, tuple: (1, 2, 3), list: [1, 2], bytes: b"12"}.get(base)
            thing = cls() if content is None else cls(content)
            if kind == "My":
                thing.attribute = tmp
            yield kind + base.__name__, thing


def buffers():
    """(label, address in the buffer): what lies there are addresses of types and of other
    objects."""
    offset = 16 if FREE_THREADED else 0 # of what is behind the head of an object
    things = [None, int, str, type, dict, Plain, Meta, Slots, 5, "a", (), 10 ** 12, True, len]
    items = [list(some) for some in itertools.product(things, repeat=3)]
    items += [list(some) * 5 for some in itertools.product(things, repeat=2)]
    items += [[thing] * n for thing in things for n in (4, 6, 8, 10, 20, 60, 64, 100, 200)]
    keep.append(items)
    for some in items:
        # a free-threaded list has the number of its items before them
        yield "list items", word(id(some) + 24 + offset) - (8 if FREE_THREADED else 0)
    for n in (1, 5, 6, 30, 100):
        for thing in things:
            keys = {(i if thing is None else (thing, i)): thing for i in range(n)}
            named = {"k%d" % i: thing for i in range(n)}
            keep.extend([keys, named])
            yield "dict keys", word(id(keys) + 32 + offset)
            yield "str dict keys", word(id(named) + 32 + offset)
            members = set([thing] + list(range(n))) if thing.__hash__ else set(range(n))
            keep.append(members)
            if n >= 30:
                yield "set table", word(id(members) + 40 + offset)
    for thing in things:
        if MINOR < 13: # from then on they lie in the object's own block
            plain = Plain()
            plain.a = plain.b = thing
            keep.append(plain)
            values = word(id(plain) - 32) if MINOR == 11 else word(id(plain) - 24) + 1 if MINOR == 12 else \
                word(word(id(plain) + type(plain).__dictoffset__) + 40)
            if values > 65536:
                yield "attribute values", values
    for n in (20, 60, 300):
        data = bytearray(b"%d" % n * n)
        keep.append(data)
        if MINOR < 15: # from then on they are a bytes object
            yield "bytearray data", word(id(data) + 32 + offset)


libc = ctypes.CDLL(None)
libc.malloc_usable_size.restype = ctypes.c_size_t
print("runtime %x %x %x %d %d" % (id(type), id(type(shown.__code__)), id(None), MINOR, FREE_THREADED))
if MINOR >= 13:
    print("debug_offsets %x" % ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime")))

strings = ["", "a", "ascii text", "\xe9t\xe9 \x80\xff", "\u6f22\u5b57 \uffff", "\U0001d4d0\U0010ffff \u6f22", "a\0b", "x" * 5000, "\xe9" * 5000,
           "\u6f22" * 5000, "\U0001d4d0" * 5000, "/x/\udc80\udcff.py", "\ud800 \udfff \udc7f", MyStr("derived \u6f22"), MyStr("ascii"),
           MyStr("\xe9" * 700), "".join(map(chr, range(1, 0x500)))]
if MINOR < 12: # a str whose characters are still wchar_t only
    make = ctypes.pythonapi.PyUnicode_FromUnicode
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_ssize_t]
    for text in ("not ready", "not ready \xe9\u6f22\U0001d4d0" * 100):
        old = make(None, len(text))
        data = word(id(old) + 40)
        ctypes.memmove(data, text.encode("utf-32-le"), 4 * len(text))
        keep.append(old)
        print("str %x %s" % (id(old), shown(text)))
for text in strings:
    print("str %x %s" % (id(text), shown(text)))

made = list(objects())
classes = {type(thing) for _, thing in made} | {cls for cls in list(globals().values()) if isinstance(cls, type)}
classes |= {thing for thing in gc.get_objects() if isinstance(thing, type) and isinstance(thing.__module__, str)}
for cls in classes:
    if not isinstance(vars(cls).get("__module__", ""), (str, type(None))):
        continue
    print("type %x %s" % (id(cls), name_of(cls)))


class Renamed:
    pass


print("renamed %x" % id(Renamed))
found = list(buffers())
for label, thing in made:
    print_object(thing, label)
for label, address in found:
    print_block(address, 16 * DEBUG, "-", label.replace(" ", "_"))
print("ready", flush=True)
sys.stdin.read()
