"""Whether this container's component of Airflow is alive: `python healthy.py SchedulerJob|DagProcessorJob|TriggererJob`.

Asks the database for the latest heartbeat of this host. `airflow jobs check` does the same, for six seconds of processor time.
"""

from __future__ import annotations

import os
import socket
import sys

import psycopg2

YOUNG_S = 45
HEARTBEAT = """
select count(*) from job where job_type = %s and hostname = %s and state = 'running'
and latest_heartbeat > now() - make_interval(secs => %s)
"""


def is_alive(job_type: str) -> bool:
    url = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("postgresql+psycopg2:", "postgresql:")
    with psycopg2.connect(url, connect_timeout=5) as connection, connection.cursor() as cursor:
        cursor.execute(HEARTBEAT, (job_type, socket.gethostname(), YOUNG_S))
        found = cursor.fetchone()
    return found is not None and found[0] > 0


if __name__ == "__main__":
    sys.exit(0 if is_alive(sys.argv[1]) else 1)
