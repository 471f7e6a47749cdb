/**
 * The texts of one column by id, in order of first appearance, so that a rebuilt view gives the same ids. New texts
 * become durable in the transaction of the rows that brought them; when that fails they are forgotten again.
 */
export class Dictionary {
  readonly texts: string[];
  readonly #ids = new Map<string, number>();
  #handedOver: number;
  #stored: number;

  constructor(texts: readonly string[]) {
    this.texts = [...texts];
    this.texts.forEach((text, id) => {
      this.#ids.set(text, id);
    });
    this.#stored = texts.length;
    this.#handedOver = texts.length;
  }

  /** The id of each text of a batch's dictionary; unknown ones get the next. */
  idsOf(texts: readonly string[]): Int32Array {
    const ids = new Int32Array(texts.length);
    for (let place = 0; place < texts.length; place++) {
      const text = texts[place]!;
      let id = this.#ids.get(text);
      if (id === undefined) {
        id = this.texts.push(text) - 1;
        this.#ids.set(text, id);
      }
      ids[place] = id;
    }
    return ids;
  }
  idOf(text: string): number | undefined {
    return this.#ids.get(text);
  }

  /** Where the texts begin that the open transaction does not hold yet. */
  get firstNew(): number {
    return this.#handedOver;
  }
  markHandedOver(): void {
    this.#handedOver = this.texts.length;
  }
  markStored(): void {
    this.#stored = this.#handedOver;
  }
  forgetNew(): void {
    for (const text of this.texts.splice(this.#stored)) this.#ids.delete(text);
    this.#handedOver = this.#stored;
  }
}
