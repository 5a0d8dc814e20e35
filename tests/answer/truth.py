# SPDX-License-Identifier: BSD-2-Clause
"""What is true of each program: what the answer has to say of it.

The lines are in the programs: the stack of the right finding has one that ends with `# leaks here`
among the innermost NEAR frames of its own code.
"""
import collections
import os
import re

PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")
MARK = "# leaks here"
NEAR = 3

CAUSES = (
    "container",
    "reference",
    "cycle",
    "C memory",
    "pymalloc",
    "mapping",
    "thread",
    "interpreter",
)

Leak = collections.namedtuple("Leak", "causes says also states has_stack since")
Healthy = collections.namedtuple("Healthy", "states settles_s since needs")


def leak(causes, says, also="", states=("LEAK",), has_stack=True, since=(3, 6)):
    """A program that leaks.

    causes     of the right finding, any of these, with commas between
    says       what its sentence (which has the path) says, as a regular expression
    also       sentences of further findings that are right, too: other sides of the same leak
    states     right ones after a minute
    has_stack  a stack can be had
    """
    causes = tuple(causes.split(", "))
    assert set(causes) <= set(CAUSES), causes
    return Leak(causes, says, also, states, has_stack, since)


def healthy(states=("NO LEAK",), settles_s=0, since=(3, 6), needs=()):
    """A program without a leak, as every control is: there is never a finding.

    settles_s  so long after its start it still fills what it keeps, and GROWING is true
    needs      modules
    """
    return Healthy(states, settles_s, since, needs)


# objects that come with each thread
THREADS = r"threading\._|Thread|Timer|Condition|Event|lock|weakref"

LEAKS = {
    "dict_sessions": leak("container", r"__main__\.SESSIONS \(dict"),
    "deque_audit": leak("container", r"__main__\.AUDIT\.events \(deque|AUDIT.*deque"),
    "ordered_dict_lru": leak("container", r"__main__\.CACHE \(.*OrderedDict"),
    "defaultdict_hits": leak("container", r"__main__\.HITS \(.*defaultdict"),
    "set_seen": leak("container", r"__main__\.SEEN \(set"),
    "list_errors": leak("container", r"__main__\.ERRORS \(list"),
    "class_attribute": leak("container", r"__main__\.Timer\.samples \(list"),
    "thread_local": leak("container", r"LOCAL.*spans|spans.*\(list"),
    "lru_cache_unbounded": leak("container", r"__main__\.price"),
    "lru_cache_method": leak("container", r"__main__\.Report\.total"),
    "local_in_main": leak("container", r"`replies` of main\b"),
    "spread_histories": leak("container", r"__main__\.USERS\[\*\]\.history \(list, 3,000 of"),
    "spread_dicts": leak("container", r"__main__\.COUNTS\[\*\] \(dict, 200 of"),
    "spread_attributes": leak("container", r"__main__\.ACCOUNTS\[\*\]"),
    "linked_list": leak("container", r"__main__\.Pending\.head\b.*following"),
    "predecessor": leak("container", r"__main__\.STATE\.config\b.*previous"),
    "closure_set": leak("container", r"__main__\.KEEP\b.*opened"),
    "closure_chain": leak("container", r"__main__\.Routes\.index\b.*inner"),
    "weak_values": leak("container", r"__main__\.UNDO \(list", also=r"__main__\.OPEN\b"),
    "finalizers": leak("container", r"weakref\.finalize\._registry \(dict"),
    "queue_unread": leak("container", r"__main__\.EVENTS\.queue \(.*deque"),
    "listeners": leak("container", r"__main__\.SAVED\.listeners \(list"),
    "logging_handlers": leak(
        "container",
        r"(loggerDict\['jobs'\]|jobs.*|logging\..*)\.handlers \(list",
        also=r"logging\._handler",
    ),
    "warning_registry": leak("container", r"__main__\.__warningregistry__ \(dict"),
    "modules": leak("container", r"sys\.modules\b"),
    "atexit_callbacks": leak("container", r"atexit callbacks \("),
    "tracebacks": leak("container", r"__main__\.FAILED\b"),
    "exception_chain": leak("container", r"__main__\.Upstream\.last\b.*__c(ause|ontext)__"),
    "generators": leak("container", r"__main__\.STREAMS \(dict"),
    "asyncio_tasks": leak(
        "container", r"__main__\.WAITING \(set", also=r"asyncio\b.*(_tasks|state)\.data"
    ),
    "asyncio_futures": leak("container", r"__main__\.REPLIES \(dict"),
    "lost_references": leak("reference", r"keeps .*Message"),
    "lost_strings": leak("reference", r"keeps .*str\b"),
    "lost_dicts": leak("reference", r"keeps .*(dict|list|str)\b"),
    "cycles_collector_off": leak("cycle", r"\b(Order|Line)\b"),
    "cycles_with_del": leak("cycle", r"\b(Order|Line)\b"),
    "cycles_never_full": leak("cycle", r"\b(Order|Line)\b", states=("LEAK", "GROWING")),
    "cycles_frozen": leak("cycle", r"\b(Order|Line)\b", states=("LEAK", "GROWING"), since=(3, 7)),
    "cycles_saved": leak("container, cycle", r"gc\.garbage \(list"),
    "c_strdup": leak("C memory", r"strdup|C code"),
    "c_malloc": leak("C memory", r"malloc|C code"),
    "zlib_objects": leak(
        "C memory, container", r"CLIENTS|C code|alloc|deflate|inflate", also=r"CLIENTS|C code|alloc"
    ),
    "sqlite_connections": leak(
        "C memory, container", r"DATABASES|C code|alloc|sqlite", also=r"DATABASES|C code|alloc"
    ),
    "xml_parsers": leak(
        "C memory, container, pymalloc",
        r"PARSERS|C code|alloc|hold no object",
        also=r"PARSERS|C code|alloc|hold no object",
    ),
    "pymem_blocks": leak("pymalloc", r"hold no object|PyMem_Malloc"),
    "pyobject_blocks": leak("pymalloc", r"hold no object|PyObject_Malloc"),
    "mmap_kept": leak("mapping, container", r"mapping|BUFFERS", also=r"mapping|BUFFERS"),
    "mmap_lost": leak("mapping", r"mapping"),
    "threads_waiting": leak("thread", r"threads", also=THREADS),
    "timers": leak("thread", r"threads", also=THREADS),
    "executors": leak("thread", r"threads", also=THREADS + r"|POOLS|concurrent\.futures"),
    "subinterpreters": leak("interpreter", r"sub-interpreters do not end", since=(3, 8)),
    "plugin_interpreters": leak("interpreter", r"sub-interpreters do not end", since=(3, 8)),
}

