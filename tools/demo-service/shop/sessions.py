# SPDX-License-Identifier: BSD-2-Clause
"""Who is shopping. The first leak: sessions are added and never taken away."""
import time

SESSIONS = {}


class Session(object):
    def __init__(self, visitor):
        self.visitor = visitor
        self.started = time.time()
        self.seen = []
        self.offers = ["article %d, for you only, %s" % (n, visitor) for n in range(20)]


def remember(visitor):
    """The visitor's session. A new visitor gets one; nobody's ever ends."""
    session = SESSIONS.get(visitor)
    if session is None:
        session = SESSIONS[visitor] = Session(visitor)
    return session


def note_page(session, path):
    session.seen.append({"path": path, "at": int(time.time())})
