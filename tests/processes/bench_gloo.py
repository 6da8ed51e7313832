#!/usr/bin/env python3
"""What an all-reduce by Gloo over loopback costs between processes: prints median and quartiles of 50, after 10.
    tests/processes/bench_gloo.py [build/release] [ranks] [bytes]      (ninja rank_worker first)"""
import os
import socket
import subprocess
import sys

build = sys.argv[1] if len(sys.argv) > 1 else "build/release"
ranks = int(sys.argv[2]) if len(sys.argv) > 2 else 2
size = sys.argv[3] if len(sys.argv) > 3 else str(4 << 20)

listener = socket.create_server(("127.0.0.1", 0))
os.set_inheritable(listener.fileno(), True)
workers = [
    subprocess.Popen(
        [f"{build}/rank_worker", str(rank), str(ranks), str(listener.getsockname()[1]), str(listener.fileno()), "bench", "60", "bench", size],
        pass_fds=[listener.fileno()] if rank == 0 else [],
        stdout=None if rank == 0 else subprocess.DEVNULL,
    )
    for rank in range(ranks)
]
sys.exit(max(abs(worker.wait()) for worker in workers))
