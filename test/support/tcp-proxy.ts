/** A TCP proxy on a port that stays the same while what stands behind it comes and goes, and whose links can be cut. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
}

export class TcpProxy {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #target: number | undefined;
  /** Links made so far. */
  links = 0;

  private constructor(server: Server) {
    this.#server = server;
    server.on("connection", (near) => this.#link(near));
  }
  static async listen(target?: number): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: false, noDelay: true });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const proxy = new TcpProxy(server);
    proxy.#target = target;
    return proxy;
  }
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }
  get open(): number {
    return this.#pairs.size;
  }
  /** Where new links go; undefined refuses them. */
  target(port: number | undefined): void {
    this.#target = port;
  }
  /** Resets links without a word: all, or a share of them chosen by chance. */
  cut(share = 1, chance: () => number = () => 0): number {
    let cut = 0;
    for (const { near, far } of [...this.#pairs]) {
      if (chance() >= share) continue;
      near.resetAndDestroy();
      far.resetAndDestroy();
      cut += 1;
    }
    return cut;
  }
  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  #link(near: Socket): void {
    near.on("error", () => {});
    if (this.#target === undefined) {
      near.resetAndDestroy();
      return;
    }
    const far = connect({ port: this.#target, host: "127.0.0.1", noDelay: true });
    far.on("error", () => {});
    const pair = { near, far };
    this.#pairs.add(pair);
    this.links += 1;
    near.pipe(far);
    far.pipe(near);
    const end = (): void => {
      this.#pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    near.on("close", end);
    far.on("close", end);
  }
}

export const portOf = (url: string): number => Number(new URL(url).port);
