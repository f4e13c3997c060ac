// Chips -> apparent age and perceived gender: a quantised Vision Transformer. As estimator.py.

/** @import { Estimate, Pixels, Runtime, Session } from "./road.d.ts" */

export class Estimator {
  #runtime;
  #session;

  /** @param {Runtime} runtime  @param {Session} session */
  constructor(runtime, session) {
    this.#runtime = runtime;
    this.#session = session;
  }

  /** @param {Pixels} chip  @returns {Promise<Estimate>} */
  async estimate({ data, width, height }) {
    const chips = new this.#runtime.Tensor("uint8", data, [1, height, width, 3]);
    const { age_probabilities: ages, female_probability: female } = await this.#session.run({ chips });
    return { ages: ages.data, female: female.data[0] };
  }
}
