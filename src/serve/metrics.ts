/**
 * The Prometheus text format 0.0.4. The figures of a pool are complete samples already, read when they are asked for;
 * an instrument of a metrics library for each would only carry them from one list to the next, and add labels of its
 * own. So they are written out here.
 */
import type { Figure } from "./types.ts";

/** One group per metric name, in order of first appearance, each with its help and type, and a newline at the end. */
export function formatMetrics(figures: readonly Figure[]): string {
  const groups = new Map<string, { head: string; samples: Map<string, number> }>();
  for (const { name, kind, help, labels, value } of figures) {
    let group = groups.get(name);
    if (group === undefined) {
      const head = `# HELP ${name} ${escaped(help, false)}\n# TYPE ${name} ${kind}\n`;
      group = { head, samples: new Map() };
      groups.set(name, group);
    }
    group.samples.set(labelText(labels), value);
  }
  let text = "";
  for (const [name, { head, samples }] of groups) {
    text += head;
    for (const [labels, value] of samples) text += `${name}${labels} ${numberText(value)}\n`;
  }
  return text;
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const names = Object.keys(labels).sort();
  if (names.length === 0) return "";
  return `{${names.map((name) => `${name}="${escaped(labels[name]!, true)}"`).join(",")}}`;
}

function escaped(text: string, quotes: boolean): string {
  const safe = text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  return quotes ? safe.replaceAll('"', '\\"') : safe;
}

function numberText(value: number): string {
  if (Number.isFinite(value) || Number.isNaN(value)) return String(value);
  return value > 0 ? "+Inf" : "-Inf";
}
