// All that the page says, in English; index.html repeats what it shows before any script has run.
// Numbers come formatted, except `count`s, which choose a plural.
export default {
  direction: "ltr",

  pageTitle: "Apparent: how old does a face look?",
  title: "How old does a face look?",
  lead: "Every face in a photo is answered with the age it looks, a range for that age, and the gender it is perceived as.",
  choose: "Choose photos",
  openCamera: "Use the camera",
  otherWays: "Or drop photos anywhere on this page, or paste one.",
  dropHere: "Drop the photos here",
  privacy: "A photo is first scaled down in your browser, which drops what the file tells of place, time and camera. The service holds it in memory for that one answer and does not keep it.",
  samplesTitle: "No photo at hand?",
  hopper: "US Navy, 1984, public domain",
  collins: "NASA, about 1999, public domain",
  api: "API",

  resultsTitle: "Photos of this visit",
  resultsHint: "They are in this page only, and gone when it is reloaded.",
  cancelAll: "Cancel all",
  removeAll: "Remove all",
  allJson: "All as JSON",
  allCsv: "All as CSV",
  pending: (/** @type {number} */ done, /** @type {number} */ total) => `${done} of ${total} done`,

  waiting: "Waiting for its turn",
  preparing: "Scaling it down…",
  predicting: "Looking…",
  cancelled: "Cancelled. It was not looked at.",
  retry: "Try again",
  cancel: "Cancel",
  remove: "Remove",
  cancelOf: (/** @type {string} */ name) => `Cancel ${name}`,
  removeOf: (/** @type {string} */ name) => `Remove ${name}`,

  saveJson: "JSON",
  saveCsv: "CSV",
  savePng: "Photo with boxes",
  sentStripped: (/** @type {string} */ width, /** @type {string} */ height, /** @type {string} */ size) => `Sent: ${width} × ${height} pixels, ${size}, without metadata`,
  sentAsItIs: (/** @type {string} */ size) => `Sent as it is, ${size}, with its metadata: this browser cannot scale it down`,

  photoOf: (/** @type {string} */ name) => `The photo ${name}`,
  faces: (/** @type {number} */ count, /** @type {number} */ listed) =>
    (count === 1 ? "One face" : `${count} faces`) +
    (count > listed ? `; the largest ${listed} are answered` : ""),
  age: (/** @type {string} */ years, /** @type {string} */ low, /** @type {string} */ high) => `looks about ${years} (${low} to ${high})`,
  approximately: (/** @type {string} */ years) => `≈ ${years}`,
  face: (/** @type {number} */ number, /** @type {string} */ age) => `Face ${number}: ${age}`,
  gender: {
    female: (/** @type {string} */ probability) => `perceived as female (${probability})`,
    male: (/** @type {string} */ probability) => `perceived as male (${probability})`,
    uncertain: () => "perceived gender: not sure",
  },
  hints: {
    small: "Small in the photo: a closer one tells more.",
    cut: "Cut by the edge of the photo.",
    turned: "Turned to the side: a frontal one tells more.",
    unclear: "Hardly recognised as a face.",
    wide: "Hard to tell: the range is wide.",
  },

  errors: {
    noFace: "No face was found. Try a photo with a face that looks towards the camera and is not too small.",
    tooLarge: "This photo is too large to send, and this browser cannot scale it down. Save it smaller, as JPEG, and choose that.",
    notPhoto: "This file cannot be read as a photo. Choose a JPEG, PNG, WebP or AVIF.",
    notReadable: "This file cannot be opened: it may be a folder, or may have been moved. Choose it again.",
    offline: "You are offline. The photo is still here: try again when you are connected.",
    unreachable: "The service cannot be reached. Check your connection and try again.",
    tooSlow: "The service took too long. Try again in a moment.",
    throttled: "Too many photos are waiting at the service. Try again in a minute.",
    unavailable: "The service is not ready. Try again in a minute.",
    serverError: "The service failed. It is not the photo's fault: try again in a moment.",
    pageError: "This page failed. Reload it and try again.",
    sampleMissing: "The sample could not be loaded. Check your connection and try again.",
    nothingDropped: "No file was in what you dropped. Save the picture first, then drop the file.",
  },
  retrying: {
    throttled: (/** @type {string} */ seconds) => `Too many photos are waiting at the service. Trying again in ${seconds}.`,
    unavailable: (/** @type {string} */ seconds) => `The service is not ready yet. Trying again in ${seconds}.`,
  },

  cameraTitle: "Camera",
  takePhoto: "Take photo",
  otherCamera: "Other camera",
  close: "Close",
  cameraName: (/** @type {string} */ time) => `Camera ${time}`,
  pastedName: (/** @type {string} */ time) => `Pasted ${time}`,
  cameraStarting: "Waiting for the camera. Your browser may ask you to allow it.",
  cameraErrors: {
    denied: "The camera is not allowed for this page. Allow it in the browser's address bar, then open it again.",
    missing: "No camera was found. Connect one and open it again, or choose a photo.",
    busy: "The camera cannot be started: another program may be using it. Close that and open it again.",
  },

  aboutTitle: "How far to trust it",
  impression: "An apparent age is an impression that a face gives, learnt from labels that were themselves estimates. It says nothing of how old anyone is.",
  figures: (
    /** @type {Record<"faces" | "coverage" | "promised" | "error", string>} */
    { faces, coverage, promised, error },
  ) =>
    `On ${faces} faces that no step of training saw, the range held for ${coverage} (${promised} are promised), and the age was off by ${error} years on average. On photos of other kinds expect more.`,
  figuresMissing: "The model's figures could not be loaded. Reload the page to try again.",
  bandsCaption: "By age, on faces that no step of training saw",
  bandAge: "Age",
  bandFaces: "Faces",
  bandError: "Years off, on average",
  bandCoverage: "Range holds",
  band: (/** @type {string} */ from, /** @type {string} */ to) => `${from} to ${to}`,
  misuse: "For play and for anonymous statistics. Not for age checks, not for identifying anyone, not for any decision about a person.",
  notKept: "Photos are not kept, not looked at by anyone and not used for training. This page asks no other host for anything and sets no cookie.",
  model: (/** @type {string} */ name, /** @type {string} */ version) => `Model ${name}, version ${version}.`,
};
