"""What the command line asks of Airflow, at a server that answers as told."""

import http.server
import json
import threading

import httpx
import pytest

from cli.airflow_api import AirflowApi
from cli.home import Stack


@pytest.fixture
def airflow():
    """A server that hangs up on so many questions, and its stack."""

    class Answer(http.server.BaseHTTPRequestHandler):
        hangs_up = 0

        def do_POST(self):
            self.answer(201, {"access_token": "t"})

        def do_GET(self):
            if Answer.hangs_up:
                Answer.hangs_up -= 1
                return self.close_connection
            return self.answer(200, {"is_paused": True})

        def answer(self, code, content):
            body = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Answer, Stack(ports={"airflow": server.server_port}, password="p")
        server.shutdown()
        thread.join()


def test_an_api_server_that_does_not_answer_at_once_is_asked_again(airflow):
    """A demo on a busy machine ended for one question of hundreds."""
    answer, stack = airflow
    api = AirflowApi(stack)
    answer.hangs_up = 2
    assert api.is_paused("labels__trees")
    assert answer.hangs_up == 0
    api.close()


def test_a_stack_that_does_not_run_is_said_at_once():
    with pytest.raises(httpx.ConnectError):
        AirflowApi(Stack(ports={"airflow": 1}, password="p")).is_paused("labels__trees")
