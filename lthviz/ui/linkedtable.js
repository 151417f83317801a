// A table whose rows can be sorted and one of them chosen. What is chosen follows its row, however rows are sorted; arrow keys move, Enter,
// Space or a click chooses, and Python hears of it. The order is the reader's and stays here.
const tables = new WeakMap(), NONE = "-";

export default ({ data, parentElement, setTriggerValue }) => {
  const table = parentElement.querySelector("table"), state = tables.get(table) ?? { by: null, down: true };
  tables.set(table, state);
  Object.assign(state, { data, chosen: data.chosen, tell: id => setTriggerValue("choose", id) });
  const wrap = parentElement.querySelector(".wrap");
  wrap.style.maxHeight = `${data.height / 16}rem`;
  if (state.by && !data.columns.some(c => c.key === state.by)) state.by = null;
  table.setAttribute("aria-label", data.label);
  head(table, state);
  body(table, state);
  if (state.brought !== data.chosen) {                     // scrolls the table alone, never the page
    state.brought = data.chosen;
    const tr = [...table.tBodies[0].rows].find(row => row.dataset.id === data.chosen), top = table.tHead.offsetHeight;
    if (tr && (tr.offsetTop - top < wrap.scrollTop || tr.offsetTop + tr.offsetHeight > wrap.scrollTop + wrap.clientHeight))
      wrap.scrollTop = tr.offsetTop - (wrap.clientHeight + top - tr.offsetHeight) / 2;
  }
};

const text = (value, { kind, digits = 1 }) => value === null || value === undefined ? "–" : kind === "number" ? value.toLocaleString("en")
  : kind === "percent" || kind === "bar" ? (100 * value).toFixed(digits) : String(value);

function head(table, state) {
  const row = document.createElement("tr");
  for (const column of state.data.columns) {
    const th = document.createElement("th"), b = document.createElement("button"), here = state.by === column.key;
    Object.assign(b, { type: "button", title: column.help ? (column.help.endsWith(".") ? `${column.help} Sorts the table.` : `${column.help}; sorts the table`) : "Sorts the table" });
    b.textContent = column.name;
    const arrow = b.appendChild(document.createElement("span"));
    arrow.className = "arrow";
    arrow.setAttribute("aria-hidden", "true");
    arrow.textContent = here ? (state.down ? "▼" : "▲") : "";
    th.scope = "col";
    th.className = column.kind === "text" ? "text" : "";
    th.setAttribute("aria-sort", here ? (state.down ? "descending" : "ascending") : "none");
    b.onclick = () => {                                    // largest first, smallest first, as it was
      const first = column.kind !== "text";
      if (state.by !== column.key) Object.assign(state, { by: column.key, down: first });
      else if (state.down === first) state.down = !first;
      else state.by = null;
      head(table, state);
      body(table, state);
      table.querySelectorAll("th button")[state.data.columns.indexOf(column)].focus();
    };
    th.append(b);
    row.append(th);
  }
  table.tHead.replaceChildren(row);
}

function sorted({ data: { rows }, by, down }) {
  if (!by) return rows;
  const empty = v => v === null || v === undefined;
  return [...rows].sort((a, b) => {
    const x = a[by], y = b[by];
    if (empty(x) || empty(y)) return empty(x) - empty(y);
    return (typeof x === "string" ? x.localeCompare(y, "en", { numeric: true }) : x - y) * (down ? -1 : 1);
  });
}

function body(table, state) {
  const { data, chosen } = state, ids = data.rows.map(r => r.id), focused = table.getRootNode().activeElement?.closest?.("tbody tr")?.dataset.id;
  table.tBodies[0].replaceChildren(...sorted(state).map(row => {
    const tr = document.createElement("tr");
    tr.dataset.id = row.id;
    tr.tabIndex = row.id === chosen || (!ids.includes(chosen) && row.id === ids[0]) ? 0 : -1;
    if (row.fixed) tr.className = row.fixed === "read" ? "read" : "fixed";
    else tr.setAttribute("aria-selected", row.id === chosen);
    for (const column of data.columns) {
      const td = document.createElement("td");
      td.textContent = text(row[column.key], column);
      if (column.kind === "text") td.className = "text";
      if (column.kind === "bar" && row[column.key] !== null) {
        td.className = "bar";
        td.style.setProperty("--share", row[column.key]);
      }
      tr.append(td);
    }
    tr.onclick = () => choose(table, state, row);
    tr.onkeydown = e => {
      const to = { ArrowDown: tr.nextSibling, ArrowUp: tr.previousSibling, Home: tr.parentNode.firstChild, End: tr.parentNode.lastChild }[e.key];
      if (to) to.focus();
      if (e.key === "Enter" || e.key === " ") choose(table, state, row);
      if (to || e.key === "Enter" || e.key === " " || e.key.startsWith("Arrow")) { e.preventDefault(); e.stopPropagation(); }
    };
    return tr;
  }));
  if (focused) [...table.tBodies[0].rows].find(tr => tr.dataset.id === focused)?.focus({ preventScroll: true });
}

function choose(table, state, { id, fixed }) {
  if (fixed || state.chosen === id && state.data.required) return;
  state.brought = state.chosen = state.chosen === id ? null : id;       // it is where the reader looks
  for (const tr of table.tBodies[0].rows) {
    if (!tr.classList.contains("fixed")) tr.setAttribute("aria-selected", tr.dataset.id === state.chosen);
    tr.tabIndex = tr.dataset.id === id ? 0 : -1;
  }
  state.tell(state.chosen ?? NONE);
}
