// Keeps the page's own files, for when the service can't be reached: the page then says so, and waits. Answers and lists are never kept.
const name = 'page-1';
const files = ['/', '/page.css', '/page.js', '/service.js', '/markdown.js', '/texts.js', '/conversations.js', '/view.js', '/kiosk.js', '/page.json', '/favicon.svg', '/manifest.webmanifest'];

self.addEventListener('install', event => event.waitUntil((async () => {
  const cache = await caches.open(name);
  await cache.addAll(files.map(file => new Request(file, { headers: { Accept: 'text/html,*/*' } })));
  await self.skipWaiting();
})()));

self.addEventListener('activate', event => event.waitUntil((async () => {
  for (const old of await caches.keys()) if (old !== name) await caches.delete(old);
  await self.clients.claim();
})()));

// The service first, as it may have a newer page.
self.addEventListener('fetch', event => {
  const url = new URL(event.request.url);
  if (event.request.method !== 'GET' || url.origin !== location.origin || !files.includes(url.pathname) && url.pathname !== '/logo') return;
  event.respondWith((async () => {
    const cache = await caches.open(name);
    try {
      const response = await fetch(event.request);
      if (response.ok) await cache.put(url.pathname, response.clone());
      return response;
    } catch (error) {
      const kept = await cache.match(url.pathname, { ignoreVary: true }); // the first page was asked for with another Accept
      if (kept) return kept;
      throw error;
    }
  })());
});
