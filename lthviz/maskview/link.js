// What the page asks the view to show, by its link say, and what it is told of the reader's own choice.
const DEFAULTS = { mode: "after", order: "original", cells: "weights", shade: false, window: "" };   // what a link or the page may ask for
const asking = from => Object.fromEntries(Object.entries(DEFAULTS).map(([field, usual]) => [field, from[field] ?? usual]));
const ECHO_MS = 5000;                  // longest that a report takes to come back

// Python asks for a view anew, or the reader's choice stays. What comes back of our own reports is old news: meanwhile the reader
// may have gone on.
function heedAsked(view, head) {
  const k = view.kept, now = performance.now(), asked = asking(head), differs = (a, b) => Object.keys(DEFAULTS).filter(field => a?.[field] !== b[field]);
  k.reported = (k.reported ?? []).filter(r => now - r.at < ECHO_MS);
  const echo = k.reported.findIndex(r => !differs(r, asked).length);
  if (echo >= 0) k.reported.splice(0, echo + 1);
  else {
    const anew = differs(k.asked, asked);
    for (const field of anew) k[field] = asked[field];
    if (anew.includes("window")) setWindow(view, windowOf(asked.window, view.layer.R, view.across) ?? null);
  }
  k.asked = asked;
  const picked = JSON.stringify(head.picked ?? null);
  if (picked !== k.askedPick && head.picked !== undefined && !(k.sentPicks ?? []).includes(picked)) k.picked = head.picked;
  k.sentPicks = (k.sentPicks ?? []).filter(p => p !== picked);
  k.askedPick = picked;
}

// The page hears what is shown, where it listens.
function report(view) {
  clearTimeout(view.later);
  const { layer: { head }, kept: k } = view;
  if (!head.reports || !view.shape) return;
  const now = { ...asking(k), window: windowText(view) };
  k.window = now.window;
  k.reported.push({ ...now, at: performance.now() });
  view.send("view", { layer: head.layer, ...now });
}

function reportSoon(view) {
  clearTimeout(view.later);
  view.later = setTimeout(() => { if (view.alive && windowText(view) !== view.kept.window) report(view); }, SETTLED_MS);
}
