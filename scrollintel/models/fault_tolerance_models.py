"""FRONT DOOR of the database models: the ten tables that users read and extend, and the metadata of all tables."""

from . import access_tables, alert_tables, audit_tables, incident_tables  # noqa: F401 - their tables belong to the metadata
from .base import Base
from .circuit_tables import CircuitBreakerState
from .configuration_tables import FaultToleranceConfiguration
from .metric_tables import FaultToleranceMetrics, RetryStatistics
from .policy_tables import CircuitBreakerConfiguration, RetryConfiguration
from .recovery_tables import RecoveryOperation, SystemFailure
from .service_tables import HealthCheck, ServiceDegradation

metadata = Base.metadata

__all__ = [
    "CircuitBreakerConfiguration",
    "CircuitBreakerState",
    "RetryConfiguration",
    "RetryStatistics",
    "SystemFailure",
    "RecoveryOperation",
    "ServiceDegradation",
    "HealthCheck",
    "FaultToleranceMetrics",
    "FaultToleranceConfiguration",
    "Base",
    "metadata",
]
