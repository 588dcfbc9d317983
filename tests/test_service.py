"""`cerebros-bridge up` as its users meet it: one process tree, gRPC, GraphQL, metrics, and a clean end."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path

import grpc
import httpx
import psutil
import psycopg
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from bridge.store.embedded import embedded_postgres
from cerebros.gate import SEVERITY
from tests.conftest import EXAMPLES, SMALL

PACKAGE = "cerebros.v1."


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Client:
    """A gRPC client that knows nothing but what the server's reflection tells it."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(address)
        self.stub = reflection_pb2_grpc.ServerReflectionStub(self.channel)
        self.pool, self._known = DescriptorPool(), set[str]()
        self.methods = {}
        for name in sorted(name for name in self.services() if name.startswith(PACKAGE)):
            self._add(self._files(reflection_pb2.ServerReflectionRequest(file_containing_symbol=name)))
            self.methods |= {method.name: method for method in self.pool.FindServiceByName(name).methods}

    def _ask(self, request):
        return next(iter(self.stub.ServerReflectionInfo(iter([request]))))

    def services(self) -> set[str]:
        answer = self._ask(reflection_pb2.ServerReflectionRequest(list_services=""))
        return {service.name for service in answer.list_services_response.service}

    def _files(self, request) -> list[FileDescriptorProto]:
        blobs = self._ask(request).file_descriptor_response.file_descriptor_proto
        return [FileDescriptorProto.FromString(blob) for blob in blobs]

    def _add(self, files: list[FileDescriptorProto]) -> None:
        for file in files:
            if file.name not in self._known:
                self._known.add(file.name)
                for name in file.dependency:
                    self._add(self._files(reflection_pb2.ServerReflectionRequest(file_by_filename=name)))
                self.pool.Add(file)

    def _message(self, method: str, fields: dict):
        described = self.methods[method]
        request = ParseDict(fields, GetMessageClass(described.input_type)())
        path = f"/{described.containing_service.full_name}/{method}"
        return path, request, GetMessageClass(described.output_type)

    def call(self, method: str, **fields) -> dict:
        path, request, reply = self._message(method, fields)
        multi = self.channel.unary_unary(path, type(request).SerializeToString, reply.FromString)
        return MessageToDict(multi(request, timeout=60), preserving_proto_field_name=True)

    def stream(self, method: str, **fields):
        path, request, reply = self._message(method, fields)
        call = self.channel.unary_stream(path, type(request).SerializeToString, reply.FromString)
        for message in call(request, timeout=120):
            yield MessageToDict(message, preserving_proto_field_name=True)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A whole service in a home of its own, with its own embedded database and worker."""
    with served(tmp_path_factory.mktemp("service")) as parts:
        yield parts


def log_of(process) -> list[dict]:
    """What a service wrote to its log: one line in words, then JSON objects."""
    home = Path(psutil.Process(process.pid).environ()["CEREBROS_HOME"])
    words, *lines = (home / "log").read_text().splitlines()
    assert words.startswith("cerebros-bridge serves ")
    return [json.loads(line) for line in lines]


@contextmanager
def served(home):
    grpc_port, http_port = free_port(), free_port()
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"} | {
        "CEREBROS_HOME": str(home),
        "CEREBROS_GRPC_ADDRESS": f"127.0.0.1:{grpc_port}",
        "CEREBROS_HTTP_ADDRESS": f"127.0.0.1:{http_port}",
    }
    with (home / "log").open("wb") as log:
        command = [sys.executable, "-m", "bridge", "up"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    http = httpx.Client(base_url=f"http://127.0.0.1:{http_port}", timeout=30)
    try:
        wait_until_ready(process, http, home / "log")
        yield process, Client(f"127.0.0.1:{grpc_port}"), http
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def wait_until_ready(process, http, log) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end and process.poll() is None:
        try:
            if http.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"the service did not become ready:\n{log.read_text()}")


def spec(budget: dict) -> dict:
    return {"cycle": {"manifest": str(EXAMPLES / "digits.toml"), "budget": budget}}


@pytest.fixture(scope="module")
def promoted(service):
    _, client, _ = service
    client.call("StartRun", run_id="served", pac_id="served-pac", spec=spec(SMALL))
    return list(client.stream("WatchRun", run_id="served"))


def test_reflection_lists_the_service(service):
    assert {f"{PACKAGE}Runs", f"{PACKAGE}Studies", "grpc.health.v1.Health"} <= service[1].services()


def test_a_client_starts_a_run_and_watches_it_to_its_end(service, promoted):
    run = service[1].call("GetRun", run_id="served")
    assert run["state"] == "succeeded"
    assert [int(event["seq"]) for event in promoted] == list(range(1, int(run["last_seq"]) + 1))
    assert promoted[-1]["name"] == "cerebros.run.stop"
    assert promoted[-1]["measurements"]["accuracy"] == pytest.approx(run["metrics"]["accuracy"])


def test_a_client_cancels_another_run(service):
    _, client, _ = service
    endless = {**SMALL, "trials": 500, "epochs": 500}
    client.call("StartRun", run_id="endless", pac_id="served-pac", spec=spec(endless))
    client.call("CancelRun", run_id="endless", reason="seen enough")
    events = list(client.stream("WatchRun", run_id="endless"))
    assert events[-1]["metadata"]["state"] == "cancelled"
    assert client.call("GetRun", run_id="endless")["error"]["code"] == "CANCELLED"


def graphql(http: httpx.Client, query: str, **variables) -> dict:
    return http.post("/graphql", json={"query": query, "variables": variables}).json()


def test_graphql_returns_the_capability_vector(service, promoted):
    _, client, http = service
    fields = "version accuracy latencyS costUsd energyJ capability"
    query = f"query($pac: String!) {{ capabilityVector(pacId: $pac) {{ {fields} }} }}"
    entry = graphql(http, query, pac="served-pac")["data"]["capabilityVector"]
    run = client.call("GetRun", run_id="served")
    assert entry["version"] == 1
    assert entry["accuracy"] == pytest.approx(run["metrics"]["accuracy"])
    assert len(entry["capability"]) == 384


def test_graphql_lists_versions_and_runs(service, promoted):
    query = """{
      vcvEntries(pacId: "served-pac") { runId }
      runs(pacId: "served-pac", state: succeeded) { runId }
      run(runId: "served") { trialsOk }
    }"""
    data = graphql(service[2], query)["data"]
    assert data["vcvEntries"] == data["runs"] == [{"runId": "served"}]
    assert data["run"]["trialsOk"] == SMALL["trials"]


def test_a_graphql_syntax_error_is_answered_as_one(service):
    answer = graphql(service[2], "{ runs( }")
    assert "Syntax Error" in answer["errors"][0]["message"]
    assert service[0].poll() is None


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed: make test installs it")
def test_the_metrics_page_satisfies_promtool_and_counts_what_happened(service, promoted):
    page = service[2].get("/metrics")
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    done = subprocess.run(["promtool", "check", "metrics"], input=page.text, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'cerebros_runs{kind="cycle",state="succeeded"} 1.0' in page.text
    runs = service[1].call("ListRuns")["runs"]
    trials = [trial for run in runs for trial in service[1].call("ListTrials", run_id=run["run_id"]).get("trials", ())]
    assert f'cerebros_trials_total{{outcome="ok"}} {float(sum("metrics" in trial for trial in trials))}' in page.text
    for finding in service[1].call("CheckGate")["findings"]:
        assert f'cerebros_gate_status{{rule="{finding["rule"]}"}} {float(SEVERITY[finding["status"]])}' in page.text


def test_garbage_and_unknown_ids_do_not_end_the_service(service):
    process, client, http = service
    with pytest.raises(grpc.RpcError) as refused:
        client.call("GetRun", run_id="nobody")
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert http.get("/nowhere").status_code == 404
    with socket.create_connection((http.base_url.host, http.base_url.port)) as crooked:
        crooked.sendall(b"what is this\r\n\r\n")
        assert crooked.recv(100).startswith(b"HTTP/1.1 400")
    end = time.monotonic() + 10
    while "Invalid HTTP request received." not in [line["event"] for line in log_of(process) if "logger" in line]:
        assert time.monotonic() < end, "the log has no line of it"
        time.sleep(0.05)
    assert process.poll() is None


def test_sigterm_ends_the_whole_process_tree_with_status_0(service, promoted):
    process, client, _ = service
    client.channel.close()
    family = psutil.Process(process.pid).children(recursive=True)
    assert any("postgres" in " ".join(member.cmdline()) for member in family)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    psutil.wait_procs(family, timeout=5)
    assert [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE] == []


def test_ctrl_c_gives_the_run_back(tmp_path):
    with served(tmp_path) as (process, client, _):
        client.call("StartRun", run_id="held", pac_id="held-pac", spec=spec(SMALL | {"trials": 1000}))
        next(event for event in client.stream("WatchRun", run_id="held") if event["name"] == "cerebros.trial.stop")
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        assert process.wait(timeout=30) == 0
    with embedded_postgres(tmp_path) as url, psycopg.connect(url) as connection:
        found = connection.execute("SELECT state, lost_workers FROM cerebros.runs WHERE run_id = 'held'").fetchone()
    assert found == ("queued", 0)


def test_port_0_is_any_free_port_and_the_service_says_which(tmp_path):
    """Issue 11, kind 19: also on IPv6."""
    addresses = {"CEREBROS_GRPC_ADDRESS": "[::1]:0", "CEREBROS_HTTP_ADDRESS": "[::1]:0"}
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"} | addresses
    command = [sys.executable, "-m", "bridge", "up", "--no-worker"]
    environment["CEREBROS_HOME"] = str(tmp_path)
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            said = re.search(r"gRPC on (\[::1\]:\d+) and (http://\[::1\]:\d+)", process.stderr.readline())
            assert said
            assert httpx.get(f"{said[2]}/readyz", trust_env=False).status_code == 200
            assert Client(said[1]).call("Health")["status"] == "serving"
        finally:
            process.send_signal(signal.SIGTERM)
            process.stderr.read()
    assert process.returncode == 0
