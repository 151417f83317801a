// A small matrix: rows that glide to their place, each with its cells; over them the outlines of dense blocks and what stands beside.
// Positions are transforms, so that a browser moves them without laying the page out anew.
const put = (element, x, y) => {
  const to = `translate(${x}px, ${y}px)`;
  if (element.at !== to) element.style.transform = element.at = to;
};
const write = (element, text) => { if (element.textContent !== text) element.textContent = text; };
const name = (element, className) => { if (element.named !== className) element.className = element.named = className; };
const called = (element, label) => { if (element.label !== label) element.setAttribute("aria-label", element.label = label); };

class Grid {
  constructor(figure, m, at) {
    Object.assign(this, { figure, m, at, focus: [0, 0] });
    const [rows, columns] = m.shape;
    this.section = make("section", "matrix");
    const title = make("div", "title");
    title.append(make("b", "", m.name), " ", make("span", "unit", m.unit));
    this.board = make("div", "board");
    this.grid = make("div", "grid", "", { role: "grid", "aria-label": [m.name, m.unit].filter(Boolean).join(", ") || "matrix", "aria-rowcount": rows, "aria-colcount": columns });
    this.over = make("div", "over", "", { "aria-hidden": "true" });
    this.rows = Array.from({ length: rows }, (_, r) => this.row(r, columns));
    this.grid.append(...this.rows.map(r => r.element));
    [this.heads, this.unders] = [m.heads, Array(columns).fill("")].map((texts, i) => texts.map(t => {
      const e = make("span", i ? "below" : "head", t);
      this.over.append(e);
      return e;
    }));
    this.names = [];
    this.outlines = [];
    this.board.append(this.grid, this.over);
    this.section.append(title, this.board);
    title.hidden = !m.name && !m.unit;
    this.values(m);
  }

  row(r, columns) {
    const { m } = this, element = make("div", "row", "", { role: "row" });
    const letter = m.letters.length ? make("span", "letter", m.letters[r], { role: "rowheader" }) : null;
    const cells = Array.from({ length: columns }, (_, c) => {
      const cell = make("div", "cell", "", { role: "gridcell", tabindex: r || c ? -1 : 0 });
      cell.place = [r, c];
      cell.number = cell.appendChild(make("span", "number"));
      if (m.editable) cell.title = "Click, or press Enter or Space";
      return cell;
    });
    const bar = make("span", "bar", "", { "aria-hidden": "true" }), note = make("span", "note", "", { role: "gridcell" });
    if (letter) element.append(letter);
    element.append(...cells, bar, note);
    return { element, letter, cells, bar, note };
  }

  values(m) {
    this.m = m;
    const long = (m.numbers ?? []).map(t => t.length).filter(Boolean).sort((a, b) => a - b);
    this.usual = Math.max(3, long[Math.floor(0.75 * (long.length - 1))] ?? 0);                                         // letters of most of its numbers
    this.rows.forEach(({ cells }, r) => cells.forEach((cell, c) => {
      const i = r * m.shape[1] + c;
      write(cell.number, m.numbers ? m.numbers[i] : "");
      cell.style.setProperty("--letters", Math.max(1, cell.number.textContent.length));     // a long number among shorter ones is written smaller
      cell.style.setProperty("--l", m.numbers ? (m.levels[i] / 100).toFixed(2) : "1");
    }));
  }

  // What stands beside the cells in any frame, so that nothing moves when another is shown. rem: a letter of the page in pixels.
  measure(pictures, pool, rem, wide, narrow) {
    const { m } = this, longest = texts => Math.max(0, ...texts.map(t => wide(t)));
    const all = key => pictures.filter(p => key in p).map(p => pool[p[key]]);
    const notes = longest([...new Set(all("notes").flat())]), bars = all("bars").length > 0;
    this.left = m.letters.length ? longest(m.letters) + 0.5 * rem : 0;
    this.bar = bars ? (narrow ? 2.25 : 4) * rem : 0;
    this.right = (bars ? this.bar + 0.5 * rem : 0) + (notes ? notes + 0.5 * rem : 0);
    this.under = longest([...new Set(all("under").flat())]);
    this.widestHead = longest(m.heads);
    const bands = all("bands");
    this.tallest = (row, named, gap) => row * m.shape[0] + Math.max(0, ...bands.map(b => b.reduce((sum, [, , label]) => sum + (label ? named : gap), 0) - (b[0][2] ? 0 : gap)));
  }

  // pitch: from column to column, tallest: of all rows with what stands between them, in pixels.
  layout(pitch, rem, tallest) {
    const { m } = this, gap = pitch >= 20 ? 2 : pitch >= 8 ? 1 : 0;
    const size = Math.min(0.8125 * rem, (pitch - gap - 3) / (0.56 * this.usual));
    this.tiny = !m.numbers || pitch < 28 || size < 8.5;
    const high = m.numbers ? Math.min(2.125 * rem, Math.max(pitch, this.tiny ? 0 : 1.5 * rem), Math.max(1.125 * rem, (tallest - this.tallest(0, 1.5 * rem, 0.5 * rem)) / m.shape[0])) : pitch;
    const letters = Math.min(size, 0.56 * high);
    const under = this.under ? (this.under <= pitch - gap ? 1.25 * rem : this.under + 0.375 * rem) : 0;
    Object.assign(this, { pitch, high, gapBand: 0.5 * rem, named: 1.5 * rem, top: m.heads.length && 0.95 * this.widestHead <= pitch ? 1.25 * rem : 0 });
    this.board.classList.toggle("crowded", !this.top);
    this.vertical = this.under > pitch - gap;
    this.board.classList.toggle("tiny", this.tiny);
    this.board.classList.toggle("vertical", this.vertical);
    const wide = this.left + pitch * m.shape[1], tall = this.top + this.tallest(high, this.named, this.gapBand);
    const set = (k, v) => this.board.style.setProperty(k, v);
    set("--w", `${pitch - gap}px`);
    set("--h", `${high - gap}px`);
    set("--f", `${letters.toFixed(2)}px`);
    set("--left", `${this.left}px`);
    set("--across", `${pitch * m.shape[1] - gap}px`);
    set("--bar", `${this.bar}px`);
    this.board.style.width = `${Math.ceil(wide + this.right)}px`;
    this.board.style.height = `${Math.ceil(tall + under)}px`;
    this.gap = gap;
    this.rows.forEach(({ letter, bar, note }) => {
      if (letter) put(letter, 0, 0);
      put(bar, wide + 0.375 * rem, 0);
      put(note, wide + (this.bar ? this.bar + 0.75 * rem : 0.5 * rem), 0);
    });
  }

