# SPDX-License-Identifier: BSD-2-Clause
"""What the C functions are for that the types and modules of this interpreter point to, for
test_unnamed.c: a link-time address in hex, then each name that it has here, after a tab.

It is for a 64-bit interpreter that is loaded where it was linked (Debian's), of 3.8 to 3.11.
"""
import collections
import ctypes
import sys
import types
import warnings

WORD = 8
# PyTypeObject behind ob_size, and the tables that it points to; None: no function
TYPE = """name - - dealloc - getattr setattr as_async repr as_number as_sequence as_mapping hash
call str getattro setattro as_buffer - - traverse clear richcompare - iter iternext - - - - -
descr_get descr_set - init alloc new free is_gc - - - - - del - finalize vectorcall""".split()
TABLES = {
    "as_async": "am_await am_aiter am_anext am_send",
    "as_number": """nb_add nb_subtract nb_multiply nb_remainder nb_divmod nb_power nb_negative
nb_positive nb_absolute nb_bool nb_invert nb_lshift nb_rshift nb_and nb_xor nb_or nb_int -
nb_float nb_inplace_add nb_inplace_subtract nb_inplace_multiply nb_inplace_remainder
nb_inplace_power nb_inplace_lshift nb_inplace_rshift nb_inplace_and nb_inplace_xor nb_inplace_or
nb_floor_divide nb_true_divide nb_inplace_floor_divide nb_inplace_true_divide nb_index
nb_matrix_multiply nb_inplace_matrix_multiply""",
    "as_sequence": """sq_length sq_concat sq_repeat sq_item - sq_ass_item - sq_contains
sq_inplace_concat sq_inplace_repeat""",
    "as_mapping": "mp_length mp_subscript mp_ass_subscript",
    "as_buffer": "bf_getbuffer bf_releasebuffer",
}
HEAD = 3 * WORD  # of a type: before tp_name
DESCR_METHOD = 5 * WORD  # d_method of PyMethodDescrObject, d_getset of PyGetSetDescrObject

known = collections.defaultdict(set)


def word(address):
    return ctypes.c_uint64.from_address(address).value


def add(address, name):
    if address:
        known[address].add(name)


def add_type(cls):
    at = id(cls) + HEAD
    name = ctypes.string_at(word(at)).decode()
    for i, field in enumerate(TYPE):
        value = word(at + i * WORD)
        if field in TABLES:
            for k, inner in enumerate(TABLES[field].split()):
                if value and inner != "-":
                    add(word(value + k * WORD), "%s.%s" % (name, inner))
        elif field not in ("-", "name"):
            add(value, "%s.tp_%s" % (name, field))
    for key, member in vars(cls).items():
        if isinstance(member, classmethod | staticmethod):
            member = member.__func__
        if isinstance(member, types.MethodDescriptorType | types.ClassMethodDescriptorType):
            add(word(word(id(member) + DESCR_METHOD) + WORD), "%s.%s" % (name, key))
        elif isinstance(member, types.GetSetDescriptorType):
            getset = word(id(member) + DESCR_METHOD)
            add(word(getset + WORD), "%s.%s.get" % (name, key))
            add(word(getset + 2 * WORD), "%s.%s.set" % (name, key))
        elif isinstance(member, types.BuiltinFunctionType):
            add_function(member, name)


def add_function(function, owner):
    definition = word(id(function) + 2 * WORD)  # m_ml
    add(word(definition + WORD), "%s.%s" % (owner, ctypes.string_at(word(definition)).decode()))


def all_types(cls, seen):
    if cls in seen:
        return
    seen.add(cls)
    for below in type.__subclasses__(cls):
        all_types(below, seen)


warnings.simplefilter("ignore")
for module in sys.builtin_module_names:
    if module.startswith("xx") or module == "faulthandler":
        continue
    made = __import__(module)
    # the name in its PyModuleDef may be another: `io` is that of _io
    names = {module, ctypes.string_at(word(word(id(made) + 3 * WORD) + 5 * WORD)).decode()}
    for value in list(vars(made).values()):
        if isinstance(value, types.BuiltinFunctionType):
            for name in names:
                add_function(value, name)
seen = set()
all_types(object, seen)
for cls in seen:
    if not cls.__flags__ & 1 << 9 or cls.__module__ in sys.builtin_module_names:
        add_type(cls)
for address in sorted(known):
    print("%x" % address, *sorted(known[address]), sep="\t")
