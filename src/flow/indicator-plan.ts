/** All indicators of a flow as one step: the inputs of a row in, the outputs of all out, one state for all of them. */
import { createStep, type IndicatorStep, outputsOf } from "./indicator-steps.ts";
import type { IndicatorSpec } from "./types.ts";

interface Placed {
  readonly step: IndicatorStep;
  /** Where among the inputs of a row its own lie. */
  readonly inputs: readonly number[];
  /** Where its state begins. */
  readonly state: number;
  /** Where its outputs begin. */
  readonly from: number;
  readonly through: number;
}

export class IndicatorPlan {
  /** The source fields that are read, each once: a row's inputs are their values, NaN for null. */
  readonly inputs: readonly string[];
  /** How many numbers the state of all indicators takes. */
  readonly stateWidth: number;
  /** How many numbers come out of a row: NaN for null. */
  readonly outputWidth: number;
  readonly #placed: readonly Placed[];
  readonly #own = new Float64Array(3);

  constructor(specs: readonly IndicatorSpec[]) {
    this.inputs = [...new Set(specs.flatMap(({ inputs }) => inputs))];
    let state = 0;
    let from = 0;
    this.#placed = specs.map((spec) => {
      const step = createStep(spec);
      const count = outputsOf(spec).length;
      const inputs = spec.inputs.map((name) => this.inputs.indexOf(name));
      const placed = { step, inputs, state, from, through: from + count };
      state += step.width;
      from += count;
      return placed;
    });
    this.stateWidth = state;
    this.outputWidth = from;
  }

  /** Takes the row whose inputs begin at `at`. An indicator that lacks an input has no value and stays as it was. */
  advance(state: Float64Array, inputs: Float64Array, at: number, outputs: Float64Array): void {
    const own = this.#own;
    const placed = this.#placed;
    for (let index = 0; index < placed.length; index++) {
      const { step, inputs: places, state: stateAt, from, through } = placed[index]!;
      let complete = true;
      for (let place = 0; place < places.length; place++) {
        const value = inputs[at + places[place]!]!;
        own[place] = value;
        if (Number.isNaN(value)) complete = false;
      }
      if (!complete) outputs.fill(NaN, from, through);
      else {
        step.next(state, stateAt, own, outputs, from);
        for (let place = from; place < through; place++) outputs[place] = settled(outputs[place]!);
      }
    }
  }
}

/** What is beyond the range of doubles is null, and there is one zero. */
const settled = (value: number): number => (Number.isFinite(value) ? value + 0 : NaN);
