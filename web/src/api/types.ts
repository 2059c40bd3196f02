// Made by web/generate_types.py out of the API's description; a test keeps it in step.

export interface Acknowledgement {
  "reason": string | null;
}

export type AlertName = "circuit_open_too_long" | "circuit_flapping" | "retry_budget_exhausted" | "error_budget_burn" | "recovery_failing" | "storm_brake_engaged" | "automation_stopped" | "audit_chain_broken" | "platform_degraded" | "replica_stale";

export interface AlertPage {
  "items": (AlertShown)[];
  "left_out": number;
  "next_cursor": string | null;
}

export interface AlertShown {
  "fingerprint": string;
  "name": AlertName;
  "state": "pending" | "firing";
  "service": string | null;
  "target": string | null;
  "variant": string;
  "severity": number;
  "summary": string;
  "since": string;
  "fired_at": string | null;
  "told_at": string | null;
  "ending": boolean;
  "muted": string | null;
  "evidence": Record<string, unknown>;
  "runbook": string;
}

export interface AlertTiming {
  "enabled": boolean;
  "group_window": number;
  "settle": number;
  "repeat_interval": number;
}

export interface ApprovalDecision {
  "decision": "approve" | "refuse";
  "digest": string;
  "reason": string | null;
  "confirm": boolean;
}

export interface ApprovalPage {
  "items": (ApprovalView)[];
  "next_cursor": string | null;
}

export interface ApprovalView {
  "id": string;
  "incident": string | null;
  "recovery": string;
  "target": string;
  "service": string;
  "plan": Record<string, unknown>;
  "digest": string;
  "why": string;
  "requested_by": string;
  "requested_at": string;
  "expires_at": string;
  "decision": string | null;
  "decided_by": string | null;
  "decided_at": string | null;
  "reason": string | null;
  "confirmed_twice": boolean;
  "answers": ("approve" | "refuse")[];
}

export interface AuditPage {
  "items": (AuditShown)[];
  "next_cursor": string | null;
}

export interface AuditShown {
  "sequence": number;
  "hash": string;
  "previous": string;
  "at": string;
  "action": string;
  "actor": string;
  "target_kind": string;
  "target": string;
  "service": string | null;
  "outcome": string;
  "reason": string | null;
  "request_id": string | null;
  "before": Record<string, unknown> | null;
  "after": Record<string, unknown> | null;
  "count": number;
  "personal": PersonShown | null;
}

export interface AuditView {
  "records": number;
  "log_id": string;
  "intact": boolean;
  "checkpoint": CheckpointView;
}

export interface AutomationView {
  "watching": boolean;
  "targets": number;
  "engine": string;
  "durable": boolean;
  "stopped": StoppedView | null;
  "brake": BrakeView | null;
  "running": number;
  "max_running": number;
  "journalled": number;
  "doubts": number;
}

export interface Beat {
  "progress": string | number | null;
}

export interface BindingBody {
  "role": Role;
  "services": (string)[];
}

export interface BindingShown {
  "role": string;
  "services": (string)[];
}

export type BoundKind = "person" | "group";

export interface BrakeView {
  "since": string;
  "why": string;
  "subject": string;
}

export interface BucketView {
  "start": string;
  "successes": number;
  "failures": number;
  "slow": number;
  "rejections": number;
  "timeouts": number;
  "p50": number | null;
  "p95": number | null;
  "p99": number | null;
  "mean": number | null;
  "max": number | null;
  "replicas": number;
}

export interface CapacityDetail {
  "kind": string;
  "name": string;
  "member": string | null;
  "service": string;
  "state": string;
  "acting": boolean;
  "why": string;
  "replicas": number;
  "stale_replicas": number;
  "states": Record<string, number>;
  "figures": Record<string, number>;
  "on_replicas": (CapacityOnReplica)[];
}

export interface CapacityOfName {
  "name": string;
  "parts": (CapacityDetail)[];
}

