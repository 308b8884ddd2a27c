"""The processes of a server, each with a socket of its own."""

from __future__ import annotations

from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process


class Workers(Multiprocess):
    """Starts one worker per socket, and another where one dies.

    That other one listens on all sockets: whichever the dead one had, no call waits in vain.
    """

    def init_processes(self) -> None:
        """Start the workers."""
        for listener in self.sockets:
            process = Process(self.config, [listener])
            process.start()
            self.processes.append(process)
