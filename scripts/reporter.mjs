// One line a test file, the failures whole: short enough to read, nothing hidden.
export default async function* report(source) {
  const files = new Map();
  const fileOf = (data) => {
    const name = data.file?.replace(`${process.cwd()}/`, "") ?? "?";
    if (!files.has(name)) files.set(name, { passed: 0, failed: 0, skipped: 0, ms: 0 });
    return [name, files.get(name)];
  };
  for await (const { type, data } of source) {
    if (type === "test:pass" || type === "test:fail") {
      if (data.details?.type === "suite" || data.file === undefined) continue;
      const [name, counts] = fileOf(data);
      counts.ms += data.nesting === 0 ? (data.details?.duration_ms ?? 0) : 0;
      if (data.skip !== undefined) counts.skipped += 1;
      else if (type === "test:pass") counts.passed += 1;
      else {
        counts.failed += 1;
        const error = data.details?.error;
        yield `FAIL ${name} › ${data.name}\n${error?.cause?.stack ?? error?.stack ?? error}\n`;
      }
    } else if (type === "test:stderr" || type === "test:stdout") {
      if (process.env.MILLPOND_TEST_OUTPUT) yield data.message;
    } else if (type === "test:summary" && data.file !== undefined) {
      const [name, { passed, failed, skipped, ms }] = fileOf(data);
      yield `${failed > 0 ? "✖" : "✔"} ${name}: ${passed} passed${failed ? `, ${failed} failed` : ""}${skipped ? `, ${skipped} skipped` : ""} (${(ms / 1000).toFixed(1)} s)\n`;
    }
  }
}
