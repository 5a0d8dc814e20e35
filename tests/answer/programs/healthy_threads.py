# SPDX-License-Identifier: BSD-2-Clause
"""A thread for each request, that ends with it."""
import threading

import service


def main():
    for n in service.turns(60):
        thread = threading.Thread(target=service.work, args=(n,))
        thread.start()
        thread.join()


if __name__ == "__main__":
    main()
