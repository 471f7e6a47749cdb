/**
 * Engine `memory`: a log kept in memory, for tests, for simulation and as the reference other engines are compared
 * with. It promises all of `LogStore` except that anything outlives the process.
 */
export { createMemoryLog, type MemoryLog, type MemoryLogOptions } from "./log.ts";
