/** Numbers as people write them. */

/** Three significant digits, without an exponent where it can be done without. */
export function short(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  let text;
  if (size !== 0 && (size < 0.001 || size >= 1e7)) text = value.toExponential(1).replace("e+", "e");
  else if (size >= 1000) text = whole(Math.round(value));
  else text = value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
  return text.replace("-", "−");
}

/** So many decimals, always the same, so that a changing number does not jump. */
export function fixed(value, decimals = 2) {
  return value.toFixed(decimals).replace("-", "−");
}

/** A whole number, thousands apart. */
export function whole(n) {
  return n.toLocaleString("en").replaceAll(",", "\u202f");
}

/** "1 row", "2 rows". */
export function count(n, one, many = `${one}s`) {
  return `${whole(n)} ${n === 1 ? one : many}`;
}

/** Decimals that suit a range. */
export function decimalsFor(low, high) {
  const span = Math.abs(high - low) || 1;
  return Math.max(0, Math.min(4, 2 - Math.floor(Math.log10(span))));
}
