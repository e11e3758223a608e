/** What can be computed of codes without a network: ways from one to another, and attributes. */

const PARALLEL = 1e-7;

const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
const norm = (a) => Math.sqrt(dot(a, a));
const mix = (a, b, s, t) => a.map((value, i) => s * value + t * b[i]);

/**
 * Codes on the way from one to another, both ends among them.
 * @param {number[]} from
 * @param {number[]} to
 * @param {{kind: "linear"|"spherical", steps: number, middle: number[]}} how `middle` is the mean of the
 *   prior, from which a spherical way is seen
 * @returns {number[][]}
 */
export function way(from, to, { kind, steps, middle }) {
  const at = Array.from({ length: steps }, (_, i) => i / (steps - 1));
  if (kind === "linear") return at.map((t) => mix(from, to, 1 - t, t));
  const walk = arc(mix(from, middle, 1, -1), mix(to, middle, 1, -1), at).map((code) =>
    mix(code, middle, 1, 1),
  );
  return [from, ...walk.slice(1, -1), to];
}

/** Direction turns evenly, length grows evenly, as in `isthmus.explore.walks.slerp`. */
function arc(a, b, at) {
  const lengths = [norm(a), norm(b)];
  const straight = () => at.map((t) => mix(a, b, 1 - t, t));
  if (Math.min(...lengths) === 0 || a.length === 1) return straight();
  const first = a.map((value) => value / lengths[0]);
  const last = b.map((value) => value / lengths[1]);
  const angle = 2 * Math.atan2(norm(mix(first, last, 1, -1)), norm(mix(first, last, 1, 1)));
  if (angle < PARALLEL) return straight();
  let across = mix(last, first, 1, -dot(last, first));
  if (Math.PI - angle < PARALLEL) {
    const sizes = first.map(Math.abs);
    const least = sizes.indexOf(Math.min(...sizes));
    across = mix(
      first.map((_, i) => (i === least ? 1 : 0)),
      first,
      1,
      -first[least],
    );
  }
  const size = norm(across);
  return at.map((t) => {
    const length = (1 - t) * lengths[0] + t * lengths[1];
    return mix(first, across, length * Math.cos(t * angle), (length * Math.sin(t * angle)) / size);
  });
}

/**
 * How much of each attribute a code has, as a distribution; see `isthmus.explore.attributes`.
 * @param {{name: string, weights: number[], offset: number}[]} attributes
 * @param {ArrayLike<number>} mean
 * @param {ArrayLike<number>|null} std
 */
export function attributesOf(attributes, mean, std) {
  return attributes.map(({ name, weights, offset }) => {
    const value = dot(weights, mean) - offset;
    const spread = std ? Math.sqrt(weights.reduce((sum, weight, i) => sum + (weight * std[i]) ** 2, 0)) : 0;
    const probability = spread > 0 ? normalShare(value / spread) : 0.5 + 0.5 * Math.sign(value);
    return { name, mean: value, std: spread, probability };
  });
}

/** Share of a standard normal below x, to 1e-7 (Abramowitz & Stegun, 1964, eq. 26.2.17). */
export function normalShare(x) {
  const t = 1 / (1 + 0.2316419 * Math.abs(x));
  const series =
    t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  const tail = (Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)) * series;
  return x < 0 ? tail : 1 - tail;
}
