// Hands numbers to the libraries: tables to DataTables, charts to Vega-Embed, in the colours of the reader's theme.
import DataTable from "tables";

const dark = matchMedia("(prefers-color-scheme: dark)");
const json = (id) => JSON.parse(document.getElementById(id).textContent);
const curves = json("curves");

function themed(text) {
  const style = getComputedStyle(document.documentElement);
  return text.replace(/@(ink|muted|grid)/g, (_, name) => style.getPropertyValue(`--${name}`).trim());
}

async function draw(element) {
  const spec = JSON.parse(themed(document.getElementById(`spec-${element.dataset.spec}`).textContent));
  if (element.dataset.curves) spec.data.values = curves[element.dataset.curves] ?? [];
  const actions = { export: true, source: false, compiled: false, editor: false };
  element.view = (await window.vegaEmbed(element, spec, { actions, renderer: "svg" })).view;
}

const drawn = () => [...document.querySelectorAll(".chart")].filter((element) => !element.closest("[popover]:not(:popover-open)"));
const theme = () => {
  document.documentElement.classList.toggle("dark", dark.matches);
  drawn().forEach(draw);
};
dark.addEventListener("change", theme);
theme();
document.querySelectorAll("[popover]").forEach((cell) =>
  cell.addEventListener("toggle", (event) => event.newState === "open" && cell.querySelectorAll(".chart").forEach(draw)),
);

for (const table of document.querySelectorAll("table.sortable")) {
  new DataTable(table, {
    paging: false,
    info: false,
    order: [],
    autoWidth: false,
    layout: { topStart: null, topEnd: "search", bottomStart: null, bottomEnd: null },
    columnControl: table.dataset.filters === undefined ? [] : { target: 1, content: ["search"] },
  });
}
document.documentElement.dataset.ready = "";
