// Carries a picture from the page where it was dropped to the page that searches with it; it stays in the browser.

const opened = () => new Promise((resolve, reject) => {
  const request = indexedDB.open("bowerbird", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("carried");
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

async function carried(mode, act) {
  const database = await opened();
  const request = act(database.transaction("carried", mode).objectStore("carried"));
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  }).finally(() => database.close());
}

export const keep = (file) => carried("readwrite", (store) => store.put(file, "picture"));

/** The picture that was kept last, or undefined. */
export const kept = () => carried("readonly", (store) => store.get("picture")).catch(() => undefined);
export const forget = () => carried("readwrite", (store) => store.delete("picture")).catch(() => undefined);