export interface CapacityOnReplica {
  "replica": string;
  "host": string | null;
  "state": string;
  "reason": string;
  "age": number;
  "stale": boolean;
  "figures": Record<string, number>;
}

export interface CapacityPage {
  "items": (CapacitySummary)[];
  "next_cursor": string | null;
}

export interface CapacitySummary {
  "kind": string;
  "name": string;
  "member": string | null;
  "service": string;
  "state": string;
  "acting": boolean;
  "why": string;
  "replicas": number;
  "stale_replicas": number;
  "states": Record<string, number>;
  "figures": Record<string, number>;
}

export interface Change {
  "at": string;
  "replica": string;
  "key": string | null;
  "old": string;
  "new": string;
  "reason": string;
  "evidence": Evidence | null;
}

export interface ChannelList {
  "items": (ChannelShown)[];
  "alerting": AlertTiming;
}

export interface ChannelShown {
  "name": string;
  "kind": "webhook" | "slack" | "pagerduty" | "email";
  "host": string | null;
  "least_severity": number;
  "waiting": number;
  "sent": number;
  "given_up": number;
  "dropped": number;
  "last_outcome": "delivered" | "given_up" | null;
  "last_at": string | null;
  "last_error": string | null;
}

export interface ChannelTested {
  "channel": string;
  "delivered": boolean;
  "answer": string;
  "seconds": number;
}

export interface CheckView {
  "name": string;
  "depth": string;
  "good": boolean;
  "detail": string;
  "failure_type": string | null;
  "age": number;
  "latency": number | null;
}

export interface CheckpointPage {
  "items": (CheckpointShown)[];
  "next_cursor": string | null;
}

export interface CheckpointShown {
  "v": number;
  "log_id": string;
  "size": number;
  "root": string;
  "head_hash": string;
  "at": string;
  "key_id": string;
  "signature": string;
}

export interface CheckpointView {
  "records": number;
  "at": string | null;
  "problem": string | null;
}

export interface CircuitBreakerCreate {
  "configuration": Record<string, unknown>;
  "service": string | null;
  "reason": string | null;
}

export interface CircuitBreakerUpdate {
  "configuration": Record<string, unknown>;
  "service": string | null;
  "reason": string | null;
}

export interface CircuitDetail {
  "name": string;
  "services": (string)[];
  "state": string;
  "why": string;
  "since": string | null;
  "replicas": number;
  "stale_replicas": number;
  "states": Record<string, number>;
  "next_probe": number | null;
  "counters": Counters;
  "response_times": ResponseTimes;
  "last_failure": Failure | null;
  "revision": number | null;
  "operable": boolean;
  "configured": Configured | null;
  "order": Order | null;
  "on_replicas": (OnReplica)[];
  "transitions": (Change)[];
}

export interface CircuitOperation {
  "circuit": string;
  "order": string;
  "reason": string;
  "sequence": number;
  "journalled": boolean;
}

export interface CircuitPage {
  "items": (CircuitSummary)[];
  "next_cursor": string | null;
}

export type CircuitState = "closed" | "open" | "half_open" | "isolated" | "disabled" | "metrics_only";

export interface CircuitSummary {
  "name": string;
  "services": (string)[];
  "state": string;
  "why": string;
  "since": string | null;
  "replicas": number;
  "stale_replicas": number;
  "states": Record<string, number>;
  "next_probe": number | null;
  "counters": Counters;
  "response_times": ResponseTimes;
  "last_failure": Failure | null;
  "revision": number | null;
  "operable": boolean;
}

export interface ConfigurationPage {
  "items": (ConfigurationShown)[];
  "next_cursor": string | null;
}

export interface ConfigurationSet {
  "value": unknown;
  "secret": boolean;
  "description": string | null;
}

export interface ConfigurationShown {
  "key": string;
  "secret": boolean;
  "value": unknown;
  "digest": string | null;
  "revision": number;
  "description": string | null;
  "updated_at": string;
  "updated_by": string;
}

export interface ConfigurationView {
  "fields": Record<string, FieldView>;
  "schema": Record<string, unknown>;
}

