// Light, dark, or as the system has it; kept in this browser.

import { computed, effect, signal } from "@preact/signals";

export type Choice = "system" | "light" | "dark";

const KEY = "scrollintel-theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const isDark = signal(system.matches);
system.addEventListener("change", () => {
  isDark.value = system.matches;
});

function kept(): Choice {
  try {
    const found = localStorage.getItem(KEY);
    return found === "light" || found === "dark" ? found : "system";
  } catch {
    return "system";
  }
}

export const choice = signal<Choice>(kept());
export const theme = computed<"light" | "dark">(() => (choice.value === "system" ? (isDark.value ? "dark" : "light") : choice.value));

effect(() => {
  document.documentElement.dataset["theme"] = theme.value;
  try {
    localStorage.setItem(KEY, choice.value);
  } catch {
    // A browser that keeps nothing shows what the system has.
  }
});
