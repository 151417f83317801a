// The figures of a report: drawn in the reader's theme, in print in the light one and as wide as the paper; saved without any server.
(() => {
  const data = JSON.parse(document.getElementById("figure-data").textContent), root = document.documentElement;
  const plots = [...document.querySelectorAll(".plot")], toggle = document.getElementById("theme"), wish = matchMedia("(prefers-color-scheme: dark)");
  const touch = matchMedia("(pointer: coarse)").matches, PAPER = 860;      // css pixels between the margins of A4, at the zoom of print
  const config = { displaylogo: false, responsive: true, displayModeBar: "hover", modeBarButtonsToRemove: ["toImage", "select2d", "lasso2d"] };
  let chosen = null, printing = false;

  const theme = () => printing ? "light" : chosen ?? (wish.matches ? "dark" : "light");

  function draw(plot, width) {
    const { data: traces, layout } = data[plot.dataset.key][theme()], [first] = traces;
    const narrow = first?.type === "heatmap" && (width ?? plot.clientWidth) < 44 * first.x.length;                  // no room for numbers in the cells
    const size = width ? { width, autosize: false } : { autosize: true };
    Plotly[width ? "newPlot" : "react"](plot, traces, { ...layout, dragmode: touch ? false : layout.dragmode, ...(narrow ? { annotations: [] } : {}), ...size }, config);
    plot.dataset.theme = theme();
  }

  // What is not in sight is drawn when it is asked for.
  const stale = plot => plot.dataset.theme !== theme();
  const drawSeen = () => plots.filter(p => p.offsetParent && stale(p)).forEach(p => draw(p));

  function settle() {
    root.dataset.theme = theme();
    toggle.setAttribute("aria-pressed", theme() === "dark");
    document.dispatchEvent(new Event("report-theme"));
    drawSeen();
  }

  toggle.addEventListener("click", () => { chosen = theme() === "dark" ? "light" : "dark"; settle(); });
  wish.addEventListener("change", settle);
  addEventListener("beforeprint", () => {
    printing = true;
    root.dataset.theme = "light";
    for (const plot of plots) { plot.closest("figure").dataset.was = plot.closest("figure").hidden; plot.closest("figure").hidden = false; draw(plot, PAPER); }
    document.dispatchEvent(new CustomEvent("report-theme", { detail: PAPER }));
  });
  addEventListener("afterprint", () => {
    printing = false;
    for (const plot of plots) { plot.closest("figure").hidden = plot.closest("figure").dataset.was === "true"; Plotly.purge(plot); delete plot.dataset.theme; }
    settle();
  });

  for (const group of document.querySelectorAll(".seg[data-group]")) {
    const buttons = [...group.querySelectorAll("button")];
    for (const button of buttons) button.addEventListener("click", () => {
      for (const b of buttons) {
        b.setAttribute("aria-pressed", b === button);
        document.getElementById(b.getAttribute("aria-controls")).hidden = b !== button;
      }
      drawSeen();
    });
  }

  // Saving: pictures on the page's own colour, tables with every digit.
  const button = (parent, words, label, act) => {
    const b = parent.appendChild(Object.assign(document.createElement("button"), { type: "button", textContent: words }));
    b.setAttribute("aria-label", label);
    b.addEventListener("click", act);
  };
  for (const save of document.querySelectorAll(".save")) {
    const { of, name } = save.dataset, plot = document.getElementById(`plot-${of}`);
    const picture = format => () => Plotly.downloadImage({ data: plot.data, layout: { ...plot.layout, paper_bgcolor: getComputedStyle(document.body).backgroundColor } },
      { format, filename: name, width: plot.clientWidth, height: plot.clientHeight, scale: format === "png" ? 3 : 1 });
    button(save, "PNG", "Save this figure as PNG", picture("png"));
    button(save, "SVG", "Save this figure as SVG", picture("svg"));
    button(save, "CSV", "Save this figure's numbers as CSV", () => csv(save.closest("figure").querySelector("table"), name));
  }
  for (const caption of document.querySelectorAll(".tabled .caption, #fig-masks figcaption")) {
    const found = caption.parentElement.querySelector("table"), place = caption.appendChild(Object.assign(document.createElement("span"), { className: "save" }));
    button(place, "CSV", "Save this table as CSV", () => csv(found, found.dataset.file));
  }

  function csv(table, name) {
    const cell = c => { const v = c.dataset.v ?? (c.textContent === "–" ? "" : c.classList.contains("n") && c.tagName === "TD" ? c.textContent.replaceAll(",", "").replace("−", "-") : c.textContent); return /[",\n]/.test(v) ? `"${v.replaceAll('"', '""')}"` : v; };
    const words = [...table.rows].map(r => [...r.cells].map(cell).join(",")).join("\n") + "\n";
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(new Blob([words], { type: "text/csv" })), download: `${name}.csv` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  settle();
})();
