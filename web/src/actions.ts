// What a person can do here, each with the sentence that says what follows.

import { ask, at } from "./api/client";
import type { ApprovalView, CircuitSummary, IncidentView, RecoveryView } from "./api/types";
import { confirm } from "./parts/dialog";
import { session } from "./store";
import { plural } from "./words";

export function isolate(circuit: CircuitSummary): void {
  confirm({
    title: `Isolate ${circuit.name}?`,
    consequence: `${plural(circuit.replicas, "process refuses", "processes refuse")} every call through ${circuit.name} until it is closed or reset by hand. Callers get their fallback or an error at once.`,
    action: "Isolate",
    dangerous: true,
    reason: "needed",
    run: (reason) => ask(`${at("circuit-breakers", circuit.name)}/isolate`, { method: "POST", body: { reason } }),
    done: `${circuit.name} is isolated.`,
  });
}

export function close(circuit: CircuitSummary): void {
  confirm({
    title: `Close ${circuit.name}?`,
    consequence: `Calls through ${circuit.name} go out again at once on ${plural(circuit.replicas, "process", "processes")}, whether what is called is well or not. If it is not, the circuit opens again after as many failures as it is set to.`,
    action: "Close",
    dangerous: true,
    reason: "needed",
    run: (reason) => ask(`${at("circuit-breakers", circuit.name)}/close`, { method: "POST", body: { reason } }),
    done: `${circuit.name} is closed.`,
  });
}

export function reset(circuit: CircuitSummary): void {
  confirm({
    title: `Reset ${circuit.name}?`,
    consequence: `${circuit.name} closes, orders by hand end, and its counters and window begin at zero on ${plural(circuit.replicas, "process", "processes")}.`,
    action: "Reset",
    dangerous: true,
    reason: "needed",
    run: (reason) => ask(`${at("circuit-breakers", circuit.name)}/reset`, { method: "POST", body: { reason } }),
    done: `${circuit.name} is reset.`,
  });
}

export function acknowledge(incident: Pick<IncidentView, "id" | "target">): void {
  confirm({
    title: `Look after ${incident.target}?`,
    consequence: "Others see that you look after it, and reminders stop. Automation goes on as it is.",
    action: "I look after it",
    reason: "welcome",
    run: (reason) => ask(`${at("incidents", incident.id)}/acknowledge`, { method: "POST", body: { reason: reason || null } }),
    done: "Others see that you look after it.",
  });
}

export function cancelIncident(incident: Pick<IncidentView, "id" | "target">): void {
  confirm({
    title: `End the incident of ${incident.target}?`,
    consequence: `Nothing more is done about ${incident.target}, whether it is repaired or not, until it has been healthy once. A recovery that runs ends after the step that it is in.`,
    action: "End it",
    dangerous: true,
    reason: "needed",
    run: (reason) => ask(`${at("incidents", incident.id)}/cancel`, { method: "POST", body: { reason } }),
    done: "The incident is ended.",
  });
}

export function cancelRecovery(run: RecoveryView): void {
  const what = run.target ?? run.service;
  confirm({
    title: `Cancel the recovery of ${what}?`,
    consequence: `It ends after the step that it is in, and nothing that it has done is undone: ${what} may stay broken. ${
      run.incident === null ? "Nobody repairs it by itself." : "Its incident stays open, and automation may begin another recovery; end the incident to have it left alone."
    }`,
    action: "Cancel the recovery",
    dangerous: true,
    reason: "needed",
    run: (reason) => ask(`${at("recovery", run.id)}/cancel`, { method: "POST", body: { reason } }),
    done: `The recovery of ${what} ends.`,
  });
}

export function decide(question: ApprovalView, decision: "approve" | "refuse"): void {
  const approves = decision === "approve";
  const alone = approves && session.value?.access === "off";
  confirm({
    title: approves ? `Carry out the plan on ${question.target}?` : `Refuse the plan for ${question.target}?`,
    consequence: approves
      ? `Exactly the plan that is shown is carried out on ${question.target}. ${question.why}`
      : `The plan is not carried out. The recovery of ${question.target} ends, and people have to repair it.`,
    action: approves ? "Approve" : "Refuse",
    dangerous: approves,
    reason: "welcome",
    ...(alone ? { tick: "Nobody is told apart here: I stand in for a second person, and that is recorded." } : {}),
    run: (reason, ticked) =>
      ask(`${at("approvals", question.id)}/decide`, {
        method: "POST",
        body: { decision, digest: question.digest, reason: reason || null, confirm: ticked },
      }),
    done: approves ? "The plan is approved." : "The plan is refused.",
  });
}

export function stopAutomation(): void {
  confirm({
    title: "Stop all automation?",
    consequence: "No recovery acts any more on any service, those that run included, until somebody lets automation act again. Watching goes on.",
    action: "Stop automation",
    dangerous: true,
    reason: "needed",
    run: (reason) => ask("/automation/stop-switch", { method: "PUT", body: { reason } }),
    done: "Automation is stopped.",
  });
}

export function letAutomationAct(): void {
  confirm({
    title: "Let automation act again?",
    consequence: "Recoveries of everything that has failed meanwhile may begin at once, within their limits.",
    action: "Let it act",
    run: () => ask("/automation/stop-switch", { method: "DELETE" }),
    done: "Automation may act.",
  });
}

export function releaseBrake(): void {
  confirm({
    title: "Release the storm brake?",
    consequence: "Recoveries of everything that has failed may begin at once. Release it when you know why so much has failed together.",
    action: "Release",
    dangerous: true,
    reason: "needed",
    run: (reason) => ask("/automation/brake/release", { method: "POST", body: { reason } }),
    done: "The storm brake is released.",
  });
}

/** `failure` is what is known to be wrong; null when nothing is. */
export function startRecovery(service: string, failure: string | null): void {
  confirm({
    title: `Start a recovery of ${service}?`,
    consequence:
      failure === null
        ? `Nothing of ${service} is known to have failed, so only what helps without a known failure is tried, such as resetting circuits that refuse calls.`
        : `The strategies that are declared for ${failure.replaceAll("_", " ")} are tried in order until ${service} is proven healthy. What needs an approval waits for one.`,
    action: "Start",
    dangerous: true,
    reason: "needed",
    run: (reason) => ask("/recovery/initiate", { method: "POST", body: { service, reason, ...(failure === null ? {} : { failure_type: failure }) } }),
    done: `A recovery of ${service} runs.`,
  });
}

export function setLevel(service: string, level: string, expiresIn: number | null): void {
  confirm({
    title: `Degrade ${service} to ${level}?`,
    consequence: `Every process of ${service} leaves out what the level ${level} leaves out${expiresIn === null ? ", until it is restored by hand" : ` for ${Math.round(expiresIn / 60)} minutes`}.`,
    action: "Set the level",
    dangerous: level === "severe" || level === "critical",
    reason: "needed",
    run: (reason) => ask("/degradation", { method: "POST", body: { service, level, reason, expires_in: expiresIn } }),
    done: `${service} is held at ${level}.`,
  });
}

export function restoreLevel(service: string): void {
  confirm({
    title: `Restore ${service}?`,
    consequence: `${service} goes back to the level that its own health calls for.`,
    action: "Restore",
    reason: "welcome",
    run: (reason) => ask(`${at("degradation", service)}/restore`, { method: "POST", body: { reason: reason || null } }),
    done: `${service} is restored.`,
  });
}
