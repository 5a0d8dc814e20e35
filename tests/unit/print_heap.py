# SPDX-License-Identifier: BSD-2-Clause
# An interpreter says which objects its collector tracks, and where some others are; the test finds
# the same from outside. Nothing happens between the two.
import gc
import io
import os
import sys


def main():
    gc.collect()
    gc.disable()
    if hasattr(gc, "unfreeze"):
        gc.unfreeze() # 3.12 freezes what is immortal, which gc.get_objects() leaves out then
    wait = io.FileIO(0, closefd=False).read # called without arguments: with some there is a tuple more
    flo = [i + 0.5 for i in range(3000)]
    raw = [b"%d" % i * size for i in range(100, 200) for size in (1, 3, 50, 170, 400, 50000)]
    txt = ["%d" % i * size for i in range(100, 200) for size in (1, 30, 300)]
    num = [(1 << 90) + i for i in range(500)]
    dead = [bytes(i * 7) for i in range(3000)] + [i + 0.25 for i in range(3000)]
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    say = ["runtime %x %x %x %d %d" % (id(type), id(type(main.__code__)), id(None), sys.version_info[1], not gil)]
    for letter, objects in (("f", flo), ("b", raw), ("s", txt), ("i", num)):
        say.append("\n".join(["%s %x" % (letter, id(one)) for one in objects]))
    gone = "\n".join(["x %x" % id(one) for one in dead])
    del dead, objects, letter
    say.append(gone)
    os.write(1, ("\n".join(say) + "\n").encode())
    tracked = gc.get_objects()
    os.write(1, ("\n".join(["t %x" % id(one) for one in tracked]) + "\nt %x\nready\n" % id(tracked)).encode())
    wait()


main()
