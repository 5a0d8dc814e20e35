# SPDX-License-Identifier: BSD-2-Clause
"""Everything that was ever answered, in a local variable of main()."""
import service


class Reply:
    def __init__(self, answer):
        self.title = answer["title"]
        self.words = answer["words"]


def main():
    replies = []
    for n in service.turns():
        replies.append(Reply(service.work(n)))  # leaks here
        if not service.LEAKS:
            del replies[:-50]


if __name__ == "__main__":
    main()
