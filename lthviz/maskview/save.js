// The picture as a PNG of twice its size, with its title, the names of its panels and its legend, fit for a slide.
function savePicture(view) {
  const { stage, root, dark, layer } = view, was = view.ratio, ratio = view.ratio = 2, canvas = document.createElement("canvas"), ctx = canvas.getContext("2d");
  view.draw();
  const style = getComputedStyle(root), { colours, shape: { large } } = view, width = stage.clientWidth;
  const pad = 16, small = 14 * large, head = 34 * large, line = 22 * large, under = pad + head + stage.clientHeight + 12;
  const family = style.fontFamily, plain = `${small}px ${family}`, page = pixelHex(view.ink.gap);
  const told = [wholeWords(layer, view.shape, view.kept.picked, view), windowName(view) + (view.order === layer.orders.original || view.kept.order === "original" ? "" : ", grouped order"),
    ...(view.shaded ? [rampWords(layer)] : [])];
  const run = new URLSearchParams(location.search).get("run");          // the page's: a component has no address of its own
  if (view.zoomed) told.push("The counts are of the whole layer.");
  if (run) told.push(`Run ${run}.`);
  const rows = told.flatMap(text => wrapped(ctx, plain, text, width));
  let x = pad, lines = 0;
  const put = (picture, text, w, h) => {                                  // one after the other, and on a new line where there is no room
    const wide = w + (text ? small / 2 + ctx.measureText(text).width : 0);
    if (x > pad && x + wide > pad + width) { x = pad; lines++; }
    const at = { picture, text, w, h, x, y: under + line * lines };
    x += wide + line;
    return at;
  };
  const legend = [...view.legend.children].map(b => put(b.querySelector("canvas"), b.textContent.trim(), small, small));
  if (view.shaded) { const shades = ramp(view); legend.push(put(shades, "", shades.width * large, shades.height * large)); }
  Object.assign(canvas, { width: (width + 2 * pad) * ratio, height: (under + line * (1 + lines + rows.length) + pad) * ratio });
  ctx.scale(ratio, ratio);
  ctx.fillStyle = page;
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  ctx.fillStyle = colours.text;
  ctx.textBaseline = "top";
  ctx.font = `600 ${17 * large}px ${family}`;
  ctx.fillText(view.title.textContent || layer.head.layer, pad, pad, width);
  ctx.font = plain;
  for (const name of view.names) if (name.textContent) {
    const [x, y] = name.style.translate.split(" ").map(parseFloat);
    ctx.fillText(name.textContent, pad + x, pad + head + (y || 0));
  }
  ctx.drawImage(view.cells, pad, pad + head, width, stage.clientHeight);
  ctx.save();                                                             // outlines anew, where there is room around the cells; no bars, nothing that is pointed at
  ctx.setTransform(1, 0, 0, 1, pad * ratio, (pad + head) * ratio);
  outline(view, ctx, []);
  ctx.restore();
  ctx.font = plain;
  for (const { picture, text, w, h, x, y } of legend) {
    ctx.drawImage(picture, x, y, w, h);
    ctx.fillText(text, x + w + small / 2, y);
  }
  rows.forEach((text, i) => ctx.fillText(text, pad, under + line * (lines + 1 + i)));
  view.ratio = was;
  view.draw();
  const name = [run, view.title.textContent || layer.head.layer || "mask", view.mode, dark ? "dark" : ""].filter(Boolean).join(" ").toLowerCase();
  canvas.toBlob(blob => {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: `lthviz-${name.replace(/[^a-z0-9.+=-]+/g, "-")}.png` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });
}

const pixelHex = ([r, g, b]) => `rgb(${r} ${g} ${b})`;

function wrapped(ctx, font, text, width) {
  ctx.font = font;
  const out = [""];
  for (const word of text.split(" ")) {
    const next = out.at(-1) ? `${out.at(-1)} ${word}` : word;
    if (ctx.measureText(next).width <= width || !out.at(-1)) out[out.length - 1] = next;
    else out.push(word);
  }
  return out;
}