export interface Configured {
  "revision": number;
  "service": string | null;
  "source": string;
  "changed_at": string;
  "changed_by": string;
  "reason": string | null;
  "configuration": Record<string, unknown> | null;
}

export interface Counters {
  "successes": number;
  "failures": number;
  "slow": number;
  "rejections": number;
  "timeouts": number;
  "late": number;
  "ignored": number;
  "abandoned": number;
}

export interface DataKeyShown {
  "id": string;
  "purpose": string;
  "key_encryption_key": string;
  "created_at": string;
  "retired_at": string | null;
  "values": number;
}

export interface DecidingCall {
  "outcome": string;
  "error": string | null;
  "at": string | null;
  "seconds": number | null;
}

export interface DecidingSpan {
  "start": string;
  "calls": number;
  "failures": number;
  "slow": number;
}

export interface DefaultsView {
  "configurations": Record<string, ConfigurationView>;
}

export interface DegradationOrder {
  "service": string;
  "level": LevelName;
  "reason": string;
  "expires_in": number | null;
}

export interface DegradationPage {
  "items": (ServiceDegradationView)[];
  "next_cursor": string | null;
}

export interface DependencyBody {
  "name": string;
  "kind": DependencyKind;
}

export type DependencyKind = "hard" | "soft" | "fallback";

export interface DependencyView {
  "name": string;
  "kind": DependencyKind;
}

export interface DiffView {
  "name": string;
  "old_revision": number;
  "new_revision": number;
  "differences": (DifferenceView)[];
}

export interface DifferenceView {
  "field": string;
  "old": unknown;
  "new": unknown;
}

export interface EdgeView {
  "service": string;
  "needs": string;
  "kind": string;
  "source": string;
}

export interface Erased {
  "subject_id": string;
  "state": "erased";
}

export interface Erasure {
  "reason": string;
}

export interface ErrorBudget {
  "service": string;
  "objective": number;
  "burn_1h": number | null;
  "burn_6h": number | null;
  "left": number | null;
}

export interface Evidence {
  "rule": string;
  "total": number;
  "failures": number;
  "slow": number;
  "calls": (DecidingCall)[];
  "spans": (DecidingSpan)[];
}

export interface Failure {
  "type": string;
  "at": string;
}

export interface FieldView {
  "default": unknown;
  "required": boolean;
  "allowed": string;
  "unit": string;
}

export interface Figures {
  "incidents": number;
  "recoveries": number;
  "success_rate": number | null;
  "time_to_recover": Spread | null;
  "time_between_failures": Spread | null;
  "detection": Spread | null;
  "initiation": Spread | null;
  "action": Spread | null;
  "validation": Spread | null;
}

export interface HealthView {
  "status": ServiceHealth;
  "services": (ServiceHealthView)[];
  "platform": PlatformView;
}

export interface Heard {
  "sequence": number;
  "changes": (Record<string, unknown>)[] | null;
  "desired": Record<string, unknown> | null;
}

export interface HistoryView {
  "circuit": string;
  "resolution": number;
  "buckets": (BucketView)[];
}

export interface IncidentEventView {
  "at": string;
  "kind": string;
  "detail": string;
  "actor": string;
  "data": Record<string, unknown>;
}

export interface IncidentPage {
  "items": (IncidentView)[];
  "next_cursor": string | null;
}

export type IncidentState = "open" | "held" | "recovering" | "waiting" | "watched" | "escalated" | "resolved" | "cancelled";

export interface IncidentStory {
  "id": string;
  "target": string;
  "service": string;
  "group": string | null;
  "failure_type": string;
  "state": string;
  "severity": number;
  "root": string | null;
  "attempts": number;
  "relapses": number;
  "recovery": string | null;
  "detected_at": string;
  "declared_at": string;
  "recovering_at": string | null;
  "acted_at": string | null;
  "validated_at": string | null;
  "ended_at": string | null;
  "acknowledged_at": string | null;
  "acknowledged_by": string | null;
  "impact": Record<string, unknown>;
  "detail": string;
  "timeline": (IncidentEventView)[];
  "recoveries": (RecoveryView)[];
}

