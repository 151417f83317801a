// The picture as a PNG of twice its size, with its title, the names of its panels and its legend, fit for a slide.
function savePicture(view) {
  const { stage, root, dark, layer } = view, was = view.ratio, ratio = view.ratio = 2, canvas = document.createElement("canvas"), ctx = canvas.getContext("2d");
  view.draw();
  const style = getComputedStyle(root), { colours } = view, width = stage.clientWidth, pad = 16, head = 34, line = 22;
  const family = style.fontFamily, plain = `14px ${family}`, page = pixelHex(view.ink.gap);
  const legend = [...view.legend.children].map(b => [b.querySelector("canvas"), b.textContent.trim()]);
  const told = [wholeWords(layer, view.shape, view.kept.picked, view), windowName(view) + (view.order === layer.orders.original || view.kept.order === "original" ? "" : ", grouped order"),
    ...(view.shaded ? [rampWords(layer)] : [])];
  const run = new URLSearchParams(location.search).get("run");          // the page's: a component has no address of its own
  if (view.kept.t > 0) told.push("The counts are of the whole layer.");
  if (run) told.push(`Run ${run}.`);
  const rows = told.flatMap(text => wrapped(ctx, plain, text, width));
  Object.assign(canvas, { width: (width + 2 * pad) * ratio, height: (head + stage.clientHeight + 12 + line * (1 + rows.length) + 2 * pad) * ratio });
  ctx.scale(ratio, ratio);
  ctx.fillStyle = page;
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  ctx.fillStyle = colours.text;
  ctx.textBaseline = "top";
  ctx.font = `600 17px ${family}`;
  ctx.fillText(view.title.textContent || layer.head.layer, pad, pad, width);
  ctx.font = plain;
  for (const name of view.names) if (name.textContent) {
    const [x, y] = name.style.translate.split(" ").map(parseFloat);
    ctx.fillText(name.textContent, pad + x, pad + head + (y || 0));
  }
  for (const layerCanvas of [view.cells, view.marks]) ctx.drawImage(layerCanvas, pad, pad + head, width, stage.clientHeight);
  let x = pad, y = pad + head + stage.clientHeight + 12;
  for (const [swatch, text] of legend) {
    ctx.drawImage(swatch, x, y, 14, 14);
    ctx.fillText(text, x + 21, y);
    x += 21 + ctx.measureText(text).width + 22;
  }
  if (view.shaded) ctx.drawImage(ramp(view), x, y);
  for (const text of rows) ctx.fillText(text, pad, y += line);
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
