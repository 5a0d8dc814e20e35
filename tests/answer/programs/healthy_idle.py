# SPDX-License-Identifier: BSD-2-Clause
"""It waits for requests, and few come."""
import json

import service


def main():
    for n in service.turns(0.5):
        json.loads(json.dumps({"turn": n, "rows": list(range(100))}))


if __name__ == "__main__":
    main()