  draw(p, pool) {
    const { m, pitch, high, left } = this, [R, C] = m.shape, get = key => key in p ? pool[p[key]] : null;
    const codes = pool[p.codes], pale = get("pale"), strong = get("strong"), chosen = new Set(get("chosen") ?? []), notes = get("notes"), bars = get("bars");
    const bands = get("bands") ?? (this.whole ??= [[[...Array(R).keys()], [...Array(C).keys()], "", 0, -1]]);
    let y = this.top, line = 0;
    this.shown = [];
    bands.forEach(([rows, cols, label, block, hue], b) => {
      if (label) { this.label(b, label, hue, left, y); y += this.named; }
      else if (b) y += this.gapBand;
      this.outline(b, block, hue, left, y, block * pitch, rows.length * high);
      for (const r of rows) {
        const row = this.rows[r];
        put(row.element, 0, y);
        y += high;
        line++;
        if (row.line !== line) row.element.setAttribute("aria-rowindex", row.line = line);
        name(row.element, chosen.has(r) ? "row chosen" : "row");
        if (row.letter) called(row.letter, `${m.rows[r] || m.letters[r] || `row ${r}`}${chosen.has(r) ? ", chosen" : ""}`);
        write(row.note, notes?.[r] ?? "");
        row.note.hidden = !notes?.[r];
        row.bar.hidden = !bars;
        if (bars) row.bar.style.setProperty("--share", bars[r]);
        this.shown.push(cols.map(c => row.cells[c]));
        cols.forEach((c, x) => {
          const i = r * C + c, cell = row.cells[c], code = codes[i];
          put(cell, left + x * pitch, 0);
          cell.line = line - 1;
          if (cell.x !== x) cell.setAttribute("aria-colindex", (cell.x = x) + 1);
          name(cell, `cell s${code}${pale?.[i] === "1" ? " pale" : ""}${strong?.[i] === "1" ? " strong" : ""}${m.editable ? " editable" : ""}`);
          called(cell, [`${m.rows[r] || `row ${r}`}, ${m.columns[c] || `column ${c}`}`, [m.numbers?.[i], m.states[code], label].filter(Boolean).join(", ")].join(": "));
        });
      }
    });
    for (const list of [this.names, this.outlines]) list.slice(bands.length).forEach(e => { e.hidden = true; });
    bands.forEach(([, , label, block], b) => { if (!label && this.names[b]) this.names[b].hidden = true; });
    const cols = bands[0][1], under = get("under");
    this.heads.forEach((e, c) => put(e, left + cols.indexOf(c) * pitch, 0));
    this.unders.forEach((e, x) => {
      e.hidden = !under;
      if (under) { write(e, under[x]); put(e, left + x * pitch, y); }
    });
    this.codes = codes;
  }

  label(b, text, hue, x, y) {
    const e = this.names[b] ??= this.over.appendChild(make("span", "band"));
    e.hidden = false;
    write(e, text);
    e.style.setProperty("--hue", hue < 0 ? "var(--muted)" : `var(--hue-${hue % 8})`);
    put(e, x, y);
  }

  outline(b, block, hue, x, y, width, height) {
    const e = this.outlines[b] ??= this.over.appendChild(make("span", "outline"));
    e.hidden = !block;
    if (!block) return;
    e.style.setProperty("--hue", hue < 0 ? "var(--st-text-color)" : `var(--hue-${hue % 8})`);
    Object.assign(e.style, { width: `${width - this.gap + 4}px`, height: `${height - this.gap + 4}px` });
    put(e, x - 2, y - 2);
  }

  // Keys: one cell of the grid is in the page's tab order, arrows move from it as it is seen. True when the key meant something here.
  key(e, cell) {
    const { line, x } = cell, last = this.shown.length - 1, end = this.m.shape[1] - 1;
    if ((e.key === "Enter" || e.key === " ") && this.m.editable) { this.pick(cell); return true; }
    const to = { ArrowUp: [line - 1, x], ArrowDown: [line + 1, x], ArrowLeft: [line, x - 1], ArrowRight: [line, x + 1], Home: [e.ctrlKey ? 0 : line, 0], End: [e.ctrlKey ? last : line, end] }[e.key];
    if (!to) return false;
    const other = this.shown[Math.max(0, Math.min(last, to[0]))][Math.max(0, Math.min(end, to[1]))];
    this.rove(other);
    other.focus();
    return true;
  }

  rove(cell) {
    for (const { cells } of this.rows) for (const c of cells) if (c.tabIndex === 0) c.tabIndex = -1;
    cell.tabIndex = 0;
  }

  pick(cell) {
    if (!this.m.editable) return;
    const [row, column] = cell.place;
    this.figure.asked?.removeAttribute("data-asked");
    this.figure.asked = cell;
    cell.setAttribute("data-asked", "");                   // until the answer is there
    this.figure.send("cell", { matrix: this.at, row, column });
  }
}
