// The counts of a run as JSON, for the closing line.
export default async function* summarise(source) {
  const summary = { passed: 0, failed: 0, skipped: 0, failures: [], skips: {} };
  for await (const { type, data } of source) {
    if ((type !== "test:pass" && type !== "test:fail") || data.details?.type === "suite") continue;
    if (data.skip !== undefined) {
      summary.skipped += 1;
      const reason = typeof data.skip === "string" ? data.skip : "no reason given";
      summary.skips[reason] ??= [];
      summary.skips[reason].push(data.name);
    } else if (type === "test:pass") summary.passed += 1;
    else {
      summary.failed += 1;
      summary.failures.push(data.name);
    }
  }
  yield JSON.stringify(summary);
}
