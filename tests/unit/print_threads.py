# SPDX-License-Identifier: BSD-2-Clause
# What an interpreter says about itself and its threads; the tests find the same from outside. One
# thread waits for a lock; one runs forever and so keeps the GIL while the main thread waits.
import sys
import threading

running = []
ended = []
lock = threading.Lock()


def wait():
    running.append(("waits", threading.get_ident()))
    lock.acquire()


def spin():
    running.append(("spins", threading.get_ident()))
    while not ended:
        pass


lock.acquire()
threads = [threading.Thread(target=function) for function in (wait, spin)]
for thread in threads:
    thread.start()
while len(running) < len(threads):
    pass
gil = getattr(sys, "_is_gil_enabled", lambda: True)()
print("runtime %x %x %x %d %d" % (id(type), id(type(spin.__code__)), id(None), sys.version_info[1], not gil))
print("version", sys.version.split()[0])
print("hexversion %x" % sys.hexversion)
print("main %d" % threading.get_ident())
for name, ident in running:
    print("%s %d" % (name, ident))
print("ready")
sys.stdout.flush()
sys.stdin.read()
ended.append(True)
lock.release()
for thread in threads:
    thread.join()
