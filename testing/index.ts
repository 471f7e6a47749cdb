/**
 * For authors of engines: the suites that hold an engine to its port, and what they need. A suite is called inside a
 * test file with a function that opens the engine on fresh data.
 */
export { compareLogs } from "./log-comparison.ts";
export { type LogHarness, logConformance, type OpenLogHarness } from "./log-conformance.ts";
export { type ManualClock, manualClock, sampleDraft, sampleEnvironment } from "./log-samples.ts";
export { type ViewHarness, viewConformance } from "./view-conformance.ts";
