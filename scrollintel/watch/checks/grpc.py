"""gRPC: the standard health service (grpc.health.v1)."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...core.config.base import Config, boolean, integer
from ...outbound.connecting import reachable
from ...recovery.symptom import Depth, FailureType
from ...recovery.target import Check, Target
from ..kinds import CheckKind, ProbeContext
from ..looking import Bad, LookingProbe
from ..options import optional_text, text

SERVING = 1
"""HealthCheckResponse.ServingStatus.SERVING."""


@dataclass(frozen=True, slots=True)
class GrpcOptions(Config):
    """What a gRPC check takes; it needs the extra `grpc`.

    Arguments:
        host: Name or address.
        port: 1 to 65535.
        service: Name of the service that is asked for; empty (default) for the server as a whole.
        tls: Whether TLS is spoken, with the system's certificates; default false.
    """

    host: str = field(metadata=text(maximum=253))
    port: int = field(metadata=integer(minimum=1, maximum=65535))
    service: str | None = field(default=None, metadata=optional_text())
    tls: bool = field(default=False, metadata=boolean())


class GrpcProbe(LookingProbe):
    """Asks over a fresh channel."""

    def __init__(self, target: Target, check: Check, options: GrpcOptions, context: ProbeContext) -> None:
        super().__init__(target, check)
        self._options = options
        self._policy = context.outbound

    async def find(self) -> str:
        """Ask."""
        import grpc
        from grpc_health.v1 import health_pb2, health_pb2_grpc

        options = self._options
        pinned = await self._policy.permit_async(options.host, options.port)
        found = await reachable(pinned)
        address = f"[{found}]:{pinned.port}" if ":" in found else f"{found}:{pinned.port}"
        settings: list[tuple[str, int | str]] = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
        if options.tls:
            settings.append(("grpc.ssl_target_name_override", options.host))
            channel = grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(), options=settings)
        else:
            channel = grpc.aio.insecure_channel(address, options=settings)
        async with channel:
            stub = health_pb2_grpc.HealthStub(channel)
            try:
                answer = await stub.Check(
                    health_pb2.HealthCheckRequest(service=options.service or ""), timeout=self.check.timeout
                )
            except grpc.aio.AioRpcError as error:
                raise self._bad(error.code().name) from None
        if answer.status != SERVING:
            raise Bad(FailureType.NOT_READY, "says that it does not serve")
        return "serves"

    def _bad(self, code: str) -> Bad:
        if code == "DEADLINE_EXCEEDED":
            return Bad(self.silent, f"no answer within {self.check.timeout:g} s")
        if code == "UNAVAILABLE":
            return Bad(FailureType.UNREACHABLE, "cannot be reached")
        return Bad(self.wrong, f"answers {code}")


KIND = CheckKind("grpc", GrpcOptions, Depth.READY, "Asks the standard gRPC health service.", GrpcProbe)
