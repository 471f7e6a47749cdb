/** What the parts of one gate share. */
import type { Environment } from "../base/index.ts";
import type { FeedJudges } from "./judges.ts";
import type { Lane } from "./lane.ts";
import type { Speculation } from "./speculation.ts";
import type { DatasetStates } from "./states.ts";
import type { GateOptions, GateSources } from "./types.ts";

export interface GateParts {
  readonly sources: GateSources;
  readonly environment: Environment;
  readonly options: Required<GateOptions>;
  readonly states: DatasetStates;
  readonly judges: FeedJudges;
  readonly speculation: Speculation;
  readonly retries: Lane;
}
