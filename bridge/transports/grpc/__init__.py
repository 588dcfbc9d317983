"""gRPC: the transport of the BEAM's clients and of the command line."""

import os

# gRPC's own handlers of fork() start its threads again in the child, where some of them crash (one in ten of the
# children of a busy server on uvloop, which forks where asyncio has vfork). Every child of ours calls exec, which needs
# no handlers. gRPC reads this when it is loaded.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"
