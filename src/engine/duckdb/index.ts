/**
 * Engine `duckdb`: the series view, a column store in one file, fed from the log in a worker thread of its own. Its
 * promise: data and position become durable together, statements never see half a commit, and nothing a statement
 * says can reach outside the file.
 */
export { dropDuckdbSeries } from "./file.ts";
export { type DuckdbSeries, type DuckdbSeriesFigures, type DuckdbSeriesOptions, openDuckdbSeries } from "./series.ts";