HEALTHY = {
    "healthy_idle": healthy(),
    "healthy_steady": healthy(),
    "healthy_warm_up": healthy(settles_s=17),
    "healthy_lru_cache": healthy(settles_s=13),
    "healthy_deque_bounded": healthy(settles_s=15),
    "healthy_expiring_cache": healthy(settles_s=13),
    "healthy_filling": healthy(settles_s=400),
    "healthy_sawtooth": healthy(),
    "healthy_slow_sawtooth": healthy(),
    "healthy_fragmentation": healthy(states=("NO LEAK", "FRAGMENTATION")),
    "healthy_json_service": healthy(),
    "healthy_flask": healthy(needs=("flask",)),
    "healthy_jinja": healthy(needs=("jinja2",)),
    "healthy_sqlite": healthy(),
    "healthy_thread_pool": healthy(),
    "healthy_threads": healthy(),
    "healthy_asyncio_server": healthy(),
    "healthy_logging": healthy(),
}


def program(name):
    return os.path.join(PROGRAMS, name + ".py")


def marked_in(path, mark=MARK):
    """Numbers of the lines that leak."""
    with open(path, encoding="utf-8") as source:
        return [n for n, line in enumerate(source, 1) if line.rstrip().endswith(mark)]


def marked(name):
    return marked_in(program(name))


def is_right(truth, finding):
    """It names what leaks, with its cause."""
    return finding["cause"] in truth.causes and re.search(truth.says, finding["sentence"])


def is_allowed(truth, finding):
    return is_right(truth, finding) or (truth.also and re.search(truth.also, finding["sentence"]))


def has_line(name, finding):
    """Its stack goes through the line that leaks."""
    frames = [frame for frame in finding.get("frames", ()) if frame["kind"] == "python"]
    # from the program's own code outward: frames of libraries are below it
    while frames and frames[-1] != finding.get("where"):
        frames.pop()
    near = frames[-NEAR:]
    lines = marked(name)
    file = name + ".py"
    return any(os.path.basename(f.get("file", "")) == file and f.get("line") in lines for f in near)
