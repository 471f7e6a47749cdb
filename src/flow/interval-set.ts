/** A set of whole numbers kept as runs: small where most of its members are neighbours, as window numbers are. */
export class IntervalSet {
  readonly #from: number[] = [];
  readonly #through: number[] = [];

  add(member: number): void {
    const after = this.#runsUpTo(member);
    if (after > 0 && member <= this.#through[after - 1]!) return;
    const joinsLeft = after > 0 && this.#through[after - 1] === member - 1;
    const joinsRight = after < this.#from.length && this.#from[after] === member + 1;
    if (joinsLeft && joinsRight) {
      this.#through[after - 1] = this.#through[after]!;
      this.#from.splice(after, 1);
      this.#through.splice(after, 1);
    } else if (joinsLeft) this.#through[after - 1] = member;
    else if (joinsRight) this.#from[after] = member;
    else {
      this.#from.splice(after, 0, member);
      this.#through.splice(after, 0, member);
    }
  }
  has(member: number): boolean {
    const after = this.#runsUpTo(member);
    return after > 0 && member <= this.#through[after - 1]!;
  }
  save(): Float64Array {
    const runs = new Float64Array(this.#from.length * 2);
    for (let place = 0; place < this.#from.length; place++) {
      runs[place * 2] = this.#from[place]!;
      runs[place * 2 + 1] = this.#through[place]!;
    }
    return runs;
  }
  load(saved: ArrayLike<number>): void {
    this.#from.length = 0;
    this.#through.length = 0;
    for (let place = 0; place < saved.length; place += 2) {
      this.#from.push(saved[place]!);
      this.#through.push(saved[place + 1]!);
    }
  }
  /** How many runs start at or before a member. */
  #runsUpTo(member: number): number {
    let low = 0;
    let high = this.#from.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#from[middle]! <= member) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
