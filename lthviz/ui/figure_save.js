// Saves the figure beside it as PNG or SVG, drawn by the plotly that drew it: nothing is asked of any server.
export default function ({ parentElement, data }) {
  for (const button of parentElement.querySelectorAll("button")) {
    button.onclick = () => save(data.key, button.dataset.format, data.name);
  }
}

function save(key, format, name) {
  const plot = document.querySelector(`.st-key-${CSS.escape(key)} .js-plotly-plot`);
  const camera = plot && plot.querySelector('.modebar-btn[data-title^="Download plot"]');
  if (!camera) return;
  // The tool bar's own camera reads these as it is pressed.
  const before = plot._context.toImageButtonOptions;
  plot._context.toImageButtonOptions = { ...before, format, filename: name, scale: format === "png" ? 3 : 1 };
  camera.dispatchEvent(new MouseEvent("click", { bubbles: true }));
  plot._context.toImageButtonOptions = before;
}