export interface IncidentView {
  "id": string;
  "target": string;
  "service": string;
  "group": string | null;
  "failure_type": string;
  "state": string;
  "severity": number;
  "root": string | null;
  "attempts": number;
  "relapses": number;
  "recovery": string | null;
  "detected_at": string;
  "declared_at": string;
  "recovering_at": string | null;
  "acted_at": string | null;
  "validated_at": string | null;
  "ended_at": string | null;
  "acknowledged_at": string | null;
  "acknowledged_by": string | null;
  "impact": Record<string, unknown>;
  "detail": string;
}

export interface Joined {
  "protocol": number;
  "replica": string;
  "sequence": number;
  "push_interval": number;
  "poll_wait": number;
  "stale_after": number;
  "desired": Record<string, unknown>;
}

export interface KeyList {
  "key_encryption_key": string | null;
  "rotating": boolean;
  "items": (DataKeyShown)[];
}

export interface KeysView {
  "state": "ready" | "missing";
  "rotating": boolean;
}

export type Kind = "limit" | "throttle" | "bulkhead" | "rate_limit" | "metastability" | "fallback" | "admission" | "pool" | "host";

export type LevelName = "none" | "minimal" | "moderate" | "severe" | "critical";

export type Match = "exact" | "prefix";

export interface MatcherBody {
  "label": SilenceLabel;
  "value": string;
  "match": Match;
}

export interface MatcherShown {
  "label": SilenceLabel;
  "value": string;
  "match": Match;
}

export interface NodeView {
  "target": string;
  "service": string;
  "group": string | null;
  "tier": number;
  "condition": string;
}

export interface OfService {
  "replica": string;
  "host": string | null;
  "version": string;
  "age": number;
  "stale": boolean;
  "level": LevelName | null;
}

export interface OnReplica {
  "replica": string;
  "service": string;
  "host": string | null;
  "key": string | null;
  "state": string;
  "reason": string;
  "since": string;
  "age": number;
  "stale": boolean;
  "next_probe": number | null;
  "consecutive_failures": number;
  "successes": number;
  "failures": number;
  "rejections": number;
  "p99": number | null;
}

export interface OpenIncident {
  "id": string;
  "target": string;
  "failure_type": string;
  "state": string;
  "severity": number;
  "detail": string | null;
}

export interface OptionalReason {
  "reason": string | null;
}

export interface Order {
  "order": string;
  "reason": string;
  "since": string;
  "by": string;
}

export interface OutcomeView {
  "openings": number;
  "first_opened": (string)[];
  "seconds_open": number;
  "calls": number;
  "refused": number;
  "failures_avoided": number;
  "successes_lost": number;
  "final_state": string;
}

export interface PersonShown {
  "subject_id": string | null;
  "state": "open" | "erased" | "unreadable";
  "subject": string | null;
  "address": string | null;
}

export interface PlatformView {
  "status": string;
  "version": string;
  "started_at": string;
  "uptime": number;
  "storage": StorageView;
  "problems": (string)[];
  "audit": AuditView;
  "keys": KeysView;
  "recoveries": number;
  "replicas": Record<string, number>;
  "access": string;
  "journal_waiting": boolean;
  "background_errors": Record<string, string>;
  "stale": boolean;
}

export interface PolicyPage {
  "items": (PolicyView)[];
  "next_cursor": string | null;
}

export interface PolicyPut {
  "policy": Record<string, unknown>;
  "service": string | null;
  "reason": string | null;
}

export interface PolicyView {
  "name": string;
  "service": string | null;
  "revision": number;
  "policy": Record<string, unknown>;
  "reason": string | null;
  "changed_at": string;
  "changed_by": string;
  "source": string;
  "location": string | null;
  "replicas": number;
  "replicas_current": number;
}

export interface Problem {
  "type": string;
  "title": string;
  "status": number;
  "code": string;
  "detail": string | null;
  "violations": (ProblemViolation)[] | null;
  "request_id": string | null;
}

