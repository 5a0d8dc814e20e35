# SPDX-License-Identifier: BSD-2-Clause
"""One block each from unusual places; each place reports the stack that CPython itself sees
there."""
import ctypes
import functools
import sys
import threading

from serve import serve, where

kept = []
unit = b"x"
size = 7000


def plain():
    return unit * size, where()  # line: plain


def recursion(depth):
    if depth:
        return recursion(depth - 1)
    return unit * size, where()  # line: recursion


def generator():
    yield 1
    yield unit * size, where()  # line: generator


def from_generator():
    return list(generator())[1]


def generator_chain():
    def outer():
        yield from inner()

    def inner():
        yield unit * size, where()  # line: generator_chain

    return next(outer())


def generator_resumed_elsewhere():
    """Started in one place, resumed in another: the second one counts."""
    running = generator()
    next(running)
    return next(running)


def generator_expression():
    return list((unit * size, where()) for _ in (1,))[0]  # line: generator_expression


def comprehension():
    return [(unit * size, where()) for _ in (1,)][0]  # line: comprehension


def nested_comprehension():
    return [[(unit * size, where()) for _ in (1,)] for _ in (1,)][0][0]  # line: nested_comprehension


def class_body():
    class Body(object):
        here = unit * size, where()  # line: class_body

    return Body.here


class Sorter(object):
    def key(self, item):
        self.seen = unit * size, where()  # line: sorted_key
        return item

    def run(self):
        sorted([1], key=self.key)
        return self.seen


def sorted_key():
    return Sorter().run()


def mapped_lambda():
    return list(map(lambda _: (unit * size, where()), (1,)))[0]  # line: mapped_lambda


def partial_call():
    return functools.partial(plain_with, 1, end=2)()


def plain_with(start, end):
    return unit * size, where()  # line: partial_call


class Attribute(object):
    def __getattr__(self, name):
        return unit * size, where()  # line: getattr

    def __call__(self):
        return unit * size, where()  # line: callable


def getattr_hook():
    return Attribute().missing


def callable_object():
    return Attribute()()


class New(object):
    def __init__(self):
        self.here = unit * size, where()  # line: init


def constructor():
    return New().here


class Property(object):
    @property
    def value(self):
        return unit * size, where()  # line: property


def property_read():
    return Property().value


class Manager(object):
    def __enter__(self):
        return unit * size, where()  # line: enter

    def __exit__(self, *exc):
        pass


def with_block():
    with Manager() as here:
        return here


def exception_handler():
    try:
        raise KeyError(1)
    except KeyError:
        return unit * size, where()  # line: handler


def finally_block():
    try:
        return None
    finally:
        kept.append((unit * size, where()))  # line: finally


def coroutine():
    async def inner():
        return unit * size, where()  # line: coroutine

    async def outer():
        return await inner()

    try:
        outer().send(None)
    except StopIteration as stop:
        return stop.value


def decorator(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@decorator
def decorated():
    return unit * size, where()  # line: decorated


def c_and_back():
    """Python, C, Python."""
    blocks = ctypes.CDLL(__file__.rsplit("/", 1)[0] + "/blocks.so")
    seen = []

    @ctypes.CFUNCTYPE(None)
    def function():
        seen.append((unit * size, where()))  # line: c_and_back

    blocks.call_back(function)
    return seen[0]


class Deep(object):
    class Inner(object):
        def method(self):
            def closure():
                return unit * size, where()  # line: qualified

            return closure()


def qualified():
    return Deep.Inner().method()


def multi_line_call():
    return max(
        (0,),
        (
            1, unit * size, where()),  # line: multi_line
    )[1:]


def far_line():
    """Line numbers that need more than one step in every line table."""
    source = "def far():\n" + "\n" * 3000 + "\treturn unit * size, where()\n"
    names = {"unit": unit, "size": size, "where": where}
    exec(compile(source, "/srv/far.py", "exec"), names)
    return names["far"]()


def lines_backwards():
    """A line table with steps back: the call in progress is far above the end of its statement."""
    source = "def back(): return max(\n" + "\n" * 400 + "\t(0,), (1,) + \\\n" + "plain(\n" + "\n" * 200 + \
        "\t)\n" + "\n" * 300 + ")[1:]\n"
    names = {"plain": plain}
    exec(compile(source, "/srv/back.py", "exec"), names)
    return names["back"]()


def odd_names():
    """Names outside ASCII in each of CPython's string widths, and characters that upset a terminal
    or a report."""
    answers = []
    for file in ("/srv/caf\xe9.py", "/srv/\u65e5\u672c.py", "/srv/\U0001f40d.py", "/srv/a;b c\t\x1b[31m<&>\".py",
                 "/srv/" + "long" * 200 + ".py"):
        for name in ("plain", "gr\xf6\xdfe", "\u540d\u524d", "\U0001d518nicode"):
            names = {"unit": unit, "size": size, "where": where}
            code = compile("def %s(): return unit * size, where()\nhere = %s()" % (name, name), file, "exec")
            kept.append((code, names))
            exec(code, names)
            answers.append(names["here"])
    return answers


def code_that_dies(n, generation):
    """Functions that are made, called once, and freed at once: their code objects' memory is
    reused."""
    answers = []
    for number in range(n):
        names = {"unit": unit, "size": size, "where": where}
        exec("def made_%d_%d():\n%s\treturn unit * size, where()\n" % (generation, number, "\n" * number), names)
        answers.append(names["made_%d_%d" % (generation, number)]())
    return answers


PLACES = [plain, from_generator, generator_chain, generator_resumed_elsewhere, generator_expression, comprehension,
          nested_comprehension, class_body, sorted_key, mapped_lambda, partial_call, getattr_hook, callable_object,
          constructor, property_read, with_block, exception_handler, coroutine, decorated, c_and_back,
          qualified, multi_line_call, far_line, lines_backwards]


def remember(answers):
    """Keep the blocks; return the stacks."""
    kept.extend(answers)
    return [answer[-1] for answer in answers]


def all_places():
    return dict((place.__name__, remember([place()])[0]) for place in PLACES)


def places_in_threads(n):
    """The same places in n threads at once, none of which is the thread where they ran first."""
    answers = [None] * n
    threads = [threading.Thread(target=lambda index=index: answers.__setitem__(index, all_places()))
               for index in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def finally_place():
    finally_block()
    return kept[-1][1]


def deep(depth):
    sys.setrecursionlimit(depth + 500)
    return remember([recursion(depth)])[0]


sys.setrecursionlimit(2000)
for place in PLACES * 2:
    place()
serve({"all_places": all_places, "places_in_threads": places_in_threads, "finally": finally_place, "deep": deep, "odd_names": lambda: remember(odd_names()),
       "code_that_dies": lambda n, generation: remember(code_that_dies(n, generation))})
