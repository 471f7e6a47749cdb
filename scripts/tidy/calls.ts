/** Calls that the core must not make, each with what to use instead. */
import type { Finding, SourceFile, Tree } from "./tree.ts";

interface Ban {
  readonly pattern: RegExp;
  readonly instead: string;
  /** Files, by path, that may. */
  readonly except: RegExp;
}

const OUTER = /^(src\/(feed|engine|serve|cli|pool)\/|client\/|connect\/|pools\/|bin\/)/;

const BANS: readonly Ban[] = [
  {
    pattern: /\bDate\.now\(|new Date\(\)/,
    instead: "environment.clock",
    except: /^(src\/base\/clock\.ts|connect\/|src\/cli\/)/,
  },
  { pattern: /\bMath\.random\(/, instead: "environment.random", except: /^$/ },
  {
    pattern: /\b(setTimeout|setInterval)\(/,
    instead: "environment.timers",
    except: /^(src\/base\/timers\.ts|src\/engine\/|connect\/|src\/cli\/)/,
  },
  { pattern: /from "node:fs(\/promises)?"/, instead: "a port that an engine implements", except: OUTER },
  {
    pattern: /from "node:(sqlite|worker_threads|child_process|net|http)"/,
    instead: "an engine, serve or cli",
    except: OUTER,
  },
  { pattern: /\beval\(/, instead: "the expression room", except: /^$/ },
  {
    pattern: /\bnew Function\(/,
    instead: "the expression room",
    except: /^src\/(expression\/|batch\/rows\.ts)/,
  },
  {
    pattern: /\bconsole\.(log|error|warn|info)\(/,
    instead: "environment.logger",
    except: /^(src\/cli\/|connect\/|bin\/)/,
  },
  { pattern: /@ts-(ignore|expect-error|nocheck)/, instead: "a type that is true", except: /^$/ },
  { pattern: /:\s*any\b|\bas any\b|<any>/, instead: "unknown, and a check", except: /^$/ },
];

export function checkCalls(tree: Tree): Finding[] {
  return tree.files.filter((file) => !file.test).flatMap(callsIn);
}

function callsIn(file: SourceFile): Finding[] {
  const findings: Finding[] = [];
  file.lines.forEach((text, index) => {
    if (/^\s*(\*|\/\/|\/\*)/.test(text)) return;
    for (const { pattern, instead, except } of BANS) {
      if (!pattern.test(text) || except.test(file.path)) continue;
      findings.push({
        file: file.path,
        line: index + 1,
        rule: "banned",
        message: `${text.trim().slice(0, 60)} — use ${instead}`,
      });
    }
  });
  return findings;
}