export interface ProblemShown {
  "sequence": number | null;
  "text": string;
}

export interface ProblemViolation {
  "field": string;
  "value": unknown;
  "allowed": string;
}

export interface PublicKey {
  "key_id": string;
  "pem": string;
}

export interface Reason {
  "reason": string;
}

export interface Reasoned {
  "reason": string;
}

export interface RecentTimes {
  "p50": number;
  "p95": number;
  "p99": number;
}

export type RecoveryOutcome = "recovered" | "not_needed" | "refused" | "failed";

export interface RecoveryPage {
  "items": (RecoveryView)[];
  "next_cursor": string | null;
}

export interface RecoveryRequest {
  "service": string;
  "failure_type": string;
  "reason": string | null;
  "strategies": (string)[];
}

export interface RecoveryStatistics {
  "incidents": number;
  "recoveries": number;
  "success_rate": number | null;
  "time_to_recover": Spread | null;
  "time_between_failures": Spread | null;
  "detection": Spread | null;
  "initiation": Spread | null;
  "action": Spread | null;
  "validation": Spread | null;
  "by_service": Record<string, Figures>;
  "by_failure_type": Record<string, Figures>;
  "by_strategy": Record<string, StrategyFigures>;
}

export interface RecoveryView {
  "id": string;
  "service": string;
  "failure_type": string;
  "status": string;
  "outcome": string | null;
  "strategy": string | null;
  "requested_by": string;
  "reason": string | null;
  "started_at": string;
  "finished_at": string | null;
  "duration": number | null;
  "detail": string | null;
  "incident": string | null;
  "target": string | null;
  "detected_at": string | null;
  "initiated_at": string | null;
  "acted_at": string | null;
  "validated_at": string | null;
  "steps": (StepView)[];
}

export interface ReloadedView {
  "applied": boolean;
  "targets": number;
  "needs_restart": (string)[];
}

export interface Replica {
  "instance": string;
  "service": string;
  "host": string | null;
  "pid": number | null;
  "version": string;
  "joined_at": string;
  "age": number;
  "stale": boolean;
  "circuits": number;
  "applied": number;
  "behind": number;
  "policies": Record<string, number>;
  "refused": (Record<string, unknown>)[];
  "dropped": number;
}

export interface ReplicaPage {
  "items": (Replica)[];
  "next_cursor": string | null;
}

export type Resolution = "auto" | "1" | "10" | "60" | "3600";

export interface ResponseTimes {
  "mean": number | null;
  "p50": number | null;
  "p95": number | null;
  "p99": number | null;
  "maximum": number | null;
}

export interface RetryStatisticsView {
  "items": (RetryView)[];
}

export interface RetryView {
  "policy": string;
  "calls": number;
  "attempts": number;
  "retries": number;
  "given_up": number;
  "hedges": number;
  "fallbacks": number;
  "lowest_budget": number | null;
}

export interface RevisionPage {
  "items": (RevisionView)[];
  "next_cursor": string | null;
}

export interface RevisionView {
  "name": string;
  "revision": number;
  "service": string | null;
  "policy": Record<string, unknown> | null;
  "reason": string | null;
  "changed_at": string;
  "changed_by": string;
  "deleted": boolean;
}

export type Role = "viewer" | "operator" | "admin" | "auditor" | "approver" | "replica";

export interface RoleBindingCreate {
  "role": Role;
  "services": (string)[];
  "kind": BoundKind;
  "subject": string;
}

export interface RoleBindingPage {
  "items": (RoleBindingShown)[];
  "next_cursor": string | null;
}

export interface RoleBindingShown {
  "id": string;
  "kind": "person" | "group";
  "subject": string | null;
  "subject_id": string;
  "state": "open" | "erased" | "unreadable";
  "role": string;
  "services": (string)[];
  "created_at": string;
  "created_by": string;
}

export interface RoleList {
  "items": (RoleShown)[];
}

export interface RoleShown {
  "role": string;
  "permissions": (string)[];
}

