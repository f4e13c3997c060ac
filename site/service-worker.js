// Where page and model are kept (engine/store.js), they work without a connection.

/** @type {ServiceWorkerGlobalScope} */
const scope = /** @type {any} */ (globalThis);

scope.addEventListener("install", () => scope.skipWaiting());
scope.addEventListener("activate", (event) => event.waitUntil(scope.clients.claim()));
scope.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== scope.location.origin) return;
  if (request.mode === "same-origin" && !request.destination) return; // ANEW of engine/store.js
  const kept = () => caches.match(request, { ignoreSearch: true, ignoreVary: true });
  const named = /\/on-device\/.*\.[0-9a-f]{12}\./.test(pathname); // by hash: it never changes
  event.respondWith(named
    ? kept().then((found) => found ?? fetch(request))
    : fetch(request).catch(async () => (await kept()) ?? Response.error()));
});
