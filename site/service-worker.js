// Where the page and the model are kept (engine/store.js), they work without a connection. It keeps nothing
// itself, and is there only for those who chose to be answered on their device.

/** @type {ServiceWorkerGlobalScope} */
const scope = /** @type {any} */ (globalThis);

scope.addEventListener("install", () => scope.skipWaiting());
scope.addEventListener("activate", (event) => event.waitUntil(scope.clients.claim()));
scope.addEventListener("fetch", (event) => {
  const { origin, pathname } = new URL(event.request.url);
  if (event.request.method !== "GET" || origin !== scope.location.origin) return;
  const named = /\/on-device\/.*\.[0-9a-f]{12}\./.test(pathname); // by hash: it never changes
  event.respondWith(named ? keptFirst(event.request) : keptLast(event.request));
});

/** @param {Request} request */
const keptFirst = async (request) => (await kept(request)) ?? fetch(request);

/** @param {Request} request */
async function keptLast(request) {
  try {
    return await fetch(request);
  } catch {
    return (await kept(request)) ?? Response.error();
  }
}

/** @param {Request} request  @returns {Promise<Response | undefined>} */
const kept = (request) => caches.match(request, { ignoreSearch: true, ignoreVary: true });
