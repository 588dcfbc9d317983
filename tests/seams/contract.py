"""The gRPC contract with the counting room's `.proto` in it, compiled as `make proto` would."""

from __future__ import annotations

import shutil
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_tools import protoc

from bridge.transports.grpc.codec import Rpc, rpcs_of

PROTO = Path(__file__).parents[2] / "proto"

COUNTING = """
syntax = "proto3";
package cerebros.v1;
message CountingSpec { int64 number = 1; optional double pause_s = 2; }
message CountDownRequest { int64 number = 1; }
message Number { int64 number = 1; string principal = 2; optional string correlation_id = 3; }
message AttachCountDownRequest { CountDownRequest request = 1; int64 credit = 2; }
service Counting {
  rpc CountDown(CountDownRequest) returns (stream Number);
  rpc AttachCountDown(stream AttachCountDownRequest) returns (stream Number);
}
"""


def contract_with_counting(folder: Path) -> list[Rpc]:
    """The shipped contract, one more case of a run's spec, and one more service."""
    shutil.copytree(PROTO, folder / "proto")
    area = folder / "proto/cerebros/v1"
    (area / "counting.proto").write_text(COUNTING)
    runs = (area / "runs.proto").read_text()
    runs = runs.replace("oneof kind {", "oneof kind {\n    CountingSpec counting = 100;", 1)
    runs = runs.replace('import "', 'import "cerebros/v1/counting.proto";\nimport "', 1)
    (area / "runs.proto").write_text(runs)
    files = [f"cerebros/v1/{file.name}" for file in sorted(area.glob("*.proto"))]
    built = folder / "contract.binpb"
    include = Path(protoc.__file__).parent / "_proto"
    arguments = [f"-I{folder / 'proto'}", f"-I{include}", "--include_imports", f"--descriptor_set_out={built}"]
    assert protoc.main(["protoc", *arguments, *files]) == 0
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(built.read_bytes()).file:
        pool.Add(file)
    found = [pool.FindFileByName(file) for file in files]
    return rpcs_of(service for file in found for service in file.services_by_name.values())
