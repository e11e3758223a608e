/**
 * The address after # says which view is shown, of what, and how: `#/run/faces/explore?row=5`.
 *
 * A name with slashes is one segment, its slashes encoded.
 */

/**
 * @param {string} hash
 * @returns {{path: string, segments: string[], query: URLSearchParams}}
 */
export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#/, "").split("?", 2);
  const segments = path.split("/").filter(Boolean).map(decode);
  return { path, segments, query: new URLSearchParams(query) };
}

function decode(segment) {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** Address of a view: `href("run", "a/digits", "explore")`. */
export function href(...segments) {
  return `#/${segments.map(encodeURIComponent).join("/")}`;
}

/**
 * Which view an address means.
 * @param {{pattern: string}[]} views patterns such as "run/:run/explore"
 * @param {string[]} segments
 * @returns {{view: Object, params: Object<string, string>}|null}
 */
export function match(views, segments) {
  for (const view of views) {
    const parts = view.pattern.split("/");
    if (parts.length !== segments.length) continue;
    const params = {};
    const fits = parts.every((part, i) => {
      if (!part.startsWith(":")) return part === segments[i];
      params[part.slice(1)] = segments[i];
      return true;
    });
    if (fits) return { view, params };
  }
  return null;
}
