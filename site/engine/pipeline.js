// A photo -> its faces, as the HTTP API tells them. As pipeline.py and results.py.

import { interval, medianAge } from "./ages.js";
import { align, resolution, times } from "./alignment.js";
import { SIDE } from "./finder.js";
import { Photo } from "./photo.js";
import { rint } from "./resampling.js";

/** @import { Prediction } from "./engine.d.ts" */
/** @import { Estimator } from "./estimator.js" */
/** @import { Finder } from "./finder.js" */
/** @import { Bundle, Detection, Estimate, Pixels } from "./road.d.ts" */

const MAX_FACES = 32;
const MIN_RESOLUTION = 1.5; // photo pixels per chip pixel from which finer ones are not worth their time

export class Pipeline {
  #bundle;
  #finder;
  #estimator;

  /**
   * @param {Pick<Bundle, "model" | "input" | "policy">} bundle
   * @param {Finder} finder
   * @param {Estimator} estimator
   */
  constructor(bundle, finder, estimator) {
    this.#bundle = bundle;
    this.#finder = finder;
    this.#estimator = estimator;
  }

  /** @param {Blob} file  @returns {Promise<Prediction>} */
  async predict(file) {
    const started = performance.now();
    const photo = await Photo.read(file);
    try {
      const decoded = performance.now();
      const { faces, found } = await this.#finder.find(photo, MAX_FACES);
      const detected = performance.now();
      const pixels = this.#sharpEnough(photo, faces);
      const answers = [];
      for (const face of faces) answers.push(await this.#answer(face, pixels, photo));
      const ended = performance.now();
      return {
        model: this.#bundle.model,
        image: { width: photo.width, height: photo.height },
        faces: answers,
        faces_found: found,
        timing_ms: {
          decode: rounded(decoded - started, 1),
          detect: rounded(detected - decoded, 1),
          estimate: rounded(ended - detected, 1),
          total: rounded(ended - started, 1),
        },
      };
    } finally {
      photo.close();
    }
  }

  /**
   * The photo as fine as its smallest face needs.
   * @param {Photo} photo
   * @param {Detection[]} faces
   */
  #sharpEnough(photo, faces) {
    const { chip_size: size, template } = this.#bundle.input;
    const coarsest = Math.min(...faces.map(({ landmarks }) => resolution(landmarks, size, template)));
    const longest = Math.max(photo.width, photo.height);
    return photo.pixels(Math.max(SIDE, Math.ceil(Math.min(1, MIN_RESOLUTION / coarsest) * longest)));
  }

  /**
   * @param {Detection} face
   * @param {Pixels} pixels
   * @param {Photo} photo
   */
  async #answer(face, pixels, photo) {
    const { chip_size: size, template } = this.#bundle.input;
    const landmarks = times(face.landmarks, pixels.width / photo.width);
    const { ages, female } = await this.#estimator.estimate(align(pixels, landmarks, size, template));
    const { coverage, regions } = this.#bundle.policy.interval;
    return {
      box: clipped(face, photo),
      detection_score: rounded(face.score, 3),
      landmarks: face.landmarks.map(([x, y]) => ({ x: rounded(x, 1), y: rounded(y, 1) })),
      age: { years: rounded(medianAge(ages), 1), ...interval(ages, regions), coverage },
      gender: this.#gender(female),
    };
  }

  /** @param {Estimate["female"]} female */
  #gender(female) {
    const probability = Math.max(female, 1 - female);
    const likelier = female > 0.5 ? "female" : "male";
    const certain = probability >= this.#bundle.policy.gender.uncertain_below;
    const label = /** @type {"female" | "male" | "uncertain"} */ (certain ? likelier : "uncertain");
    return { label, probability: rounded(probability, 3) };
  }
}

/** @param {Detection} face  @param {Photo} photo */
function clipped({ box: [left, top, right, bottom] }, photo) {
  const [x, y] = [left, top].map((side) => Math.max(0, rint(side)));
  return { x, y, width: Math.min(photo.width, rint(right)) - x, height: Math.min(photo.height, rint(bottom)) - y };
}

/** @type {(value: number, digits: number) => number} */
const rounded = (value, digits) => rint(value * 10 ** digits) / 10 ** digits;
