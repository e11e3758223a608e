/**
 * The plane of a map in the space of the codes: from places to codes, and from codes to the nearest place. It
 * is null where a place on the map stands for nothing that could be decoded.
 */

/**
 * @param {{origin: number[], across: number[], up: number[]}|null} plane
 * @returns {Float64Array|null} the code at a place
 */
export function codeAt(plane, [x, y]) {
  if (!plane) return null;
  const { origin, across, up } = plane;
  return Float64Array.from(origin, (value, i) => value + x * across[i] + y * up[i]);
}

/**
 * The place of a code; null if the plane is one of other things. Axes such as attributes measure by other
 * weights than they move by; where these are not known, it is the place whose code is nearest.
 */
export function placeOf(plane, z) {
  if (!plane || plane.origin.length !== z.length) return null;
  if (!plane.weights) return nearestPlace(plane, z);
  return plane.weights.map((weights, k) =>
    weights.reduce((sum, weight, i) => sum + weight * z[i], -plane.offsets[k]),
  );
}

/** Null if the plane has no two directions. */
function nearestPlace({ origin, across, up }, z) {
  let [aa, au, uu, ad, ud] = [0, 0, 0, 0, 0];
  for (let i = 0; i < origin.length; i += 1) {
    const difference = z[i] - origin[i];
    aa += across[i] * across[i];
    au += across[i] * up[i];
    uu += up[i] * up[i];
    ad += across[i] * difference;
    ud += up[i] * difference;
  }
  const determinant = aa * uu - au * au;
  if (!(Math.abs(determinant) > 1e-12)) return null;
  return [(uu * ad - au * ud) / determinant, (aa * ud - au * ad) / determinant];
}