export interface Rollback {
  "revision": number;
  "reason": string | null;
}

export interface RotationBegun {
  "what": string;
  "keys": (string)[];
}

export interface RotationBody {
  "what": "key_encryption_key" | "data_keys";
}

export interface RunningRecovery {
  "id": string;
  "service": string;
  "status": string;
  "started_at": string;
}

export interface ServiceBody {
  "tier": number;
  "owner": string | null;
  "description": string | null;
  "depends_on": (DependencyBody)[];
}

export interface ServiceCreate {
  "tier": number;
  "owner": string | null;
  "description": string | null;
  "depends_on": (DependencyBody)[];
  "name": string;
}

export interface ServiceDegradationView {
  "service": string;
  "level": LevelName;
  "reason": string;
  "automatic": boolean;
  "since": string | null;
  "expires_at": string | null;
  "by": string | null;
  "replicas": number;
}

export type ServiceHealth = "healthy" | "degraded" | "unhealthy" | "unknown";

export interface ServiceHealthView {
  "service": string;
  "status": ServiceHealth;
  "reasons": (string)[];
  "remembered": boolean;
}

export interface ServicePage {
  "items": (ServiceSummary)[];
  "next_cursor": string | null;
}

export interface ServiceSummary {
  "name": string;
  "tier": number;
  "owner": string | null;
  "description": string | null;
  "depends_on": (DependencyView)[];
  "dependents": (string)[];
  "level": LevelName;
  "replicas": number;
  "stale_replicas": number;
  "revision": number;
  "source": string;
  "location": string | null;
  "registered_at": string;
  "updated_at": string;
}

export interface ServiceView {
  "name": string;
  "tier": number;
  "owner": string | null;
  "description": string | null;
  "depends_on": (DependencyView)[];
  "dependents": (string)[];
  "level": LevelName;
  "replicas": number;
  "stale_replicas": number;
  "revision": number;
  "source": string;
  "location": string | null;
  "registered_at": string;
  "updated_at": string;
  "on_replicas": (OfService)[];
}

export interface SessionIdentity {
  "id": string;
  "kind": "token" | "oidc" | "local";
  "name": string | null;
}

export interface SessionOpen {
  "token": string;
}

export interface SessionShown {
  "signed_in": boolean;
  "access": "enforced" | "off";
  "ways": ("token" | "provider")[];
  "identity": SessionIdentity | null;
  "permissions": Record<string, (string)[]>;
  "csrf": string | null;
  "idle_expires_at": string | null;
  "expires_at": string | null;
  "version": string | null;
}

export interface SilenceCreate {
  "matchers": (MatcherBody)[];
  "until": string;
  "reason": string;
}

export type SilenceLabel = "name" | "service" | "target";

export interface SilencePage {
  "items": (SilenceShown)[];
  "next_cursor": string | null;
}

export interface SilenceShown {
  "id": string;
  "matchers": (MatcherShown)[];
  "service": string | null;
  "reason": string;
  "created_by": string;
  "created_at": string;
  "until": string;
}

export type Sort = "name" | "state" | "failures" | "rejections";

export interface Spread {
  "count": number;
  "median": number;
  "p90": number;
  "p95": number;
  "max": number;
  "mean": number;
}

export type Status = "pending" | "running" | "finished" | "interrupted";

export interface StepView {
  "strategy": string;
  "step": string;
  "succeeded": boolean | null;
  "started_at": string;
  "duration": number | null;
  "detail": string;
  "verify_rounds": number;
}

export interface StoppedView {
  "by": string;
  "since": string;
  "reason": string;
}

export interface StorageView {
  "state": string;
  "for": number;
  "dialect": string;
  "leads": boolean;
  "waiting": number;
  "commits": number;
  "changes": number;
  "problem": string | null;
}

export interface StrategyFigures {
  "tried": number;
  "helped": number;
}

export interface StrategyKindList {
  "items": (StrategyKindView)[];
}

