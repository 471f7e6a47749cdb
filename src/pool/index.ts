/**
 * Room `pool`: where declarations, rooms and engines meet. Its promise: a declared pool opens whole or not at all,
 * offers nothing before everything stands at the head of the log, and closes without losing what it acknowledged.
 */

export { createEnvironment, type Environment, type Logger } from "../base/index.ts";
export { definePool, type FeedDeclaration, type PoolDefinition } from "./definition.ts";
export type { Explanation } from "./explain.ts";
export { type ContractFinding, type FolderInspection, inspectFolder } from "./inspect.ts";
export type { PoolOptions } from "./open.ts";
export { type Admitted, openPool, type Pool } from "./pool.ts";
export { createTokenAuthenticator, openTokens, readTokens, tokensFile } from "./tokens.ts";
export type { PoolVerification } from "./verify.ts";
