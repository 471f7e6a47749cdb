/** Everything of the outside world that the core uses, passed in once at the top and handed down. */
import { type Clock, systemClock } from "./clock.ts";
import { createIdentifiers } from "./identifiers.ts";
import { type Logger, silentLogger } from "./logger.ts";
import { type Random, systemRandom } from "./random.ts";
import { systemTimers, type Timers } from "./timers.ts";

export interface Environment {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  /** A new UUIDv7. */
  readonly newId: () => string;
}

export function createEnvironment(given: Partial<Omit<Environment, "newId">> = {}): Environment {
  const clock = given.clock ?? systemClock;
  const random = given.random ?? systemRandom;
  return {
    clock,
    random,
    timers: given.timers ?? systemTimers,
    logger: given.logger ?? silentLogger,
    newId: createIdentifiers(clock, random),
  };
}
