// How automated recovery stands, what holds it, and the switches for both.

import { letAutomationAct, releaseBrake, stopAutomation } from "../actions";
import { ask } from "../api/client";
import type { AutomationView } from "../api/types";
import { may, mayEverywhere, storyVersion, summary } from "../store";
import { plural } from "../words";
import { Card, Trouble } from "./frame";
import { Ago } from "./marks";
import { useReading } from "./reading";

export function AutomationCard() {
  const { value, trouble, again } = useReading(
    () => (may("recovery.read") ? ask<AutomationView>("/automation") : Promise.resolve(null)),
    [storyVersion.value, summary.value?.automation],
  );
  if (value === null) return trouble === null ? null : <Trouble again={again}>{trouble}</Trouble>;
  const { stopped, brake } = value;
  return (
    <Card title="Automation">
      {stopped && (
        <p class="note tone-bad" data-automation="stopped">
          Stopped by {stopped.by} <Ago at={stopped.since} />: {stopped.reason}
        </p>
      )}
      {brake && (
        <p class="note tone-bad" data-automation="braked">
          The storm brake holds since <Ago at={brake.since} />: {brake.why}
        </p>
      )}
      <p class="muted" data-automation={stopped || brake ? undefined : "free"}>
        {value.watching ? `Watches ${plural(value.targets, "target")}.` : "No target is declared."} {value.running} of {value.max_running} recoveries run,{" "}
        {value.durable ? "which outlive this process" : "which end with this process"}; the engine is {value.engine}.
        {value.journalled > 0 && ` ${plural(value.journalled, "note")} wait for the database.`}
      </p>
      {mayEverywhere("recovery.start") && (
        <div class="buttons">
          {brake && (
            <button type="button" class="danger" onClick={releaseBrake}>
              Release the storm brake …
            </button>
          )}
          {stopped ? (
            <button type="button" class="primary" onClick={letAutomationAct}>
              Let it act again …
            </button>
          ) : (
            <button type="button" class="danger" onClick={stopAutomation}>
              Stop all automation …
            </button>
          )}
        </div>
      )}
    </Card>
  );
}