export interface StrategyKindView {
  "name": string;
  "description": string;
  "traits": Record<string, unknown>;
  "options": Record<string, unknown>;
}

export interface StrategyList {
  "items": (StrategyView)[];
}

export interface StrategyView {
  "name": string;
  "built_in": boolean;
  "failure_types": (string)[] | null;
  "default": boolean;
  "description": string | null;
}

export interface SummaryView {
  "sentence": string;
  "circuits": Record<string, number>;
  "services": Record<string, number>;
  "refusing": (string)[];
  "degraded": (string)[];
  "capacity": (string)[];
  "targets": Record<string, number>;
  "incidents": (OpenIncident)[];
  "automation": "watching" | "stopped" | "braked" | "nothing to watch";
  "recoveries": (RunningRecovery)[];
  "calls_per_second": number;
  "success_rate": number | null;
  "response_times": RecentTimes | null;
  "mean_time_to_recovery": number | null;
  "error_budgets": (ErrorBudget)[];
  "replicas": number;
  "stale_replicas": number;
  "storage": string;
  "access": string;
  "stale": boolean;
}

export interface TargetList {
  "items": (TargetViewModel)[];
}

export interface TargetStory {
  "target": string;
  "service": string;
  "group": string | null;
  "tier": number;
  "mode": string;
  "condition": string;
  "judged": string;
  "since": number | null;
  "suspicion": number;
  "last_beat": number | null;
  "last_progress": number | null;
  "checks": (CheckView)[];
  "declaration": Record<string, unknown>;
}

export interface TargetViewModel {
  "target": string;
  "service": string;
  "group": string | null;
  "tier": number;
  "mode": string;
  "condition": string;
  "judged": string;
  "since": number | null;
  "suspicion": number;
  "last_beat": number | null;
  "last_progress": number | null;
  "checks": (CheckView)[];
}

export interface TokenCreate {
  "name": string;
  "bindings": (BindingBody)[];
  "subject": string | null;
  "expires_in": number | null;
}

export interface TokenMade {
  "id": string;
  "name": string;
  "subject": string | null;
  "subject_id": string | null;
  "bindings": (BindingShown)[];
  "state": "valid" | "expired" | "revoked";
  "created_at": string;
  "expires_at": string;
  "revoked_at": string | null;
  "last_used_at": string | null;
  "token": string;
}

export interface TokenPage {
  "items": (TokenShown)[];
  "next_cursor": string | null;
}

export interface TokenShown {
  "id": string;
  "name": string;
  "subject": string | null;
  "subject_id": string | null;
  "bindings": (BindingShown)[];
  "state": "valid" | "expired" | "revoked";
  "created_at": string;
  "expires_at": string;
  "revoked_at": string | null;
  "last_used_at": string | null;
}

export interface TopologyView {
  "nodes": (NodeView)[];
  "edges": (EdgeView)[];
}

export interface Verdict {
  "ok": boolean;
  "log_id": string;
  "records": number;
  "checkpoints": number;
  "head_sequence": number;
  "head_hash": string;
  "first_bad": number | null;
  "problem": string;
  "problems": (ProblemShown)[];
  "problem_count": number;
  "notes": (string)[];
}

export interface AutomationDryRunRequest {
  "target": string;
  "failure_type": string;
}

export interface AutomationDryRunView {
  "target": string;
  "failure_type": string;
  "chain": (Record<string, unknown>)[];
  "left_out": Record<string, string>;
  "held_by": string | null;
  "verdict": Record<string, unknown>;
  "impact": Record<string, unknown>;
}

export interface MetricsDryRunRequest {
  "configuration": Record<string, unknown>;
  "since": string | null;
  "until": string | null;
}

export interface MetricsDryRunView {
  "circuit": string;
  "since": string;
  "until": string;
  "resolution": number;
  "unknown": number;
  "complete": boolean;
  "replayed_since": string | null;
  "replayed_until": string | null;
  "present": OutcomeView | null;
  "present_missing": string | null;
  "proposed": OutcomeView;
  "assumptions": (string)[];
}
