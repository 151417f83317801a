// A drawing, checked as in svg.py before it is put into the page.
const SHAPES = new Set("svg g path rect circle ellipse line polyline polygon text tspan title desc defs linearGradient stop pattern clipPath marker mask".split(" "));
const OUTSIDE = /url\((?!\s*["']?#)|javascript:/i;

function drawn(text) {
  const parsed = new DOMParser().parseFromString(text, "image/svg+xml"), svg = parsed.documentElement;
  if (svg.localName !== "svg" || svg.namespaceURI !== "http://www.w3.org/2000/svg") throw new Error("a drawing is no SVG");
  for (const element of [svg, ...svg.querySelectorAll("*")]) {
    if (!SHAPES.has(element.localName)) throw new Error(`a drawing holds <${element.localName}>`);
    for (const { localName, value } of element.attributes)
      if (/^on/i.test(localName) || localName === "href" || OUTSIDE.test(value)) throw new Error(`a drawing has ${localName}`);
  }
  return document.importNode(svg, true);
}

class Drawing {
  constructor(box) { Object.assign(this, { box, made: new Map(), shown: "" }); }

  show(text, alt) {
    if (this.box.hidden !== !text) this.box.hidden = !text;
    if (text === this.shown) return this.box.setAttribute("aria-label", alt ?? "");
    this.shown = text;
    if (!text) return this.box.replaceChildren();
    if (!this.made.has(text)) this.made.set(text, drawn(text));
    const svg = this.made.get(text);
    this.size(svg);
    this.box.replaceChildren(svg);
    this.box.setAttribute("aria-label", alt);
  }

  forget(pool) { for (const text of this.made.keys()) if (!pool.includes(text)) this.made.delete(text); }

  // How many of the drawing's own units a pixel is, so that its letters can be as large as the page's.
  size(svg = this.box.firstElementChild) {
    if (!svg) return;
    this.width = this.box.clientWidth || this.width || 600;
    const wide = svg.viewBox.baseVal.width;
    svg.style.setProperty("--u", (wide / this.width).toFixed(4));
  }
}
