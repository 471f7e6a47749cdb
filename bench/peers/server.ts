/** Starting and stopping a server program for one run, on a free loopback port and a folder of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, chownSync, constants, mkdirSync } from "node:fs";
import { connect, createServer } from "node:net";
import path from "node:path";

export function findProgram(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/usr/bin", "/usr/local/bin"];
  return folders
    .map((folder) => path.join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

export const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });

export interface Program {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Runs a program as nobody when the benchmark itself is root, since servers refuse or should refuse root. */
export async function startProgram(file: string, folder: string, args: (port: number) => string[]): Promise<Program> {
  const port = await freePort();
  mkdirSync(folder, { recursive: true });
  const asRoot = process.getuid?.() === 0;
  if (asRoot) chownSync(folder, 65_534, 65_534);
  const child: ChildProcess = spawn(file, args(port), {
    cwd: folder,
    stdio: "ignore",
    ...(asRoot ? { uid: 65_534, gid: 65_534 } : {}),
  });
  for (let attempt = 0; attempt < 200 && !(await answers(port)); attempt++) {
    if (child.exitCode !== null) throw new Error(`${path.basename(file)} ended with ${child.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    port,
    pid: child.pid!,
    stop: () =>
      new Promise((resolve) => {
        if (child.exitCode !== null) return resolve();
        child.once("exit", () => resolve());
        child.kill("SIGTERM");
      }),
  };
}
