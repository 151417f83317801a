// The live view of Tune: a mask view (maskview/view.js) whose mask after follows a threshold, with the controls and the curve of that threshold.
class TuneView extends MaskView {
  constructor(parent, kept) {
    super(parent, kept);
    const find = name => parent.querySelector(`.${name}`);
    for (const [name, where] of Object.entries({ side: "side", what: "what", slide: "slide", exact: "exact", back: "back", partRow: "parts", choice: "choice", plot: "plot",
      why: "why", pointed: "told", numbers: "figures" })) this[name] = find(where);
    this.plotted = new Plot(this);
    dials(this);
    this.sideResized = new ResizeObserver(() => { if (this.layer && (this.plot.clientWidth !== this.plotted.width || this.plot.clientHeight !== this.plotted.height)) this.plotted.build(); });
    this.sideResized.observe(this.plot);
  }

  read(head, body) { return readLive(head, body); }
  which(head) { return `${super.which(head)} ${head.kind}`; }

  load(bytes) {
    const was = this.layer;
    super.load(bytes);
    const { layer, kept: k } = this;
    if (layer === was) layer.renew?.(...readHead(bytes));
    layer.set(k.start);
    this.first = layer.head.was ?? layer.figures;           // of other parts or scores, only Python knows what they made
    layer.set(k.value);
    if (layer !== was) {
      k.partChosen = layer.parts?.[k.partChosen - 1] ? k.partChosen : (layer.parts?.find(p => p.block)?.number ?? 1);
      dress(this);
      this.plotted.build();
    }
    this.describe();
  }

  // The value that Python hands in is taken when it is another than before and none of our own reports coming back: those are old news.
  // So is everything from a run of the page that has not heard the last report yet.
  heed(head) {
    super.heed(head);
    const k = this.kept, { value, heard, start } = head, now = performance.now();
    k.sent = Math.max(k.sent ?? 0, heard);
    if (k.of !== k.which) Object.assign(k, { of: k.which, value, start: start ?? value, told: value, handed: value, reports: [], partChosen: 0 });
    if (start !== null) k.start = start;
    if (value === k.handed) return;
    k.handed = value;
    k.reports = k.reports.filter(r => now - r.at < ECHO_MS);
    const echo = k.reports.findIndex(r => r.value === value);
    if (echo >= 0) k.reports.splice(0, echo + 1);
    else if (heard >= k.sent && !this.dragging) {
      k.value = k.told = value;
      clearTimeout(this.soon);
    }
  }

  release() {
    super.release();
    this.sideResized.disconnect();
    if (this.soon) this.settle();
  }

  // The part whose curve is shown: of the row under the pointer, else the chosen one.
  get part() {
    const { parts, partOf } = this.layer, r = this.hover ? this.order.rows[this.hover.i] : -1;
    return parts && ((r >= 0 && partOf[r]) || parts[this.kept.partChosen - 1]);
  }

  choosePart(n) {
    this.kept.partChosen = n;
    this.follow();
  }

  choose(picked) {
    this.kept.picked = picked;
    const part = picked && this.layer.partOf?.[picked.row];
    if (part) this.kept.partChosen = part.number;
    this.mark();
  }

  point(cell) {
    const part = this.part;
    super.point(cell);
    if (this.part !== part) this.follow();
  }

  // The threshold -------------------------------------------------------------------------------------------------------

  turnTo(value, hurried = false) {
    if (value === this.kept.value) return;
    this.root.dataset.turned = this.kept.value = value;
    this.typing = false;
    this.layer.set(value);
    if (hurried) this.hurry();
    else this.ask();
  }

  // What a hand changes is drawn at once and is there with the next frame instead of begun with it; what comes before that frame is
  // drawn with it, so that there is one drawing a frame.
  hurry() {
    if (this.hurried) { this.again = true; return this.ask(); }
    this.hurried = true;
    const rest = () => {
      if (!this.again) { this.hurried = false; return; }
      this.again = false;
      requestAnimationFrame(rest);
    };
    requestAnimationFrame(rest);
    cancelAnimationFrame(this.frame);
    this.draw();
  }

  typed() {
    const { exact, layer: { kind } } = this, value = exact.value === "" ? NaN : +exact.value, fits = allowed(kind, value);
    exact.classList.toggle("wrong", !fits);
    exact.setAttribute("aria-invalid", !fits);
    this.told(fits ? "" : `${kind.sign} must be ${kind.words}.`);
    if (fits) this.turnTo(value);
    this.typing = true;
  }

  told(text) { if (this.pointed.textContent !== text) this.pointed.textContent = text; }

  // Python hears of the value when the reader lets go, once.
  settle(after = 0) {
    clearTimeout(this.soon);
    this.soon = after ? setTimeout(() => this.settle(), after) : null;
    const k = this.kept, { head, kind } = this.layer;
    if (after || k.value === k.told) return;
    k.told = k.value;
    k.reports.push({ value: k.value, at: performance.now() });
    this.send("settle", { layer: head.layer, [kind.name]: k.value, count: ++k.sent });
    this.describe();
  }

  describe() { this.marks.setAttribute("aria-label", spokenWords(this.layer)); }

  follow() {
    write(this);
    this.plotted.move();
    this.root.dataset.value = this.kept.value;
  }

  draw() {
    if (!this.alive || !this.stage.clientWidth) return;
    super.draw();                                           // it asks where things lie: asked after words were written, the browser would lay them out twice
    if (this.version !== this.layer.version) {
      this.version = this.layer.version;
      controls(this);
    }
    this.follow();
  }
}

export default args => mount(TuneView, args);
