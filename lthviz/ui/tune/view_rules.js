// The thresholds' own arithmetic, the same as in Python: Regroup's cut (core.regroup.cut) and Refill's budget (core.refill.budget).

// The smallest i ≥ 1 with i > t1·L(i), left[i − 1] = L(i). L falls and i grows, so the first is found by halving; numbers are float64 as there.
function cutOf(left, t1) {
  let low = 0, high = left.length - 1;                     // L(n) = 0, so n columns always do
  while (low < high) {
    const middle = (low + high) >> 1;
    if (middle + 1 > t1 * left[middle]) high = middle;
    else low = middle + 1;
  }
  return low + 1;
}

const DENOMINATOR = 1000000000n;

// The fraction nearest to a float of 0…1 with at most that denominator: Python's Fraction(x).limit_denominator(10**9).
function fraction(x) {
  let whole = x, D = 1n;
  while (whole % 1) { whole *= 2; D *= 2n; }               // exact: a float is a whole number over a power of two
  const N = BigInt(whole);
  if (D <= DENOMINATOR) return [N, D];
  let [p0, q0, p1, q1, n, d] = [0n, 1n, 1n, 0n, N, D];
  for (;;) {
    const a = n / d, q2 = q0 + a * q1;
    if (q2 > DENOMINATOR) break;
    [p0, q0, p1, q1, n, d] = [p1, q1, p0 + a * p1, q2, d, n - a * d];
  }
  const k = (DENOMINATOR - q0) / q1, [p, q] = [p0 + k * p1, q0 + k * q1];
  const far = (a, b) => { const off = a * D - N * b; return off < 0n ? -off : off; };         // |a/b − x|, times b·D
  return far(p1, q1) * q <= far(p, q) * q1 ? [p1, q1] : [p, q];
}

// Channels that stay whole, and of a fractional budget the weights of the next one: x + (C − x)·ρ with x = nnz/n, over R rows of C columns.
function channelsOf(nnz, R, C, rho, fractional) {
  const [p, q] = fraction(rho), rows = BigInt(R), n = BigInt(C), kept = BigInt(nnz);
  const total = kept * q + (rows * n - kept) * p, unit = n * q, full = Number(total / unit), over = total % unit;
  if (fractional) return { full, rest: Number(over * n / unit) };
  return { full: Math.min(R, Math.max(1, full + (over > 0n ? 1 : 0))), rest: 0 };
}

// The ρ of fewest decimals that keeps K channels; 0 where fewer cannot be kept.
function rhoFor(K, nnz, R, C) {
  const least = channelsOf(nnz, R, C, 0, false).full, x = nnz / C;
  if (K <= least) return 0;
  const most = Math.min(1, (K - x) / (R - x));
  for (let digits = 1; digits < 12; digits++) {
    const unit = 10 ** digits, v = Math.floor(most * unit + 1e-6) / unit;
    for (const rho of [v, v - 1 / unit].map(v => Math.min(1, +v.toFixed(digits))))
      if (rho >= 0 && channelsOf(nnz, R, C, rho, false).full === K) return rho;
  }
  return most;
}

// Values that slider and keys take. t1 runs evenly in its logarithm, over numbers that one would choose: 1, 1.05 … 1.95, 2, 2.1 … 4.9, 5, 5.2 … 9.8.
const T1S = [-2, -1, 0, 1, 2].flatMap(decade => Array.from({ length: 75 }, (_, k) => k < 20 ? 100 + 5 * k : k < 50 ? 200 + 10 * (k - 20) : 500 + 20 * (k - 50))
  .map(v => +(v * 10 ** (decade - 2)).toPrecision(3)));
const RHOS = Array.from({ length: 1001 }, (_, k) => k / 1000);
const KINDS = {
  regroup: { name: "t1", sign: "t1", values: T1S, far: 15 },
  refill: { name: "rho", sign: "ρ", values: RHOS, far: 50 },
};
const allowed = ({ low, high, open }, v) => open ? v > low && v < high : v >= low && v <= high;

// Place of the last of the ascending values that is at most v; -1 before all.
function placeOf(values, v) {
  let low = 0, high = values.length;
  while (low < high) { const middle = (low + high) >> 1; if (values[middle] <= v) low = middle + 1; else high = middle; }
  return low - 1;
}

// The value so many steps on; between two values, the first step goes to the nearer end.
function stepped({ values }, v, by) {
  const at = placeOf(values, v), between = at < 0 || values[at] < v, to = at + by + (by < 0 && between ? 1 : 0);
  if (by > 0 && to >= values.length) return Math.max(v, values.at(-1));
  if (by < 0 && to < 0) return Math.min(v, values[0]);
  return values[to];
}

// Place of the nearest value: where the slider stands.
function nearest(values, v) {
  const at = Math.max(0, placeOf(values, v));
  return at + 1 < values.length && values[at + 1] - v < v - values[at] ? at + 1 : at;
}
