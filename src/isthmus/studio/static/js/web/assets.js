/**
 * What an exported page carries beside its own text: networks, samples, the runtime.
 *
 * Each is base64 of gzip. In a page of one file it is a block of data in the page itself; in a folder it is a
 * script, because from `file:` a page may run scripts that lie beside it, and may fetch nothing.
 */

const arrivals = new Map();

/** Called by the scripts of a folder. */
window.isthmusAsset = (name, text) => arrivals.get(name)?.(text);

/**
 * @param {string} name
 * @returns {Promise<ArrayBuffer>}
 */
export async function asset(name) {
  const block = document.getElementById(`asset-${name}`);
  const text = block ? block.textContent : await fromScript(name);
  // The text is a third larger than what it stands for, and is needed once.
  block?.remove();
  const packed = new Blob([bytesOf(text)]).stream();
  return new Response(packed.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

function fromScript(name) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    arrivals.set(name, resolve);
    script.src = `assets/${name}.js`;
    script.onload = () => script.remove();
    script.onerror = () =>
      reject(new Error(`assets/${name}.js is missing; keep all files of this page together.`));
    document.head.append(script);
  });
}

function bytesOf(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i += 1) bytes[i] = raw.charCodeAt(i);
  return bytes;
}
