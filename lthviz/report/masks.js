// The live view of the masks in a report: mounted without any server, its layers inflated when they are looked at.
{
  const place = document.getElementById("mask-view"), given = document.getElementById("mask-data");
  if (place && given) {
    const all = JSON.parse(given.textContent), by = id => document.getElementById(id), [round, ticket, layer] = ["mask-round", "mask-ticket", "mask-layer"].map(by);
    const shadow = place.attachShadow({ mode: "open" }), parts = new Map();
    shadow.append(document.getElementById("mask-frame").content.cloneNode(true));
    let view = null, turn = 0;

    const inflate = async name => {
      if (!parts.has(name)) {
        const raw = Uint8Array.from(atob(all.parts[name]), c => c.charCodeAt(0));
        parts.set(name, new Uint8Array(await new Response(new Blob([raw]).stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer()));
      }
      return parts.get(name);
    };

    // One byte string as the view takes it (payload.py): length, head, sections.
    const bytesOf = async ({ parts: of, ...rest }) => {
      const sections = Object.fromEntries(of.map(([name, start, stop]) => [name, [start, stop]])), end = Math.max(0, ...of.map(p => p[2]));
      const head = new TextEncoder().encode(JSON.stringify({ ...rest, sections, colours: all.colours })), length = head.length + (-(head.length + 4) & 3);
      const bytes = new Uint8Array(4 + length + end + 3).fill(32, 4, 4 + length);
      new DataView(bytes.buffer).setUint32(0, length, true);
      bytes.set(head, 4);
      for (const [, start, , name] of of) bytes.set(await inflate(name), 4 + length + start);
      return bytes;
    };

    const fill = (select, options, wanted) => {
      select.replaceChildren(...options.map(([value, words]) => Object.assign(document.createElement("option"), { value, textContent: words })));
      select.value = options.some(([value]) => value === wanted) ? wanted : options[0][0];
    };

    const show = async () => {
      const mine = ++turn, at = all.rounds.indexOf(+round.value);
      fill(ticket, all.tickets[at].map(([label, name]) => [label, name]), ticket.value || place.dataset.ticket);
      const [, name, before] = all.tickets[at].find(([label]) => label === ticket.value), found = all.views[`${round.value}/${ticket.value}/${layer.value}`];
      by("mask-said").textContent = !found ? "This ticket has no mask of that layer." : found.paired
        ? `Before: ${before}. After: ${name}, round ${round.value}.` : `${name}, round ${round.value}; there is no mask before it to compare with.`;
      place.hidden = !found;
      if (!found) return;
      const bytes = await bytesOf(found);
      if (mine !== turn) return;                                   // the reader went on meanwhile
      view ??= new MaskView(shadow);
      view.update(bytes, () => {});
      place.dataset.shown = `${round.value}/${ticket.value}/${layer.value}`;
    };

    const next = step => {
      const i = layer.selectedIndex + step;
      if (i < 0 || i >= layer.length) return;
      layer.selectedIndex = i;
      show();
    };

    fill(round, all.rounds.map(k => [`${k}`, `${k}`]), place.dataset.round);
    fill(layer, all.layers, place.dataset.layer);
    for (const select of [round, ticket, layer]) select.addEventListener("change", show);
    document.addEventListener("keydown", e => {
      if (typing(e.composedPath()[0]) || e.ctrlKey || e.metaKey || e.altKey || e.shiftKey) return;
      if (e.key === "j") next(1);
      if (e.key === "k") next(-1);
    });
    // detail: css pixels of a sheet of paper, on which nothing is drawn anew once it is laid out.
    document.addEventListener("report-theme", ({ detail }) => {
      place.style.width = detail ? `${detail}px` : "";
      if (!view) return;
      view.resized[detail ? "disconnect" : "observe"](view.stage);
      view.update(view.bytes, () => {});
      view.copy?.remove();
      for (const canvas of [view.cells, view.marks]) canvas.style.visibility = detail ? "hidden" : "";
      if (!detail) return;
      view.copy = view.cells.cloneNode();                            // paper shows what a canvas was told, in its order, and neither clearing nor pixels that were put
      view.marks.after(view.copy);
      for (const canvas of [view.cells, view.marks]) view.copy.getContext("2d").drawImage(canvas, 0, 0);
      view.copy.style.visibility = "visible";
    });
    if (typeof DecompressionStream === "undefined") by("mask-said").textContent = "This browser cannot inflate the masks; a newer one can. Their numbers are in the table below.";
    else show();
  }
}
