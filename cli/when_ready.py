"""Become a command as soon as the servers that it needs answer: supervisord starts all services at once.

    python -m cli.when_ready URL [URL …] -- COMMAND [ARGUMENT …]

A scheduler that starts tasks while the api-server is still starting burns all their tries within seconds.
"""

from __future__ import annotations

import os
import sys
import time

import httpx

LOOK_EVERY_S = 0.2


def answers(url: str) -> bool:
    """Whether the server at `url` can serve: any answer below 500."""
    try:
        return httpx.get(url, timeout=2).status_code < 500
    except httpx.HTTPError:
        return False


def main() -> None:
    """Wait, however long it takes: who started the stack is told when it takes too long."""
    separator = sys.argv.index("--")
    urls, command = sys.argv[1:separator], sys.argv[separator + 1 :]
    while not all(answers(url) for url in urls):
        time.sleep(LOOK_EVERY_S)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
